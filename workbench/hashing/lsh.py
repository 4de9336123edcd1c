"""Locality-sensitive hashing: signs of random projections about the mean.

A random layer has the same bits: sign(ρ(Au)) = sign(Au) for Gaussian A (Giryes, Sapiro and
Bronstein, arXiv 1504.08291; codes by Charikar, STOC 2002).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from workbench.geometry.hyperplanes import normals
from workbench.hashing.hasher import Hasher, Labelled, Vectors


@dataclass
class LSH(Hasher):
    """Random hyperplanes through the pool's mean: sign(A(u − mean))."""

    def _learn(self, labelled: Labelled | None, pool: Vectors) -> None:
        self.mean = pool.mean(0, dtype=np.float64)
        self.normals = np.concatenate(list(normals(pool.shape[1], self.bits, self.seed)))

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        return np.asarray((x - self.mean) @ self.normals.T)
