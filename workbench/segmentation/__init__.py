"""Segmentation of features: spectral embedding, then clustering or a hierarchy."""

from workbench.segmentation.cutting import CutConfig, cut
from workbench.segmentation.grid import Grid
from workbench.segmentation.hierarchical import HierarchyConfig
from workbench.segmentation.hierarchy import Hierarchy, Price
from workbench.segmentation.pool import Pool, PoolConfig
from workbench.segmentation.prediction import Prediction

__all__ = [
    "CutConfig",
    "Grid",
    "Hierarchy",
    "HierarchyConfig",
    "Pool",
    "PoolConfig",
    "Prediction",
    "Price",
    "cut",
]
