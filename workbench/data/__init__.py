"""Zarr stores as torch samples."""

from workbench.data.scenes import Order, Scene, Scenes

__all__ = ["Order", "Scene", "Scenes"]
