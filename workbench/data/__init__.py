"""Zarr stores as torch samples, and as batches on the device."""

from workbench.data.augment import Augmentation, Normalisation
from workbench.data.features import FeatureCache, RegionFeatures
from workbench.data.images import ImageParts, Images, LabelledImage
from workbench.data.loader import Batch, Loader
from workbench.data.order import Order, Schedule
from workbench.data.region_reader import (
    MapSource,
    RegionBatch,
    RegionReader,
    batches_of,
    region_reader,
)
from workbench.data.region_split import RegionParts, region_parts
from workbench.data.regions import Region, Regions
from workbench.data.scenes import Scene, Scenes

__all__ = [
    "Augmentation",
    "Batch",
    "FeatureCache",
    "ImageParts",
    "Images",
    "LabelledImage",
    "Loader",
    "MapSource",
    "Normalisation",
    "Order",
    "Region",
    "RegionBatch",
    "RegionFeatures",
    "RegionParts",
    "RegionReader",
    "Regions",
    "Scene",
    "Scenes",
    "Schedule",
    "batches_of",
    "region_parts",
    "region_reader",
]
