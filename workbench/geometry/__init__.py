"""Geometry of sets and layers: angles, embeddings, regions and recovery, beside what theory says."""

from workbench.geometry import (
    assumptions,
    hyperplanes,
    linear_regions,
    random_layers,
    recovery,
)

__all__ = [
    "assumptions",
    "hyperplanes",
    "linear_regions",
    "random_layers",
    "recovery",
]
