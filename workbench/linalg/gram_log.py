"""Second-order pooling: log(XᵀX + εI) and (XᵀX + εI)^p straight from X, never through a dense log.

The work is an eigenproblem of the smaller side of X and half a dozen products (`gram_adjoint` has
the mathematics), in float64 whatever the dtype of X. Repeated eigenvalues, dead channels, fewer
rows than features, rank 0 and no rows at all are ordinary inputs: value and gradient are exact.

An ε below the rounding error of XᵀX brings an `EpsilonWarning`, an `IllConditionedWarning`.

Log-covariance pooling: Ionescu, Vantzos, Sminchisescu, ICCV 2015, §4; square root: Li, Xie, Wang,
Zuo, "Is Second-order Information Helpful for Large-scale Visual Recognition?", ICCV 2017 (MPN-COV).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.factorise import EpsilonWarning, finite
from workbench.linalg.gram_adjoint import function_of_gram
from workbench.linalg.outcomes import rounding_tolerance
from workbench.linalg.precision import check_real, unit_of
from workbench.linalg.stieltjes import Shifted

__all__ = ["EpsilonWarning", "GramFunction", "Normalisation", "gram_log", "gram_power"]

Normalisation = Literal["sum", "mean"]


@dataclass(frozen=True)
class GramFunction:
    """Function of XᵀX + εI with the spectrum found while computing it.

    With normalisation "mean", XᵀX stands for XᵀX/rows. Everything but the value follows from the
    eigenvalues, without another factorisation, and stays on the device.

    Attributes:
        value: (batch…, features, features) in the dtype of X, symmetric, differentiable in X.
        eigenvalues: (batch…, min(rows, features)) float64, ascending, ≥ 0: those of XᵀX but for
            the features − rows zeros where X has fewer rows. At entries of X below 1e-154 they are
            too small for float64, and are zero; the value is right all the same.
        features: number of columns of X.
        epsilon: ε.
    """

    value: Float[Tensor, "*batch features features"]
    eigenvalues: Float64[Tensor, "*batch side"]
    features: int
    epsilon: float

    @property
    def side(self) -> Literal["rows", "features"]:
        """Side that was factored: XXᵀ, or XᵀX."""
        return "rows" if self.eigenvalues.shape[-1] < self.features else "features"

    @cached_property
    def tolerance(self) -> Float64[Tensor, "*batch"]:
        """Tolerance: eigenvalues of XᵀX up to it count as zero."""
        return rounding_tolerance(self.eigenvalues)

    @cached_property
    def rank(self) -> Int[Tensor, "*batch"]:
        """Number of eigenvalues of XᵀX that exceed the tolerance."""
        return (self.eigenvalues > self.tolerance[..., None]).sum(-1)

    @cached_property
    def smallest(self) -> Float64[Tensor, "*batch"]:
        """Smallest eigenvalue of XᵀX + εI; ε exactly where X has fewer rows than features."""
        if self.side == "rows" or self.features == 0:
            return torch.full_like(self.tolerance, self.epsilon)
        return self.eigenvalues[..., 0] + self.epsilon

    @cached_property
    def largest(self) -> Float64[Tensor, "*batch"]:
        """Largest eigenvalue of XᵀX + εI."""
        if self.eigenvalues.shape[-1] == 0:
            return torch.full_like(self.tolerance, self.epsilon)
        return self.eigenvalues[..., -1] + self.epsilon

    @property
    def condition(self) -> Float64[Tensor, "*batch"]:
        """Condition number, largest / smallest."""
        return self.largest / self.smallest


def gram_log(
    x: Float[Tensor, "*batch rows features"],
    epsilon: float = 1e-3,
    normalisation: Normalisation = "sum",
    lengths: Int[Tensor, "*batch"] | None = None,
) -> GramFunction:
    """log(XᵀX + εI), or log(XᵀX/rows + εI) with normalisation "mean".

    Args:
        x: (batch…, rows, features) real floating; any size may be 0. Without rows: log ε · I.
        epsilon: ε > 0.
        normalisation: "sum": XᵀX; "mean": XᵀX/rows.
        lengths: (batch…,) number of rows "mean" divides by, where X ends in rows of zeros; default:
            all of them. A length of 0 counts as 1.

    Returns:
        The matrix, in the dtype of X and differentiable, with what was found on the way.

    Raises:
        WorkbenchError: an argument is out of its range, or XᵀX is not finite.
    """
    if not 0 < epsilon < float("inf"):
        raise WorkbenchError(
            "epsilon > 0", f"{epsilon}", "the logarithm of a singular matrix needs it: try 1e-3"
        )
    return _gram_function(x, Shifted(epsilon), normalisation, lengths)


def gram_power(
    x: Float[Tensor, "*batch rows features"],
    power: float = 0.5,
    epsilon: float = 0.0,
    normalisation: Normalisation = "sum",
    lengths: Int[Tensor, "*batch"] | None = None,
) -> GramFunction:
    """(XᵀX + εI)^p; at p = ½ and ε = 0 the matrix square root of MPN-COV (Li et al., ICCV 2017).

    At ε = 0 the power has no slope at an eigenvalue zero. Eigenvalues up to the tolerance then
    count as zero, and ∂L/∂X is taken in the rows and features that X has: the components that would
    move a zero eigenvalue are zero. Where X has full rank on its smaller side that is the gradient.

    Args:
        x: (batch…, rows, features) real floating; any size may be 0.
        power: p, from 0.2 to 0.8.
        epsilon: ε ≥ 0.
        normalisation: "sum": XᵀX; "mean": XᵀX/rows.
        lengths: as in `gram_log`.

    Returns:
        The matrix, in the dtype of X and differentiable, with what was found on the way.

    Raises:
        WorkbenchError: an argument is out of its range, or XᵀX is not finite; in a double backward
            at ε = 0, X is rank-deficient.
    """
    if not 0.2 <= power <= 0.8:
        raise WorkbenchError("a power from 0.2 to 0.8", f"{power}", "0.5 is the square root")
    if not 0 <= epsilon < float("inf"):
        raise WorkbenchError("epsilon ≥ 0", f"{epsilon}", "0 is the plain power")
    return _gram_function(x, Shifted(epsilon, power), normalisation, lengths)


def _gram_function(
    x: Float[Tensor, "*batch rows features"],
    function: Shifted,
    normalisation: Normalisation,
    lengths: Int[Tensor, "*batch"] | None,
) -> GramFunction:
    if normalisation not in get_args(Normalisation):
        raise WorkbenchError("normalisation sum or mean", f"{normalisation}", "choose one")
    check_real(x, "matrix of features")
    if lengths is not None and (lengths.is_floating_point() or lengths.is_complex()):
        raise WorkbenchError(
            "numbers of rows as integers", f"{lengths.dtype}", "pass lengths.long()"
        )
    rows, features = x.shape[-2:]
    precise = x.double()
    if normalisation == "mean" and lengths is None:
        precise = precise * max(rows, 1) ** -0.5
    elif normalisation == "mean" and lengths is not None:
        precise = precise * lengths.clamp(min=1).double().rsqrt()[..., None, None]
    if function.power is not None and function.shift == 0 and x.dtype == torch.float64:
        value, t = _homogeneous(precise, function, function.power)
    else:  # squares of float32 stay in float64's range
        value, t = function_of_gram(precise, function)
    return GramFunction(value.to(x.dtype), t, features, function.shift)


def _homogeneous(
    x: Float64[Tensor, "*batch rows features"], function: Shifted, power: float
) -> tuple[Float64[Tensor, "*batch features features"], Float64[Tensor, "*batch side"]]:
    """Power (XᵀX)^p as s^2p ((X/s)ᵀ(X/s))^p, s ≠ 1 where XᵀX would leave float64's range.

    Value and gradient do not depend on s, so no gradient flows through it.
    """
    unit = unit_of(x)
    value, t = function_of_gram(x / unit[..., None, None], function)
    t = finite(t * unit.square()[..., None], "Gram matrix of the features", "scale them down")
    return value * unit.pow(2 * power)[..., None, None], t
