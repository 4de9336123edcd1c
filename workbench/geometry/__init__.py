"""Geometry of sets and layers: widths, angles, nets, embeddings, regions, recovery, with theory."""

from workbench.geometry import (
    angles,
    assumptions,
    hyperplanes,
    known_sets,
    linear_regions,
    nets,
    random_layers,
    recovery,
    sparse_recovery,
)
from workbench.geometry.angles import PairStatistics, pair_blocks, pair_statistics, pairwise
from workbench.geometry.directions import Directions, draw
from workbench.geometry.mean_width import (
    CeilingWarning,
    CertifiedBound,
    LeftSpanError,
    MeanWidth,
    WidthByCount,
    WidthStream,
    certified_bound,
    mean_width,
)
from workbench.geometry.nets import Net, farthest_first

__all__ = [
    "CeilingWarning",
    "CertifiedBound",
    "Directions",
    "LeftSpanError",
    "MeanWidth",
    "Net",
    "PairStatistics",
    "WidthByCount",
    "WidthStream",
    "angles",
    "assumptions",
    "certified_bound",
    "draw",
    "farthest_first",
    "hyperplanes",
    "known_sets",
    "linear_regions",
    "mean_width",
    "nets",
    "pair_blocks",
    "pair_statistics",
    "pairwise",
    "random_layers",
    "recovery",
    "sparse_recovery",
]
