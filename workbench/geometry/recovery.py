"""Recovery of a layer's input from its output: by projection, and exactly.

*Not knowing ρ*, û = P_K Wᵀ(ρ(Wu) − c)/(μm) finds u on the sphere up to O(ω(K)/√m), W standard
Gaussian, μ = E gρ(g) (Plan and Vershynin, *The generalized Lasso with non-linear observations*,
arXiv 1502.04071; for ReLU Giryes, Sapiro and Bronstein, arXiv 1504.08291). *Knowing* that ρ is
ReLU, recovery is exact, not approximate: the active rows are linear equations, enough of them with
probability P(Bin(m, ½) ≥ n). Fewer units are enough for sparse inputs: `sparse_recovery`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, pi, sqrt
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.integrate import quad_vec
from scipy.stats import binom
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array, cloud, float64

Function = Callable[[np.ndarray], np.ndarray]
REACH = 12.0
"""Standard deviations beyond which the Gaussian's tail (1e-32) is left out of integrals."""
EXACT = 1e-8
"""Residual, relative to the output, up to which equations count as met."""

ROUNDED = 1e-9
"""Part of the largest up to which an entry that least squares found counts as zero."""


def relu(t: np.ndarray) -> np.ndarray:
    """ReLU, max(t, 0)."""
    result: np.ndarray = np.maximum(t, 0.0)
    return result


@dataclass(frozen=True)
class Moments:
    """Moments of an activation ρ under g ~ N(0, 1), on which linear recovery depends.

    Attributes:
        gain: μ = E gρ(g).
        mean: E ρ(g).
        centre: c that is subtracted from the outputs: the mean, or 0.
        across: E (ρ − c)²: the error's part in every coordinate perpendicular to u.
        along: Var g(ρ − c): its part along u.
    """

    gain: float
    mean: float
    centre: float
    across: float
    along: float

    def rms(self, dimension: int, units: int) -> float:
        """Root of E‖û − u‖² = ((k − 1) E(ρ − c)² + Var g(ρ − c))/(μ²m), on a k-dim. subspace.

        Args:
            dimension: k, of the subspace that û is projected onto.
            units: m, the outputs.
        """
        return sqrt(((dimension - 1) * self.across + self.along) / units) / abs(self.gain)


def moments(activation: Function = relu, centred: bool = True, scale: float = 1.0) -> Moments:
    """Moments of an activation, by adaptive quadrature to 1e-10.

    Args:
        activation: ρ, on numpy arrays; kinks and jumps anywhere.
        centred: whether c is E ρ(g), which for ReLU is worth 17 % of the error, or 0.
        scale: standard deviation of the weights; ρ(σg) counts where ρ is not homogeneous.

    Raises:
        WorkbenchError: μ is 0, as for even activations, or not finite.
    """

    def powers(g: float) -> np.ndarray:
        value = float(activation(np.array([scale * g]))[0])
        row = np.array([g * value, value, value**2, g**2 * value, (g * value) ** 2])
        weighted: np.ndarray = row * np.exp(-g * g / 2) / sqrt(2 * pi)
        return weighted

    found = [
        quad_vec(powers, low, high, epsabs=1e-11, epsrel=1e-11, limit=2000)[0]
        for low, high in ((-REACH, 0.0), (0.0, REACH))
    ]
    gain, mean, square, bent, fourth = (float(each) for each in found[0] + found[1])
    if not np.isfinite(fourth) or abs(gain) < 1e-9 * sqrt(square):
        raise WorkbenchError(
            "an activation with E gρ(g) ≠ 0",
            f"{gain:.3g}",
            "of an even activation's output, linear recovery finds nothing",
        )
    centre = mean if centred else 0.0
    across = square - 2 * centre * mean + centre**2
    along = fourth - 2 * centre * bent + centre**2 - gain**2
    return Moments(gain, mean, centre, across, along)


@runtime_checkable
class Projection(Protocol):
    """Projection onto the set K that u is known to lie in."""

    def __call__(self, point: Tensor) -> Tensor:
        """Nearest point of K, (features,) → (features,)."""
        ...


