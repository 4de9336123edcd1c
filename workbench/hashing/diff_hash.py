"""DiffHash (Strecha, Bronstein, Bronstein and Fua, *LDAHash*, TPAMI 2012, §3.2)."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh

from workbench.hashing.hasher import Hasher, Labelled, MoreBitsThanClassesWarning, Vectors
from workbench.hashing.pairs import best_threshold, pair_covariances


@dataclass
class DiffHash(Hasher):
    """Smallest eigenvectors of αΣ_P − Σ_N, each with the threshold of least FNR + FPR.

    Σ_P and Σ_N are the mean squares of differences within and between classes. At α = 1 their
    difference has rank classes − 1: further bits are noise, and `fit` warns of them.

    Attributes:
        alpha: α, weight of pairs of one class.
    """

    alpha: float = 1.0
    supervised: ClassVar[bool] = True
    within_dimensions: ClassVar[bool] = True

    def _learn(self, labelled: Labelled, pool: Vectors) -> None:
        if self.bits >= labelled.classes:
            warnings.warn(
                f"expected fewer bits than classes ({labelled.classes}), got {self.bits}: "
                f"directions past the {labelled.classes - 1}th are noise; take KSH, or fewer bits",
                MoreBitsThanClassesWarning,
                stacklevel=3,
            )
        self.projection = self._directions(*pair_covariances(labelled))
        projected = labelled.vectors @ self.projection
        self.thresholds = np.array([best_threshold(each, labelled) for each in projected.T])

    def _directions(
        self, same: Float64[np.ndarray, "d d"], different: Float64[np.ndarray, "d d"]
    ) -> Float64[np.ndarray, "d bits"]:
        """Directions in which pairs of one class differ little, and others much."""
        _, vectors = eigh(self.alpha * same - different, subset_by_index=[0, self.bits - 1])
        return np.asarray(vectors)

    def _values(self, x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n bits"]:
        return np.asarray(x @ self.projection - self.thresholds)
