"""Anchors: the few points to which a kernel method compares every vector."""

import numpy as np
from jaxtyping import Float64
from sklearn.cluster import KMeans

from workbench.errors import WorkbenchError
from workbench.hashing.hasher import Vectors

ITERATIONS = 10


def clustered(pool: Vectors, count: int, seed: int) -> Float64[np.ndarray, "anchors d"]:
    """Centres of k-means, a few iterations from random points of the pool.

    Raises:
        WorkbenchError: more anchors than points.
    """
    _require(len(pool), count)
    means = KMeans(count, init="random", n_init=1, max_iter=ITERATIONS, random_state=seed)
    return np.asarray(means.fit(pool).cluster_centers_, np.float64)


def drawn(pool: Vectors, count: int, seed: int) -> Float64[np.ndarray, "anchors d"]:
    """Points of the pool, drawn at random.

    Raises:
        WorkbenchError: more anchors than points.
    """
    _require(len(pool), count)
    chosen = np.random.default_rng(seed).choice(len(pool), count, replace=False)
    return np.asarray(pool[np.sort(chosen)], np.float64)


def squared_distances(
    x: Float64[np.ndarray, "n d"], anchors: Float64[np.ndarray, "anchors d"]
) -> Float64[np.ndarray, "n anchors"]:
    """Squared Euclidean distances of points to anchors, to 1e-15 of the squared norms."""
    squares = np.einsum("ij,ij->i", x, x)[:, None] - 2 * (x @ anchors.T)
    return np.asarray(np.maximum(squares + np.einsum("ij,ij->i", anchors, anchors), 0))


def _require(points: int, count: int) -> None:
    if not 1 <= count <= points:
        raise WorkbenchError(
            f"1 to {points} anchors, the number of points", f"{count}", "take fewer anchors"
        )
