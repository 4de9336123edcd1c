"""Images as points at one layer: width, dimensions, angles and bound from their Gram matrix."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.geometry.cloud_figures import quiet_width, width_and_rank
from workbench.geometry.gram import largest_stretch, pair_angles, unit_gram
from workbench.geometry.width import MeanWidth

INPUT = "input"
"""Name of the input among the layers."""


@dataclass(frozen=True, eq=False)
class LayerCloud:
    """Images as points at one layer of one network.

    Attributes:
        layer: name of the layer, or "input".
        weights: "given", or "random 1", …
        features: d, number of features of an image.
        gram: (images, images) inner products of the images' features.
        width: Gaussian mean width; None where `outcome` says why there is none.
        unit_width: that of the features divided by their norms.
        effective_rank: effective rank of the centred points; NaN without a width.
        bound: upper bound of ω from the input's and the largest stretch of a pair (theorem of
            Sudakov and Fernique); NaN at the input.
        outcome: sentence on dead features, NaN or a width near its ceiling; "" where all is well.
    """

    layer: str
    weights: str
    features: int
    gram: Float64[Tensor, "images images"]
    width: MeanWidth | None
    unit_width: MeanWidth | None
    effective_rank: float
    bound: float
    outcome: str

    @property
    def angles(self) -> Float64[np.ndarray, "pairs"]:
        """Angles of all pairs i < j, radians; NaN with an image whose features are 0 or NaN."""
        return pair_angles(self.gram)


def cloud_of(
    layer: str,
    weights: str,
    features: int,
    gram: Float64[Tensor, "images images"],
    before: LayerCloud | None,
    directions: int,
    seed: int,
) -> LayerCloud:
    """Measurements of a Gram matrix; dead features and NaN are said in `outcome`.

    Args:
        layer: name of the layer.
        weights: name of the network's weights.
        features: number of features of an image.
        gram: (images, images) inner products.
        before: the input's cloud, for the certified bound; None at the input.
        directions: number of directions of a width.
        seed: seed of the directions.
    """
    norms = gram.diagonal().clamp(min=0).sqrt()
    zero = int((norms == 0).sum())
    if not bool(torch.isfinite(gram).all()):
        bad = int((~torch.isfinite(norms)).sum())
        outcome = f"NaN or infinity in the features of {bad} images: nothing is measured"
        return LayerCloud(
            layer, weights, features, gram, None, None, float("nan"), float("nan"), outcome
        )
    if zero == len(gram):
        outcome = "dead: all features are 0 for every image"
        return LayerCloud(layer, weights, features, gram, None, None, 0.0, float("nan"), outcome)
    found = width_and_rank(gram, directions, seed)
    if found is None:
        outcome = "collapsed: all images have the same features"
        return LayerCloud(layer, weights, features, gram, None, None, 0.0, float("nan"), outcome)
    width, rank = found
    units = unit_gram(gram)
    unit_width = quiet_width(units, directions, seed) if len(units) > 1 else None
    sentences = [f"{zero} images have no feature: their pairs have no angle"] if zero else []
    if unit_width is not None and unit_width.near_ceiling:
        sentences.append(
            f"unit width at {unit_width.ratio:.0%} of its ceiling: it measures the number of images"
        )
    bound = float("nan")
    if before is not None and before.width is not None:
        bound = largest_stretch(before.gram, gram) * before.width.value
    return LayerCloud(
        layer, weights, features, gram, width, unit_width, rank, bound, "; ".join(sentences)
    )
