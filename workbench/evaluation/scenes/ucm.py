"""Segmentations from an ultrametric contour map (UCM), the benchmark's form of a hierarchy.

A UCM at double size has a site for every pixel (odd row, odd column), for every edge between two
pixels and for every corner; the value of an edge is the level at which its two sides merge
(Arbelaez et al., PAMI 2011, §4).
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage

from workbench.errors import WorkbenchError


def cut_ucm(
    ucm2: Float[np.ndarray, "double_height double_width"], threshold: float
) -> Int[np.ndarray, "height width"]:
    """Segmentation by all merges up to the threshold.

    Args:
        ucm2: (2·height + 1, 2·width + 1), float, contour strength in [0, 1].
        threshold: level of the cut, at least 0.

    Returns:
        (height, width) int32, labels 1 … n.

    Raises:
        WorkbenchError: the map has no double size, or the threshold is negative.
    """
    if not all(extent % 2 for extent in ucm2.shape):
        raise WorkbenchError(
            "a UCM of double size, (2·height + 1, 2·width + 1)",
            f"shape {ucm2.shape}",
            "read the variable `ucm2`, or compute the UCM with 'doubleSize'",
        )
    if threshold < 0:
        raise WorkbenchError("a threshold of at least 0", f"{threshold}", "raise it")
    labels, _ = ndimage.label(ucm2 <= threshold, structure=np.ones((3, 3)))
    return np.asarray(labels[1::2, 1::2])
