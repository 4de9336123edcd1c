"""From what a network predicted of an image to its segmentations, flat or by a hierarchy."""

import torch

from workbench.segmentation.hierarchical import HierarchyConfig, cut_hierarchy
from workbench.segmentation.pool import Pool, PoolConfig, cut_flat
from workbench.segmentation.prediction import Prediction

CutConfig = PoolConfig | HierarchyConfig
"""How a network's affinity becomes segmentations."""


def usual_cut(prediction: Prediction) -> CutConfig:
    """A hierarchy where the network predicted contours, otherwise flat clusterings."""
    return PoolConfig() if prediction.contour is None else HierarchyConfig()


@torch.inference_mode()
def cut(prediction: Prediction, config: CutConfig | None = None) -> Pool:
    """The segmentations of an image at full size.

    Args:
        prediction: of the image.
        config: flat clusterings or a hierarchy; default: `usual_cut`.
    """
    config = config or usual_cut(prediction)
    if isinstance(config, HierarchyConfig):
        return cut_hierarchy(prediction, config)
    return cut_flat(prediction, config)
