"""Segmentations of an image from a network's prediction, flat or by a hierarchy."""

import torch

from workbench.segmentation.hierarchical import HierarchyConfig, cut_hierarchy
from workbench.segmentation.pool import Pool, PoolConfig, cut_flat
from workbench.segmentation.prediction import Prediction

CutConfig = PoolConfig | HierarchyConfig
"""Settings by which a network's affinity becomes segmentations."""


def usual_cut(prediction: Prediction) -> CutConfig:
    """Settings of a hierarchy where the network predicted contours, else of flat clusterings."""
    return PoolConfig() if prediction.contour is None else HierarchyConfig()


@torch.inference_mode()
def cut(prediction: Prediction, config: CutConfig | None = None) -> Pool:
    """Segmentations of an image at full size.

    Args:
        prediction: prediction of a network for the image.
        config: flat clusterings or a hierarchy; default: `usual_cut`.
    """
    config = config or usual_cut(prediction)
    if isinstance(config, HierarchyConfig):
        return cut_hierarchy(prediction, config)
    return cut_flat(prediction, config)
