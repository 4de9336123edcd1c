"""Anchor graph hashing (Liu, Wang, Kumar and Chang, ICML 2011), one and two layers.

The graph A = ZΛ⁻¹Zᵀ joins points through anchors: row i of Z has exp(−d²/σ²) at the s nearest
anchors and sums to 1, Λ holds the column sums. Its eigenvectors follow from the small matrix
M = Λ^−½ ZᵀZ Λ^−½ = VΣVᵀ, and new points get y = zW with W = √n Λ^−½ V Σ^−½.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh
from scipy.sparse import csr_array

from workbench.errors import WorkbenchError
from workbench.hashing.anchors import clustered, squared_distances
from workbench.hashing.hasher import BLOCK, Hasher, Labelled, Vectors


@dataclass
class AGH(Hasher):
    """Signs of the graph's leading eigenvectors, without the constant one.

    Attributes:
        layers: 1: a bit of every eigenvector; 2: two bits of each of half as many, the second with
            a threshold on either side of 0.
        anchors: number of anchors.
        nearest: s, anchors to which a point is joined.
    """

    layers: Literal[1, 2] = 1
    anchors: int = 300
    nearest: int = 2
    supervised: ClassVar[bool] = False

    def _learn(self, labelled: Labelled | None, pool: Vectors) -> None:
        vectors = self.bits // self.layers
        if self.bits % self.layers or vectors >= self.anchors or self.nearest > self.anchors:
            raise WorkbenchError(
                f"an even number of bits for two layers, fewer vectors than {self.anchors} anchors",
                f"{self.bits} bits, {self.layers} layers, {self.nearest} nearest",
                "take other bits, or more anchors",
            )
        self.places = clustered(pool, self.anchors, self.seed)
        self.width = self._mean_distance(pool)
        z = self._joined(pool)
        degrees = np.asarray(z.sum(0))
        scale = np.where(degrees > 0, 1 / np.sqrt(np.maximum(degrees, 1e-300)), 0.0)
        small = scale[:, None] * (z.T @ z).toarray() * scale
        last = self.anchors - 2  # the largest, 1, belongs to the constant vector
        values, basis = eigh(small, subset_by_index=[last - vectors + 1, last])
        values, basis = values[::-1], basis[:, ::-1]
        roots = np.sqrt(np.maximum(values, np.finfo(float).eps))
        self.projection = np.sqrt(len(pool)) * scale[:, None] * basis / roots
        if self.layers == 2:
            self.thresholds = _second_layer(z, scale**2, z @ self.projection)

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        y = self._joined(x) @ self.projection
        if self.layers == 1:
            return np.asarray(y)
        above, below = self.thresholds
        return np.concatenate([y, np.where(y > 0, y - above, below - y)], axis=1)

    def _mean_distance(self, pool: Vectors) -> float:
        """Mean distance to the s-th nearest anchor, σ."""
        total = 0.0
        for start in range(0, len(pool), BLOCK):
            squares = squared_distances(pool[start : start + BLOCK].astype(float), self.places)
            last = np.partition(squares, self.nearest - 1, axis=1)[:, self.nearest - 1]
            total += float(np.sqrt(last).sum())
        return total / len(pool)

    def _joined(self, x: Vectors) -> csr_array:
        """Z: (points, anchors), a row's entries at its s nearest anchors sum to 1."""
        columns, entries = [], []
        for start in range(0, len(x), BLOCK):
            squares = squared_distances(x[start : start + BLOCK].astype(float), self.places)
            near = np.argpartition(squares, self.nearest - 1, axis=1)[:, : self.nearest]
            chosen = np.take_along_axis(squares, near, axis=1)
            chosen -= chosen.min(1, keepdims=True)  # which a row's sum divides out again
            kernel = np.exp(-chosen / max(self.width, np.finfo(float).tiny) ** 2)
            columns.append(near.ravel())
            entries.append((kernel / kernel.sum(1, keepdims=True)).ravel())
        ends = np.arange(0, len(x) * self.nearest + 1, self.nearest)
        parts = (np.concatenate(entries), np.concatenate(columns), ends)
        return csr_array(parts, shape=(len(x), len(self.places)))


def _second_layer(
    z: csr_array, inverse: Float64[np.ndarray, "anchors"], y: Float64[np.ndarray, "n vectors"]
) -> tuple[Float64[np.ndarray, "vectors"], Float64[np.ndarray, "vectors"]]:
    """Thresholds b⁺ of positive and b⁻ of other entries: least fᵀLf with f of mean 0.

    f is y − b⁺ where y > 0, and b⁻ − y elsewhere; L = 1 − ZΛ⁻¹Zᵀ.
    """
    positive = (y > 0).astype(np.float64)
    graph = positive - z @ (inverse[:, None] * (z.T @ positive))  # L 1₊
    sums = np.einsum("ij,ij->j", graph, np.abs(y))
    norms = np.einsum("ij,ij->j", graph, positive)
    both = sums / np.maximum(norms, np.finfo(float).tiny)
    below = (both * positive.sum(0) - np.abs(y).sum(0)) / len(y)
    return both - below, below
