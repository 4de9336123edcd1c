"""Eight segmentations of an image from a hierarchy over its spectral embedding.

The globalisation of gPb (Arbelaez et al., PAMI 2011, §3.2) with a learned affinity in place of the
intervening contour: basins of a contour map are merged by what lies on their common border and by
how far apart normalized cuts places them (`segmentation.hierarchy`). Where the network predicts no
contours, the embedding's own gradient stands in.
"""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import gaussian_filter

from workbench.segmentation.hierarchy import Hierarchy, Price, build_hierarchy
from workbench.segmentation.pool import Pool
from workbench.segmentation.prediction import Prediction
from workbench.segmentation.spectral import Embedding, directions, spectral_embedding
from workbench.segmentation.watershed import basins

STEP = 2
"""Side of the blocks of pixels on which hierarchies are built."""
STRONG = 0.98
"""Quantile of the embedding's gradient that counts as strength 1."""


@dataclass(frozen=True)
class HierarchyConfig:
    """Settings of a hierarchy and its cuts; the defaults were chosen on BSDS300's training images.

    The heights are those of networks with contours; `workbench cuts` chooses them for a network.

    Attributes:
        heights: heights of the eight cuts.
        depth: least depth of a minimum of the contour map that makes a basin.
        dimensions: numbers of eigenvectors in which directions are taken.
        price: price of a border.
        smoothing: deviation in blocks of the Gaussian under the embedding's gradient, where there
            are no contours.
    """

    heights: tuple[float, ...] = (0.231, 0.267, 0.283, 0.32, 0.404, 0.472, 0.552, 0.722)
    depth: float = 0.01
    dimensions: tuple[int, ...] = (2, 4, 8, 16)
    price: Price = field(default_factory=Price)
    smoothing: float = 1.0


def cut_hierarchy(prediction: Prediction, config: HierarchyConfig) -> Pool:
    """Cut an image by the hierarchy over what a network predicted."""
    embedding = spectral_embedding(prediction, dimensions=max(config.dimensions), step=STEP)
    contour = prediction.contour
    strength = None if contour is None else contour.double().sigmoid().numpy(force=True)
    hierarchy = grow_hierarchy(embedding, strength, config)
    cuts = tuple(full_size(hierarchy.cut(height), prediction.image) for height in config.heights)
    return Pool(cuts, embedding, hierarchy)


def grow_hierarchy(
    embedding: Embedding,
    strength: Float[np.ndarray, "rows columns"] | None,
    config: HierarchyConfig,
) -> Hierarchy:
    """Hierarchy over an embedding.

    Args:
        embedding: embedding at blocks of `STEP` pixels.
        strength: strength of contours at these blocks, in [0, 1]; None: the embedding's gradient.
        config: settings of the hierarchy.
    """
    rows = directions(embedding, config.dimensions).numpy(force=True)
    if strength is None:
        strength = _gradient(rows, config.smoothing)
    return build_hierarchy(basins(strength, config.depth), strength, rows, config.price)


def full_size(
    labels: Int[np.ndarray, "rows columns"], image: tuple[int, int]
) -> Int[np.ndarray, "height width"]:
    """Labels of blocks as labels of the pixels in them."""
    height, width = image
    return np.repeat(np.repeat(labels, STEP, axis=0), STEP, axis=1)[:height, :width]


def _gradient(
    rows: Float[np.ndarray, "dimensions rows columns"], smoothing: float
) -> Float[np.ndarray, "rows columns"]:
    """Strength of the changes of direction, in [0, 1]."""
    smooth = gaussian_filter(rows, (0, smoothing, smoothing))
    squares = sum(np.square(side).sum(0) for side in np.gradient(smooth, axis=(1, 2)))
    magnitude = np.sqrt(np.asarray(squares))
    strong = float(np.quantile(magnitude, STRONG))
    return np.asarray(np.minimum(magnitude / strong, 1.0)) if strong > 0 else magnitude
