"""Geometry of sets and layers: mean width, angles, distances, nets; known sets in closed form."""

from workbench.geometry import angles, known_sets, nets
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
    "certified_bound",
    "draw",
    "farthest_first",
    "known_sets",
    "mean_width",
    "nets",
    "pair_blocks",
    "pair_statistics",
    "pairwise",
]