@dataclass(frozen=True, eq=False)
class Subspace:
    """Projection onto a linear subspace.

    Attributes:
        basis: (features, k), orthonormal columns.

    Raises:
        WorkbenchError: the columns are not orthonormal to 1e-6.
    """

    basis: Float[Tensor, "features k"]

    def __post_init__(self) -> None:
        gram = self.basis.T @ self.basis
        if not torch.allclose(gram, torch.eye(len(gram)).to(gram), atol=1e-6):
            raise WorkbenchError(
                "orthonormal columns", "others", "take torch.linalg.qr(basis).Q instead"
            )

    @property
    def dimension(self) -> int:
        """Number of columns k."""
        return self.basis.shape[1]

    def __call__(self, point: Float64[Tensor, "features"]) -> Float64[Tensor, "features"]:
        """Nearest point of the subspace."""
        basis = self.basis.to(point)
        return basis @ (basis.T @ point)


@dataclass(frozen=True)
class Sparse:
    """Projection onto vectors of at most `count` entries that are not zero: the largest stay."""

    count: int

    def __call__(self, point: Float64[Tensor, "features"]) -> Float64[Tensor, "features"]:
        """Nearest sparse point."""
        kept = point.abs().topk(min(self.count, len(point))).indices
        return torch.zeros_like(point).scatter(0, kept, point[kept])


@dataclass(frozen=True, eq=False)
class Backprojection:
    """Linear estimate of a layer's input.

    Attributes:
        value: û, (features,); of norm about 1 for u on the sphere.
        rms: predicted root mean square of ‖û − u‖, ‖u‖ = 1, over weights; None where K is not a
            subspace.
        moments: those of the activation.
    """

    value: Float64[Tensor, "features"]
    rms: float | None
    moments: Moments


def backproject(
    weight: Array,
    y: Array,
    onto: Projection | None = None,
    activation: Function = relu,
    centred: bool = True,
    scale: float = 1.0,
) -> Backprojection:
    """Linear estimate û = P_K Gᵀ(y − c)/(μm) of u from y = ρ(scale · Gu), G standard Gaussian.

    For u on the unit sphere: c and, except for ReLU and other homogeneous ρ, μ fit norm 1 only.

    Args:
        weight: W, (units, features).
        y: (units,).
        onto: P_K; None for the whole space.
        activation: ρ, on numpy arrays.
        centred: whether E ρ(g) is subtracted from y.
        scale: standard deviation of the weights: 1/√m for a_ij ~ N(0, 1/m).

    Raises:
        WorkbenchError: shapes that do not fit, NaN, a scale that is not positive, or as `moments`.
    """
    w, output = equations(weight, y)
    if not 0 < scale < inf:
        raise WorkbenchError(
            "a positive standard deviation of the weights", f"{scale}", "1/√m, say"
        )
    own = moments(activation, centred, scale)
    units, features = w.shape
    raw = w.T @ (output - own.centre) / (scale * own.gain * units)
    value = raw if onto is None else onto(raw)
    dimension = features if onto is None else getattr(onto, "dimension", None)
    return Backprojection(value, None if dimension is None else own.rms(dimension, units), own)


def equations(
    weight: Array, y: Array
) -> tuple[Float64[Tensor, "units features"], Float64[Tensor, "units"]]:
    """Weights and outputs of one layer, float64.

    Raises:
        WorkbenchError: shapes that do not fit, or NaN.
    """
    w, output = cloud(weight), float64(y, "outputs")
    if output.shape != w.shape[:1]:
        raise WorkbenchError(
            f"an output of each of the {len(w)} units, for one input",
            f"shape {tuple(output.shape)}",
            "pass weight as (units, features) and y as (units,)",
        )
    return w, output.to(w)


def depth_errors(
    layers: int = 6, dimension: int = 5, units: int = 500, draws: int = 8, seed: int = 0
) -> Float64[np.ndarray, "draws layers"]:
    """Errors ‖û − u‖ of back-projection through 1, 2, … random ReLU layers of equal width.

    û is P_K A₁ᵀ … A_Nᵀ(y − mean y), scaled to norm 1; u on a k-dimensional unit sphere. Errors add
    up layer by layer, as O(Nδ³) of Giryes, Sapiro and Bronstein (arXiv 1504.08291) has it.

    Args:
        layers: N.
        dimension: k, at most the number of units.
        units: m, inputs and outputs of every layer.
        draws: networks and inputs.
        seed: seed of all of them.
    """
    generator = np.random.default_rng(seed)
    errors = np.zeros((draws, layers))
    for row in errors:
        point = generator.standard_normal(dimension)
        point /= np.linalg.norm(point)
        y = np.pad(point, (0, units - dimension))
        back = np.eye(dimension, units)  # P_K A₁ᵀ … A_Nᵀ, k rows
        for layer in range(layers):
            weight = generator.standard_normal((units, units)) / sqrt(units)
            y = relu(weight @ y)
            back = back @ weight.T
            estimate = back @ (y - y.mean())
            row[layer] = np.linalg.norm(estimate / np.linalg.norm(estimate) - point)
    return errors


