"""Outcomes of a factorisation: tolerances, and the errors and warnings that depend on them.

Warnings about subspaces say where rounding has decided their rank or gap.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.transforms import constant


class IllConditionedWarning(UserWarning):
    """Warning of eigenvalues so small that they were raised to a floor.

    `warnings.simplefilter("error", IllConditionedWarning)` makes it an error.
    """


class GaugeWarning(UserWarning):
    """Warning of a gradient that depends on an arbitrary choice of vectors at a tie."""


def rounding_tolerance(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Tolerance n · eps · max|values|: size of a zero eigenvalue or singular value after rounding.

    eps is that of the dtype, 2.2e-16 for float64.
    """
    n = values.shape[-1]
    if n == 0:
        return values.new_zeros(values.shape[:-1])
    return n * torch.finfo(values.dtype).eps * values.abs().amax(-1)


def neighbour_gap(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch"]:
    """Smallest distance between sorted values; inf where there are fewer than two."""
    if values.shape[-1] < 2:
        return values.new_full(values.shape[:-1], torch.inf)
    return values.diff(dim=-1).abs().amin(-1)


def reciprocal(x: Tensor, tolerance: Tensor | float = 0.0) -> Tensor:
    """Reciprocal 1/x, and 0 where |x| is not above the tolerance: finite, with its derivative."""
    there = x.abs() > tolerance
    return torch.where(there, 1.0 / torch.where(there, x, 1.0), 0.0)


def rsqrt(x: Tensor) -> Tensor:
    """Power x^-½ where x > 0, else 0, also in its derivatives: D^-½ with pixels of degree zero."""
    return torch.where(x > 0, torch.where(x > 0, x, 1.0).rsqrt(), 0.0)


def without_rounding(
    turning: Float[Tensor, "*batch n n"], scale: Float[Tensor, "*batch n n"], eps: float
) -> Float[Tensor, "*batch n n"]:
    """Tensor `turning`, zero where it is not above n · eps · max|scale|; its derivative is kept.

    eps is at most that of float32: half of a bfloat16 gradient lies below n times its own.

    The result is divided by a gap afterwards. Entries that are rounding errors would become
    rounding/gap; leaving them out has no larger error.
    """
    n = scale.shape[-1]
    held = constant(turning)
    largest = constant(scale).abs().amax((-2, -1), keepdim=True) if n else scale
    eps = min(eps, torch.finfo(torch.float32).eps)
    noise = held.abs() <= n * eps * largest
    return turning - torch.where(noise, held, 0.0)


def check_finite(
    a: Float[Tensor, "*shape"],
    what: str,
    remedy: str = "lower the learning rate, or look for NaN in the input",
) -> None:
    """Refuse NaN and Inf: a factorisation would fail without a name, hang, or (CUDA) say nothing.

    Raises:
        WorkbenchError: an entry is NaN or Inf.
    """
    if not bool(torch.isfinite(a).all()):
        raise WorkbenchError(
            f"a finite {what}",
            "NaN or Inf among its entries",
            remedy,
        )


def check_square(a: Tensor) -> None:
    """Refuse a matrix that is not square.

    Raises:
        WorkbenchError: the matrix is not square.
    """
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise WorkbenchError(
            "square matrices, (*batch, n, n)",
            f"a tensor of shape {tuple(a.shape)}",
            "of features (m, d), pass the Gram matrix x.mT @ x, or use the SVD layer",
        )


ILL_CONDITIONED = 1e12
"""Condition number of a Gram matrix, κ², past which its rank is uncertain: the smallest singular
value that counts is then within ten of the rounding error of float32 features (κ = 8e6), and within
a hundred of what the float64 Gram matrix itself can tell from zero."""

CLOSED_GAP = 1e-10
"""Eigengap, as a fraction of the largest eigenvalue, below which a subspace is undetermined: its
rounding error is ε/gap, its derivative 1/gap."""


class RankCollapseWarning(UserWarning):
    """Warning of features that are all zero: the rank is zero."""


class UncertainRankWarning(UserWarning):
    """Warning of a smallest singular value that is of the size of rounding errors."""


class ClosedGapWarning(UserWarning):
    """Warning of leading eigenvectors that end between (almost) equal eigenvalues."""


def warn_of_rank(rank: int, condition: float, stacklevel: int = 4) -> None:
    """Warn where rounding decides a rank found in a Gram matrix of that condition number.

    Args:
        rank: rank of the features.
        condition: condition number of their Gram matrix, over the eigenvalues that count.
        stacklevel: level for `warnings.warn`: the caller's caller's caller by default.

    Warns:
        RankCollapseWarning: the rank is zero.
        UncertainRankWarning: the condition number exceeds `ILL_CONDITIONED`.
    """
    if rank == 0:
        warnings.warn(
            "all features are zero: the affinity has rank 0, and no gradient will revive it; "
            "lower the learning rate or start again from other weights",
            RankCollapseWarning,
            stacklevel=stacklevel,
        )
    elif condition > ILL_CONDITIONED:
        warnings.warn(
            f"the features have condition number {condition**0.5:.1e}: rounding decides their rank "
            f"(found: {rank}), and gradients grow like it; set a ridge (1e-6, say) or a "
            "relative_tolerance",
            UncertainRankWarning,
            stacklevel=stacklevel,
        )


def warn_of_gap(gap: float, count: int, stacklevel: int = 4) -> None:
    """Warn where `count` leading eigenvectors are not determined by a gap relative to the largest.

    Warns:
        ClosedGapWarning: the gap is below `CLOSED_GAP`.
    """
    if gap < CLOSED_GAP:
        warnings.warn(
            f"eigenvalues {count} and {count + 1} differ by {gap:.1e} of the largest: the subspace "
            f"of the first {count} is undetermined; ask for one eigenvector more or fewer",
            ClosedGapWarning,
            stacklevel=stacklevel,
        )
