"""Normalized cuts of this library for a dense or sparse affinity, as peers' tests pass it."""

import numpy as np
from scipy import sparse

from workbench.segmentation.multiscale import constrained_cuts


def leading(affinity: object, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues, descending, vectors as columns, and degrees of D^-½WD^-½."""
    dense = affinity.toarray() if sparse.issparse(affinity) else np.asarray(affinity)
    found = constrained_cuts([sparse.csr_array(dense.astype(float))], [], count, 0.0)
    return found.values, found.vectors, found.degrees
