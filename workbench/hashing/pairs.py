"""Pairs of labelled vectors, all of them in closed form: covariances of differences, thresholds."""

import numpy as np
from jaxtyping import Float64

from workbench.errors import WorkbenchError
from workbench.hashing.hasher import Labelled


def pair_covariances(
    labelled: Labelled,
) -> tuple[Float64[np.ndarray, "d d"], Float64[np.ndarray, "d d"]]:
    """Means of (x − x′)(x − x′)ᵀ over all pairs of one class, and over all of different classes.

    Raises:
        WorkbenchError: no class has two points.
    """
    require_pairs(labelled)
    x = labelled.vectors - labelled.vectors.mean(0, dtype=np.float64)  # so that no sum cancels
    counts = labelled.counts
    sums = labelled.indicators.T @ x
    weights = counts[labelled.labels].astype(np.float64)
    same = 2 * ((x * weights[:, None]).T @ x - sums.T @ sums)
    total = 2 * len(x) * (x.T @ x)
    pairs = float((counts * (counts - 1)).sum())
    return same / pairs, (total - same) / float(len(x) ** 2 - (counts**2).sum())


def best_threshold(values: Float64[np.ndarray, "points"], labelled: Labelled) -> float:
    """Threshold that minimises FNR + FPR over all pairs, exact: every place to cut is tried.

    FNR is the share of pairs of one class that the threshold parts, FPR the share of pairs of
    different classes that it leaves together. Where all values are equal, it is that value.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    counts = labelled.counts
    below = np.cumsum(labelled.indicators[order], axis=0)[:-1]
    same = (below * (counts - below)).sum(1)
    together = np.arange(1, len(values), dtype=np.float64)
    different = together * (len(values) - together) - same
    of_class = (counts * (counts - 1)).sum() / 2
    others = (len(values) ** 2 - (counts**2).sum()) / 2
    cost = same / of_class + 1 - different / others
    cost[ordered[1:] == ordered[:-1]] = np.inf  # equal values cannot be parted
    if not np.isfinite(cost).any():
        return float(ordered[0])
    best = int(cost.argmin())
    return float((ordered[best] + ordered[best + 1]) / 2)


def require_pairs(labelled: Labelled) -> None:
    """Require a pair of one class.

    Raises:
        WorkbenchError: no class has two points.
    """
    if labelled.counts.max() < 2:
        raise WorkbenchError(
            "two labelled points of one class", "one of each", "label more of them"
        )
