"""Geometry of sets and layers: angles, embeddings, regions and recovery, with their theory."""

from workbench.geometry import (
    assumptions,
    hyperplanes,
    linear_regions,
    random_layers,
    recovery,
    sparse_recovery,
)

__all__ = [
    "assumptions",
    "hyperplanes",
    "linear_regions",
    "random_layers",
    "recovery",
    "sparse_recovery",
]
