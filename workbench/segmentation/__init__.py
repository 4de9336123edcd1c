"""From features to segments: spectral embedding, clustering, connected components."""

from workbench.segmentation.grid import Grid
from workbench.segmentation.pool import Pool, PoolConfig, segment

__all__ = ["Grid", "Pool", "PoolConfig", "segment"]