@dataclass(frozen=True, eq=False)
class Inversion:
    """Input of a ReLU layer, found from its output.

    Attributes:
        value: (features,); the smallest solution where there are many.
        residual: ‖ρ(W value + b) − y‖/‖y‖.
        active: units whose output is positive, (units,).
        exact: whether value is the only input with this output, to rounding.
        reason: why it is not, "" where it is.
    """

    value: Float64[Tensor, "features"]
    residual: float
    active: Bool[Tensor, "units"]
    exact: bool
    reason: str


def invert_relu(
    weight: Array, y: Array, bias: Array | None = None, slope: float = 0.0, floor: float = 0.0
) -> Inversion:
    """Input u of y = ρ(Wu + b), by least squares on the rows that y tells.

    Rows that are active are linear equations; of a leaky ReLU all rows are. The inequalities of
    inactive rows are slack at the solution, and add nothing. The condition number of those rows
    multiplies the rounding of y.

    Args:
        weight: (units, features).
        y: (units,), in float64 for errors of 1e-14; a float32 layer's has 1e-6.
        bias: (units,).
        slope: slope of a leaky ReLU below zero, not negative.
        floor: outputs up to this part of the largest count as zero: rounding of an output that was
            itself computed. An equation is lost, and no wrong one taken.

    Raises:
        WorkbenchError: shapes that do not fit, NaN, or a negative slope, which leaves signs open.
    """
    w, output = equations(weight, y)
    if slope < 0:
        raise WorkbenchError("a slope ≥ 0", f"{slope}", "otherwise y does not tell the sign of Wu")
    shift = torch.zeros_like(output) if bias is None else equations(weight, bias)[1]
    active = output > floor * output.abs().max()
    told = active if slope == 0 else torch.ones_like(active)
    target = torch.where(active, output, output / (slope or 1.0)) - shift
    rows = w[told]
    rank = int(torch.linalg.matrix_rank(rows)) if len(rows) else 0
    value = torch.linalg.lstsq(rows, target[told, None], driver="gelsd").solution[:, 0]
    before = w @ value + shift
    again = torch.where(before > 0, before, slope * before)
    residual = float((again - output).norm() / output.norm().clamp(min=1e-300))
    reason = _reason(rank, int(told.sum()), w.shape[1], residual)
    return Inversion(value, residual, active, not reason, reason)


def _reason(rank: int, told: int, features: int, residual: float) -> str:
    if told < features:
        return f"{told} active units give {told} equations for {features} unknowns"
    if rank < features:
        return f"the {told} active rows have rank {rank}, for {features} unknowns"
    if residual > EXACT:
        return f"no input has this output: the best one misses it by {residual:.1e} of its norm"
    return ""


def invert_layers(weights: Sequence[Array], y: Array, slope: float = 0.0) -> tuple[Inversion, ...]:
    """Input of several ReLU layers without bias, from the last output: one layer after another.

    Args:
        weights: (units, features) of each layer, the first one first.
        y: output of the last.
        slope: slope of leaky ReLUs.

    Returns:
        Inversions in the order in which they are made, the last layer first; `[-1].value` is the
        input, exact if all are.

    Raises:
        WorkbenchError: no layer, or as `invert_relu`.
    """
    if not weights:
        raise WorkbenchError(
            "the weights of at least one layer", "none", "pass the first one first"
        )
    found: list[Inversion] = []
    output, floor = y, 0.0
    for weight in reversed(weights):
        found.append(invert_relu(weight, output, slope=slope, floor=floor))
        output, floor = found[-1].value, ROUNDED
    return tuple(found)


def exact_probability(units: int, features: int) -> float:
    """Probability P(Bin(m, ½) ≥ n) that a Gaussian ReLU layer can be inverted exactly.

    Args:
        units: m.
        features: n.
    """
    return float(binom.sf(features - 1, units, 0.5))
