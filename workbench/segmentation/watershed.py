"""Watershed of a map of contour strength: basins, the finest partition.

The first step of a hierarchy as in Arbelaez, Maire, Fowlkes and Malik (PAMI 2011, §4): every basin
is one region, and the borders of all later segmentations run along the basins' borders.
"""

import numpy as np
from jaxtyping import Float, Int
from skimage.measure import label
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed


def basins(
    strength: Float[np.ndarray, "rows columns"], depth: float
) -> Int[np.ndarray, "rows columns"]:
    """Basins of the minima that are deep enough, as labels 1 … n, int32.

    Args:
        strength: strength of a contour at each block of pixels, in [0, 1].
        depth: least depth of a minimum with a basin of its own; 0 keeps all.
    """
    strength = np.asarray(strength, np.float64)  # float32 minima lose their depth to rounding
    if depth <= 0:
        return _compact(watershed(strength))
    # Not skimage's h_minima: it counts minima of the same value twice although they flow together.
    filled = reconstruction(strength + depth, strength, method="erosion")
    seeds = label(local_minima(filled, connectivity=2), connectivity=2)
    return _compact(watershed(strength, seeds) if seeds.any() else np.ones(strength.shape))


def _compact(labels: np.ndarray) -> Int[np.ndarray, "rows columns"]:
    _, names = np.unique(labels, return_inverse=True)
    return (names.reshape(labels.shape) + 1).astype(np.int32)
