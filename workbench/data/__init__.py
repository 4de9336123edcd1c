"""Zarr stores as torch samples, and as batches on the device."""

from workbench.data.augment import Augmentation, Normalisation
from workbench.data.batch import Batch
from workbench.data.features import FeatureCache
from workbench.data.loader import Loader
from workbench.data.order import Order, Schedule
from workbench.data.regions import Region, Regions
from workbench.data.scenes import Scene, Scenes

__all__ = [
    "Augmentation",
    "Batch",
    "FeatureCache",
    "Loader",
    "Normalisation",
    "Order",
    "Region",
    "Regions",
    "Scene",
    "Scenes",
    "Schedule",
]
