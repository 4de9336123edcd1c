"""From a map of contour strength to the finest partition: basins of a watershed.

The first step of a hierarchy as in Arbelaez, Maire, Fowlkes and Malik (PAMI 2011, §4): every basin
is one region, and whatever a segmentation separates later runs along the basins' borders.
"""

import numpy as np
from jaxtyping import Float, Int
from skimage.measure import label
from skimage.morphology import h_minima
from skimage.segmentation import watershed


def basins(
    strength: Float[np.ndarray, "rows columns"], depth: float
) -> Int[np.ndarray, "rows columns"]:
    """Labels 1 … n, int32: the catchment basins of the minima that are deep enough.

    Args:
        strength: of a contour at each block of pixels, in [0, 1].
        depth: minima that are shallower flow over into their neighbour; 0 keeps all.
    """
    strength = np.asarray(strength, np.float64)  # float32 minima lose their depth to rounding
    if depth <= 0 or np.ptp(strength) <= depth:
        return _compact(watershed(strength))
    seeds = label(h_minima(strength, depth), connectivity=2)
    return _compact(watershed(strength, seeds))


def _compact(labels: np.ndarray) -> Int[np.ndarray, "rows columns"]:
    _, names = np.unique(labels, return_inverse=True)
    return (names.reshape(labels.shape) + 1).astype(np.int32)
