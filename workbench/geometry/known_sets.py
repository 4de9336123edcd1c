"""Gaussian mean widths of known sets, in closed form or by quadrature, and bounds where none is.

The width is two-sided, ω(K) = E sup over u, v in K of ⟨u − v, g⟩, g ~ N(0, I): for a set that is
symmetric about 0 twice E sup ⟨u, g⟩. Texts with the one-sided width differ by the factor 2, and
by 4 in ω². Source: Vershynin, "High-Dimensional Probability", 2018, §7.5 (definition, §7.5.2
examples); for each set its own line below.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from workbench.errors import WorkbenchError
from workbench.geometry.maxima import expected_maximum, legendre

__all__ = [
    "KnownWidth",
    "ball",
    "cross_polytope",
    "cube",
    "ellipsoid",
    "expected_maximum",
    "expected_norm",
    "orthonormal_points",
    "segment",
    "sparse",
    "sphere_of_subspace",
    "subspaces",
]


@dataclass(frozen=True)
class KnownWidth:
    """Gaussian mean width of a known set; `float()` of it is the value.

    Attributes:
        value: width ω.
        exact: True: the width, to a relative error of 1e-7; False: an upper bound of it.
        name: the set, in words.
    """

    value: float
    exact: bool
    name: str

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"ω {'=' if self.exact else '≤'} {self.value:.6g} ({self.name})"


def expected_norm(dimension: int) -> float:
    """Expected norm c_k = √2 Γ((k + 1)/2) / Γ(k/2) of a standard normal vector of k dimensions."""
    _check("dimension", dimension)
    return math.sqrt(2) * float(special.poch(dimension / 2, 0.5))


def segment(length: float) -> KnownWidth:
    """Width ℓ√(2/π) of a segment of length ℓ, also of its two ends."""
    if not (math.isfinite(length) and length >= 0):
        raise WorkbenchError("a length that is not negative", f"{length}", "give |u − v|")
    return KnownWidth(length * math.sqrt(2 / math.pi), True, f"segment of length {length:g}")


def cube(dimension: int) -> KnownWidth:
    """Width 2n√(2/π) of the cube [−1, 1]ⁿ: sup ⟨u, g⟩ = Σ|gᵢ|."""
    _check("dimension", dimension)
    return KnownWidth(2 * dimension * math.sqrt(2 / math.pi), True, f"cube [−1, 1]^{dimension}")


def ball(dimension: int) -> KnownWidth:
    """Width 2 c_n of the unit ball, and of the unit sphere, of n dimensions."""
    return KnownWidth(2 * expected_norm(dimension), True, f"unit ball of R^{dimension}")


def sphere_of_subspace(dimension: int) -> KnownWidth:
    """Width 2 c_k of the unit vectors of a subspace of k dimensions, whatever surrounds it."""
    return KnownWidth(
        2 * expected_norm(dimension), True, f"unit sphere of a subspace of dimension {dimension}"
    )


def orthonormal_points(count: int) -> KnownWidth:
    """Width 2 M_N of N orthonormal points, M_N the expected maximum of N standard normals."""
    _check("count", count)
    return KnownWidth(2 * expected_maximum(count), True, f"{count} orthonormal points")


def cross_polytope(dimension: int) -> KnownWidth:
    """Width 2 E max |gᵢ| of the cross-polytope, the unit ball of ℓ1; also of 1-sparse vectors."""
    _check("dimension", dimension)
    # max |gᵢ| has the distribution function (1 − 2Q)ⁿ
    high = -float(special.ndtri_exp(-40.0 - math.log(2 * dimension)))
    mean = _integral(lambda t: -np.expm1(dimension * np.log1p(-2 * special.ndtr(-t))), 0.0, high)
    return KnownWidth(2 * mean, True, f"cross-polytope of R^{dimension}")


def sparse(dimension: int, nonzero: int) -> KnownWidth:
    """Upper bound for unit vectors of n dimensions with at most k entries that are not 0.

    sup ⟨u, g⟩ is the root of the sum of the k largest gᵢ². Jensen's inequality, and
    Σ of the k largest ≤ k s + Σ (gᵢ² − s)₊ for any s, give 2√(2n (tφ(t) + Q(t))) at the best
    s = t², t = Q⁻¹(k/2n).
    """
    _check("dimension", dimension)
    if not 1 <= nonzero <= dimension:
        raise WorkbenchError(
            f"1 to {dimension} entries that are not zero", f"{nonzero}", "k is at most n"
        )
    tail = nonzero / (2 * dimension)
    t = -float(special.ndtri(tail))
    density = math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    bound = 2 * math.sqrt(2 * dimension * (t * density + tail))
    return KnownWidth(bound, False, f"{nonzero}-sparse unit vectors of R^{dimension}")


def subspaces(count: int, dimension: int) -> KnownWidth:
    """Upper bound for the unit vectors of L subspaces of k dimensions, also of L Gaussians' means.

    2 E max of L independent χ_k: balls in any positions are no wider than in independent ones, by
    the Gaussian correlation inequality (Royen 2014). Of the order √(k + log L), not √(kL).
    """
    _check("count", count)
    _check("dimension", dimension)
    half = dimension / 2

    def above(t: np.ndarray) -> np.ndarray:
        tail = special.gammaincc(half, t * t / 2)
        with np.errstate(divide="ignore"):
            return np.asarray(-np.expm1(count * np.log1p(-tail)))

    high = math.sqrt(dimension) + math.sqrt(2 * (40.0 + math.log(count)))
    return KnownWidth(
        2 * _integral(above, 0.0, high),
        count == 1,
        f"unit vectors of {count} subspaces of dimension {dimension}",
    )


def ellipsoid(semi_axes: Any) -> KnownWidth:
    """Width 2 E√Q, Q = Σ sᵢ² gᵢ², of an ellipsoid with semi-axes s (its map's singular values).

    E√Q = (2√π)⁻¹ ∫₀^∞ (1 − E e^(−xQ)) x^(−3/2) dx with E e^(−xQ) = Π (1 + 2x sᵢ²)^(−½).

    Args:
        semi_axes: numbers that are not negative, an array or a tensor of one axis.

    Raises:
        WorkbenchError: no axis, or one that is negative or not finite.
    """
    values = semi_axes.detach().cpu() if hasattr(semi_axes, "detach") else semi_axes
    axes = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if axes.ndim != 1 or not axes.size or not (np.isfinite(axes) & (axes >= 0)).all():
        raise WorkbenchError(
            "semi-axes that are finite and not negative, on one axis",
            f"an array of shape {axes.shape}" + (f", smallest {axes.min():g}" if axes.size else ""),
            "pass the singular values of the map, not its eigenvalues or the map itself",
        )
    return KnownWidth(2 * _expected_root(axes), True, f"ellipsoid with {axes.size} semi-axes")


def _expected_root(axes: np.ndarray) -> float:
    """Expectation of √(Σ s² g²), by the trapezoidal rule in log x: it converges geometrically."""
    largest = float(axes.max())
    if largest == 0.0:
        return 0.0
    squares = np.square(axes[axes > 1e-12 * largest] / largest)
    u = np.arange(-80.0, 80.0, 0.125) if squares.size else np.empty(0)
    # With x = eᵘ / Σ s² the integrand is (1 − Π) e^(−u/2): e^(u/2) below, e^(−u/2) above.
    x = np.exp(u) / squares.sum()
    logs = np.array([np.log1p(2 * each * squares).sum() for each in x])
    integral = 0.125 * (-np.expm1(-logs / 2) * np.exp(-u / 2)).sum()
    return largest * float(integral) * math.sqrt(squares.sum()) / (2 * math.sqrt(math.pi))


def _integral(function: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    """Integral of a smooth function, by Gauss and Legendre's rule with 800 nodes."""
    nodes, weights = legendre(800)
    half = (high - low) / 2
    return float(half * weights @ function(low + half * (nodes + 1)))


def _check(name: str, value: int) -> None:
    if value < 1:
        raise WorkbenchError(f"a {name} of at least 1", f"{value}", "give the size of the set")
