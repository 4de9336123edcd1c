"""From features to segments: spectral embedding, then clustering or a hierarchy."""

from workbench.segmentation.grid import Grid
from workbench.segmentation.hierarchical import HierarchyConfig, segment_hierarchy
from workbench.segmentation.hierarchy import Hierarchy, Price
from workbench.segmentation.pool import Pool, PoolConfig, segment

__all__ = [
    "Grid",
    "Hierarchy",
    "HierarchyConfig",
    "Pool",
    "PoolConfig",
    "Price",
    "segment",
    "segment_hierarchy",
]
