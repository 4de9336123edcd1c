"""Figures of a cloud from its Gram matrix: width, dimensions and angles, in milliseconds."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.geometry.directions import FAR_OFFSET
from workbench.geometry.gram import pair_angles
from workbench.geometry.mean_width import mean_width
from workbench.geometry.width import CeilingWarning, MeanWidth
from workbench.linalg.effective_rank import effective_rank

COINCIDENT = 1e-6
"""Deviation of points from their mean, over their norms, below which it is rounding of float32."""


@dataclass(frozen=True)
class CloudFigures:
    """Figures of a cloud of points; lengths in the units of the points.

    Attributes:
        squared_width: ω², squared Gaussian mean width, two-sided.
        ceiling_ratio: ω over its ceiling, see `MeanWidth`.
        stable_dimension: ω² over the squared diameter; 0 where all points coincide.
        effective_rank: effective rank of the points about their mean.
        angle: median angle of all pairs, radians; NaN where fewer than two points are not 0.
        off: fraction of the points that are 0 or not finite.
    """

    squared_width: float
    ceiling_ratio: float
    stable_dimension: float
    effective_rank: float
    angle: float
    off: float


def cloud_figures(
    gram: Float64[Tensor, "points points"], directions: int = 256, seed: int = 0
) -> CloudFigures:
    """Figures of a cloud from its inner products; NaN, but for `off`, where a point is not finite.

    Args:
        gram: inner products of at least two points, on the CPU.
        directions: number of directions of the width.
        seed: seed of the directions.
    """
    squares = gram.diagonal()
    usable = torch.isfinite(squares) & (squares > 0)
    off = 1.0 - float(usable.double().mean())
    if not bool(torch.isfinite(gram).all()):
        return CloudFigures(math.nan, math.nan, math.nan, math.nan, math.nan, off)
    angle = median(pair_angles(gram))
    found = width_and_rank(gram, directions, seed)
    if found is None:
        return CloudFigures(0.0, 0.0, 0.0, 0.0, angle, off)
    width, rank = found
    return CloudFigures(width.value**2, width.ratio, width.stable_dimension, rank, angle, off)


def width_and_rank(
    gram: Float64[Tensor, "points points"], directions: int = 256, seed: int = 0
) -> tuple[MeanWidth, float] | None:
    """Width and effective rank about the mean, of points however far from 0; None: they coincide.

    Args:
        gram: finite inner products of at least two points.
        directions: number of directions of the width.
        seed: seed of the directions.
    """
    centred = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    spread, size = float(centred.diagonal().sum()), float(gram.diagonal().sum())
    if spread <= COINCIDENT**2 * size:
        return None
    if size > FAR_OFFSET**2 * spread:
        gram = centred = _semidefinite(centred, torch.finfo(torch.float64).eps * size)
    rank = float(effective_rank(torch.linalg.eigvalsh(centred)))
    return quiet_width(gram, directions, seed), rank


def _semidefinite(
    gram: Float64[Tensor, "points points"], noise: float
) -> Float64[Tensor, "points points"]:
    """Nearly the same matrix without eigenvalues below its rounding errors, symmetric."""
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    roots = vectors * torch.where(values > noise, values, 0.0).sqrt()
    rebuilt: Tensor = roots @ roots.T
    return rebuilt


def median(values: Float64[np.ndarray, "_"]) -> float:
    """Median of the values that are numbers; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else math.nan


def quiet_width(
    gram: Float64[Tensor, "points points"], directions: int = 256, seed: int = 0
) -> MeanWidth:
    """Mean width of a Gram matrix without a warning near the ceiling, whose ratio it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CeilingWarning)
        return mean_width(gram=gram, directions=directions, seed=seed)
