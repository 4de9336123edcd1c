"""Similarity-sensitive hashing (Shakhnarovich, PhD thesis, MIT 2005): AdaBoost on pairs.

A bit is a weak classifier of pairs: same bit, same class. Each round takes the bit b with the
largest correlation r = Σ W S b bᵀ, where S is 1 for pairs of one class and −1 for others, and
multiplies the pairs' weights W by exp(−α S b bᵀ), α = ½ ln((1 + r)/(1 − r)). Rankings are by plain
Hamming distance, without the α.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32, Float64
from scipy.linalg import eigh

from workbench.hashing.hasher import Hasher, Labelled, Vectors
from workbench.hashing.pairs import require_pairs

Form = Literal["stumps", "eigenvector"]
THRESHOLDS = {"stumps": 12, "eigenvector": 48}
"""Quantiles of a projection at which it may be cut."""
SURE = 1 - 1e-6
"""Largest correlation that counts, so that α is finite."""


@dataclass
class SSH(Hasher):
    """Boosted thresholds of projections; O(n²) memory for n labelled vectors.

    Attributes:
        form: "stumps", thresholds of single features as in the thesis; or "eigenvector", of the
            leading eigenvector of Xᵀ(W∘S)X, anew in each round.
    """

    form: Form = "stumps"
    supervised: ClassVar[bool] = True

    def _learn(self, labelled: Labelled, pool: Vectors) -> None:
        require_pairs(labelled)
        same = labelled.labels[:, None] == labelled.labels
        signs = np.where(same, np.float32(1), np.float32(-1))
        weights = np.where(same, 0.5 / (same.sum() - len(same)), 0.5 / (~same).sum())
        weights = weights.astype(np.float32)
        np.fill_diagonal(weights, 0)
        self.mean = labelled.vectors.mean(0, dtype=np.float64)
        x = labelled.vectors - self.mean
        every = np.eye(x.shape[1])
        stumps = _candidates(x, THRESHOLDS["stumps"]) if self.form == "stumps" else None
        directions, thresholds = [], []
        for _ in range(self.bits):
            weighted = weights * signs
            if stumps is None:
                last = x.shape[1] - 1
                _, axes = eigh(x.T @ (weighted @ x), subset_by_index=[last, last])
                cuts, bits = _candidates(x @ axes, THRESHOLDS["eigenvector"])
            else:
                axes, (cuts, bits) = every, stumps
            correlations = np.einsum("ij,ij->j", bits, weighted @ bits)
            best = int(correlations.argmax())
            directions.append(axes[:, best // cuts.shape[1]])
            thresholds.append(cuts.flat[best])
            weights *= _changes(float(correlations[best]), signs, bits[:, best])
            weights[same] /= 2 * weights[same].sum()
            weights[~same] /= 2 * weights[~same].sum()
        self.projection, self.thresholds = np.array(directions).T, np.array(thresholds)

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        return np.asarray((x - self.mean) @ self.projection - self.thresholds)


def _candidates(
    projected: Float64[np.ndarray, "n axes"], quantiles: int
) -> tuple[Float64[np.ndarray, "axes quantiles"], Float32[np.ndarray, "n candidates"]]:
    """Thresholds of each axis at inner quantiles, and the bits ±1 that each gives."""
    cuts = np.quantile(projected, np.arange(1, quantiles + 1) / (quantiles + 1), axis=0).T
    bits = np.where(projected[:, :, None] > cuts, np.float32(1), np.float32(-1))
    return cuts, bits.reshape(len(projected), -1)


def _changes(
    correlation: float, signs: Float32[np.ndarray, "n n"], bit: Float32[np.ndarray, "n"]
) -> Float32[np.ndarray, "n n"]:
    """Factors of the pairs' weights: exp(−α) where the bit is right, exp(α) where it is wrong."""
    bound = min(max(correlation, -SURE), SURE)
    factor = np.float32(np.sqrt((1 - bound) / (1 + bound)))
    return np.where(signs * bit[:, None] * bit > 0, factor, 1 / factor)
