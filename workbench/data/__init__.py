"""Zarr stores as torch samples."""
