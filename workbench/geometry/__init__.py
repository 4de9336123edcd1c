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
    region_growth,
    sparse_recovery,
)
from workbench.geometry.angles import PairStatistics, pair_blocks, pair_statistics, pairwise
from workbench.geometry.certified_bound import CertifiedBound, certified_bound
from workbench.geometry.directions import Directions, draw
from workbench.geometry.mean_width import mean_width
from workbench.geometry.nets import Net, farthest_first
from workbench.geometry.width import CeilingWarning, MeanWidth, WidthByCount
from workbench.geometry.width_stream import LeftSpanError, WidthStream

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
    "region_growth",
    "sparse_recovery",
]
