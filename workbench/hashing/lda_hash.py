"""LDAHash (Strecha, Bronstein, Bronstein and Fua, TPAMI 2012, §3.1)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import eigh

from workbench.hashing.diff_hash import DiffHash

RIDGE = 1e-6
"""Multiple of Σ_N's trace that is added to its diagonal, so that it can be inverted."""


@dataclass
class LDAHash(DiffHash):
    """Smallest generalised eigenvectors of Σ_P v = λ Σ_N v; else as DiffHash (α has no effect)."""

    def _directions(
        self, same: Float64[np.ndarray, "d d"], different: Float64[np.ndarray, "d d"]
    ) -> Float64[np.ndarray, "d bits"]:
        ridge = RIDGE * np.trace(different) * np.eye(len(different))
        _, vectors = eigh(same, different + ridge, subset_by_index=[0, self.bits - 1])
        return np.asarray(vectors)
