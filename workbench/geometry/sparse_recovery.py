"""Recovery of a sparse input of a ReLU layer by ℓ1, and how many units it needs.

Active rows are linear equations; a k-sparse u is the smallest Σ|u_i| that meets them as soon as
they are about as many as the statistical dimension of ℓ1's descent cone at u (Amelunxen, Lotz,
McCoy and Tropp, *Living on the edge: phase transitions in convex programs with random data*, 2014).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.optimize import linprog
from scipy.stats import binom, norm
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array
from workbench.geometry.recovery import ROUNDED, equations, relu


@dataclass(frozen=True, eq=False)
class SparseRecovery:
    """Sparse input of a ReLU layer, by ℓ1.

    Attributes:
        value: (features,), of the smallest ℓ1 norm among those that meet the active rows.
        residual: ‖ρ(W value) − y‖/‖y‖.
        active: units whose output is positive.
        exact: whether value has fewer entries than there are equations. With Gaussian weights a
            wrong answer has, almost surely, one for each equation.
    """

    value: Float64[Tensor, "features"]
    residual: float
    active: Bool[Tensor, "units"]
    exact: bool


def recover_sparse(weight: Array, y: Array) -> SparseRecovery:
    """Sparse u of y = ρ(Wu): the smallest Σ|u_i| that meets the active rows, by HiGHS.

    Args:
        weight: (units, features); units may be fewer than features.
        y: (units,).

    Raises:
        WorkbenchError: no unit is active, no u meets the equations, shapes that do not fit, or NaN.
    """
    w, output = equations(weight, y)
    active = output > 0
    if not bool(active.any()):
        raise WorkbenchError("an active unit", "an output of zeros", "it says nothing of the input")
    rows = w[active].numpy()
    found = linprog(
        np.ones(2 * w.shape[1]),
        A_eq=np.hstack([rows, -rows]),
        b_eq=output[active].numpy(),
        method="highs",
    )
    if not found.success:
        raise WorkbenchError(
            "an output of this layer",
            f"equations without a solution ({found.message})",
            "see weight",
        )
    value = torch.from_numpy(found.x[: w.shape[1]] - found.x[w.shape[1] :])
    residual = float(((w @ value).clamp(min=0) - output).norm() / output.norm())
    entries = int((value.abs() > ROUNDED * value.abs().max()).sum())
    return SparseRecovery(value, residual, active, entries < len(rows))


@dataclass(frozen=True)
class DescentCone:
    """Distribution of the number of Gaussian equations that ℓ1 needs for a k-sparse point of Rⁿ.

    Attributes:
        dimension: δ, the statistical dimension: mean of the cone's intrinsic volumes.
        spread: their standard deviation.
    """

    dimension: float
    spread: float

    def recovery(self, equations: Array) -> Float64[np.ndarray, "*shape"]:
        """Probability Φ((a + ½ − δ)/σ) that a equations are enough; volumes taken as Gaussian."""
        found: np.ndarray = norm.cdf((np.asarray(equations) + 0.5 - self.dimension) / self.spread)
        return found

    def recovery_from_relu(self, units: int) -> float:
        """Probability of recovery from m ReLU units, of which Bin(m, ½) are active."""
        active = np.arange(units + 1)
        return float(binom.pmf(active, units, 0.5) @ self.recovery(active))


def descent_cone(features: int, sparsity: int, samples: int = 4000, seed: int = 0) -> DescentCone:
    """Descent cone of ℓ1 at a k-sparse point: δ = E ‖Π g‖², σ² = Var ‖Π g‖² − 2δ, g Gaussian.

    For σ see McCoy and Tropp, *From Steiner formulas for cones to concentration of intrinsic
    volumes*, 2014. ‖Π g‖², Π the projection onto the cone, is the squared distance to the scaled
    subdifferentials τ∂‖u‖₁, least over τ ≥ 0: the root of a monotone function.

    Args:
        features: n.
        sparsity: k.
        samples: vectors g; δ has the standard error √(Var ‖Π g‖²/samples).
        seed: seed of them.

    Raises:
        WorkbenchError: k is not between 1 and n.
    """
    if not 1 <= sparsity <= features:
        raise WorkbenchError("1 ≤ k ≤ n", f"k = {sparsity}, n = {features}", "count its entries")
    g = np.random.default_rng(seed).standard_normal((samples, features))
    inside, outside = g[:, :sparsity], np.abs(g[:, sparsity:])
    low, high = np.zeros((samples, 1)), np.full((samples, 1), np.abs(g).max() + 1)
    for _ in range(50):
        tau = (low + high) / 2
        rising = sparsity * tau - inside.sum(1, keepdims=True) > np.maximum(outside - tau, 0).sum(
            1, keepdims=True
        )
        low, high = np.where(rising, low, tau), np.where(rising, tau, high)
    squares = ((inside - low) ** 2).sum(1) + (np.maximum(outside - low, 0) ** 2).sum(1)
    dimension = float(squares.mean())
    return DescentCone(dimension, sqrt(max(float(squares.var()) - 2 * dimension, 1e-3)))


@dataclass(frozen=True)
class Transition:
    """Sparse recovery for one number of units.

    Attributes:
        units: m.
        recovered: part of the draws in which the input came out exactly.
        predicted: by `DescentCone.recovery_from_relu`.
    """

    units: int
    recovered: float
    predicted: float


def phase_transition(
    features: int, sparsity: int, units: Sequence[int], draws: int = 20, seed: int = 0
) -> tuple[Transition, ...]:
    """Part of random k-sparse inputs that ℓ1 recovers from m random ReLU units, against m.

    Args:
        features: n.
        sparsity: k.
        units: numbers m.
        draws: weights and inputs for each.
        seed: seed of all of them.

    Raises:
        WorkbenchError: as `descent_cone`.
    """
    cone = descent_cone(features, sparsity)
    rows = []
    for count in units:
        generator = np.random.default_rng([seed, count])
        right = 0
        for _ in range(draws):
            weight = generator.standard_normal((count, features))
            u = np.zeros(features)
            places = generator.choice(features, sparsity, replace=False)
            u[places] = generator.standard_normal(sparsity)
            y = relu(weight @ u)
            if y.any():
                error = np.abs(recover_sparse(weight, y).value.numpy() - u).max()
                right += bool(error < 1e-6 * np.abs(u).max())
        rows.append(Transition(count, right / draws, cone.recovery_from_relu(count)))
    return tuple(rows)
