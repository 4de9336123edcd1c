"""Segments from a map of cluster labels: connected, and none below a least area."""

from heapq import heapify, heappop, heappush

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from skimage.measure import label


def connected_segments(
    clusters: Int[np.ndarray, "height width"], min_area: int = 0
) -> Int[np.ndarray, "height width"]:
    """Split every cluster into its 8-connected components, then merge the small ones.

    Args:
        clusters: labels of clusters, of any values.
        min_area: components of fewer pixels are merged, smallest first, into the neighbour with
            which they share the longest border.

    Returns:
        Labels 1 … n, int32.
    """
    segments = label(clusters, background=-1, connectivity=2).astype(np.int32)
    return _dissolve(segments, min_area) if min_area > 1 else segments


def _dissolve(
    segments: Int[np.ndarray, "height width"], min_area: int
) -> Int[np.ndarray, "height width"]:
    area = np.bincount(segments.ravel()).tolist()
    borders = _border_lengths(segments)
    parent = np.arange(len(area))
    queue = [(area[i], i) for i in borders if area[i] < min_area]
    heapify(queue)
    while queue and len(borders) > 1:
        size, smallest = heappop(queue)
        if smallest not in borders or size != area[smallest]:
            continue  # it was merged, or grew, since it was queued
        around = borders.pop(smallest)
        into = max(around, key=around.__getitem__)
        parent[smallest] = into
        area[into] += size
        for other, length in around.items():
            del borders[other][smallest]
            if other != into:
                borders[into][other] = borders[into].get(other, 0) + length
                borders[other][into] = borders[into][other]
        if area[into] < min_area:
            heappush(queue, (area[into], into))
    names = np.zeros(len(area), np.int32)
    for i, root in enumerate(sorted(borders), 1):
        names[root] = i
    while (parent != parent[parent]).any():
        parent = parent[parent]
    return np.asarray(names[parent][segments])


def _border_lengths(segments: Int[np.ndarray, "height width"]) -> dict[int, dict[int, int]]:
    """Neighbours of every segment, with the number of adjacent pixel pairs with each."""
    count = int(segments.max()) + 1
    sides = (
        (segments[:, :-1], segments[:, 1:]),
        (segments[:-1], segments[1:]),
        (segments[:-1, :-1], segments[1:, 1:]),
        (segments[:-1, 1:], segments[1:, :-1]),
    )
    across = [(a != b, a, b) for a, b in sides]
    one = np.concatenate([a[differ] for differ, a, _ in across])
    other = np.concatenate([b[differ] for differ, _, b in across])
    ones = np.ones(len(one), np.int64)
    table = coo_array((ones, (one, other)), shape=(count, count)).tocsr()  # sums what coincides
    table = (table + table.T).tocsr()
    ends, neighbours, lengths = (
        part.tolist() for part in (table.indptr, table.indices, table.data)
    )
    return {
        i: dict(zip(neighbours[ends[i] : ends[i + 1]], lengths[ends[i] : ends[i + 1]], strict=True))
        for i in range(1, count)
    }
