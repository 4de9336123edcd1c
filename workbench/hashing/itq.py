"""Iterative quantisation (Gong and Lazebnik, CVPR 2011): principal components, rotated to signs."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh

from workbench.hashing.hasher import Hasher, Labelled, Vectors


@dataclass
class ITQ(Hasher):
    """Rotation R of the leading principal components V that minimises ‖sign(VR) − VR‖.

    Attributes:
        steps: alternations of signs and rotation (Procrustes).
    """

    steps: int = 20
    within_dimensions: ClassVar[bool] = True

    def _learn(self, labelled: Labelled | None, pool: Vectors) -> None:
        self.mean = pool.mean(0, dtype=np.float64)
        x = pool - self.mean
        features = x.shape[1]
        _, components = eigh(x.T @ x, subset_by_index=[features - self.bits, features - 1])
        v = x @ components
        generator = np.random.default_rng(self.seed)
        rotation, _ = np.linalg.qr(generator.standard_normal((self.bits, self.bits)))
        for _ in range(self.steps):
            left, _, right = np.linalg.svd(v.T @ np.where(v @ rotation > 0, 1.0, -1.0))
            rotation = left @ right
        self.projection = components @ rotation

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        return np.asarray((x - self.mean) @ self.projection)
