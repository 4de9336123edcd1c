"""Contingency tables and the Rand index for scikit-learn's metrics of clusterings."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.metrics.cluster import _supervised as supervised

from tests.peers.counting import counted, stand_in
from workbench.evaluation import Contingency, Regions, rand_index

matrix, rand, confusion = (
    supervised.contingency_matrix,
    supervised.rand_score,
    supervised.pair_confusion_matrix,
)
rand_of_maps = counted(rand_index)


def maps(labels: Any) -> np.ndarray:
    """Labels of any kind as a map of one row."""
    labels = np.asarray(labels)
    kept = labels if labels.dtype.kind in "iu" else np.unique(labels, return_inverse=True)[1]
    return kept.reshape(1, -1)


@counted
def table(one: Any, other: Any) -> tuple[Contingency, np.ndarray]:
    """Our table, and the same written out."""
    found = Contingency.of(Regions.of(maps(one)), Regions.of(maps(other)))
    dense = np.zeros((len(found.region_areas), len(found.segment_areas)), np.int64)
    dense[found.region, found.segment] = found.pixels
    return found, dense


def contingency_matrix(
    one: Any, other: Any, *, eps: float | None = None, sparse: bool = False, dtype: Any = np.int64
) -> Any:
    """Without labels, and for sparse tables with eps, which are refused, it is the peer's own."""
    if len(one) == 0 or (eps is not None and sparse):
        return matrix(one, other, eps=eps, sparse=sparse, dtype=dtype)
    dense = table(one, other)[1].astype(dtype)
    dense = dense if eps is None else dense + eps
    return as_sparse(dense) if sparse else dense


as_sparse = sparse.csr_matrix


def pair_confusion_matrix(one: Any, other: Any) -> np.ndarray:
    """Pairs counted from the sums of squares of our table."""
    one, other = supervised.check_clusterings(one, other)
    if len(one) == 0:
        return confusion(one, other)
    found, _ = table(one, other)
    both, rows, columns = (
        int(counts @ counts) for counts in (found.pixels, found.region_areas, found.segment_areas)
    )
    n = found.size
    return np.array([[n * n - rows - columns + both, columns - both], [rows - both, both - n]])


def rand_score(one: Any, other: Any) -> float:
    """Rand index; without labels it is the peer's own."""
    one, other = supervised.check_clusterings(one, other)
    return rand_of_maps(maps(one), maps(other)) if len(one) else rand(one, other)


stand_in(matrix, contingency_matrix, "sklearn")
stand_in(confusion, pair_confusion_matrix, "sklearn")
stand_in(rand, rand_score, "sklearn")
