"""Warnings of subspaces that the numbers do not determine; each a class to silence or to raise.

A rank below the number of features is no cause for one: it is found at a stated tolerance, and
training lowers it. What is worth a word is a rank that rounding has decided, and a gap that closes.
"""

import warnings

ILL_CONDITIONED = 1e12
"""Condition number of a Gram matrix, κ², past which its rank is uncertain: the smallest singular
value that counts is then within ten of the rounding error of float32 features (κ = 8e6), and within
a hundred of what the float64 Gram matrix itself can tell from zero."""

CLOSED_GAP = 1e-10
"""Eigengap, as a fraction of the largest eigenvalue, below which a subspace is undetermined: its
rounding error is ε/gap, its derivative 1/gap."""


class RankCollapseWarning(UserWarning):
    """Nothing is left of the features: the rank is zero."""


class UncertainRankWarning(UserWarning):
    """The smallest singular value that counts is of the size of rounding errors."""


class ClosedGapWarning(UserWarning):
    """The subspace of the leading eigenvectors is cut through (almost) equal eigenvalues."""


def warn_of_rank(rank: int, condition: float, stacklevel: int = 4) -> None:
    """Say where a rank, found in a Gram matrix of that condition number, means little.

    Args:
        rank: of the features.
        condition: of their Gram matrix, over the eigenvalues that count.
        stacklevel: of `warnings.warn`: the caller's caller's caller by default.

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
    """Say where `count` leading eigenvectors are not determined by a gap relative to the largest.

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
