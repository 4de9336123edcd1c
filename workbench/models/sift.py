"""SIFT-O2P's features: dense SIFT of a region, enriched, pooled with the matrix logarithm.

The descriptors are scikit-image's. It has no dense form of SIFT, but `SIFT.extract` describes
any keypoints that are set: they are placed on a grid in every octave of its scale space, upright.
Descriptors are enriched as in "Semantic Segmentation with Second-Order Pooling" (Carreira, Caseiro,
Batista, Sminchisescu, ECCV 2012, §2): position within the box, scale, and colour are appended, so
that second-order pooling relates gradients to their place and colour.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8
from skimage.color import rgb2gray, rgb2hsv, rgb2lab
from skimage.feature import SIFT

from workbench.errors import WorkbenchError
from workbench.layers import SecondOrderPooling

DESCRIPTOR = 128
"""Entries of a SIFT descriptor: 4×4 cells of 8 orientations."""
ENRICHMENT = 14
"""Number of appended entries: y, x in the box, y, x in pixels, scale, and three colour spaces."""
_CELL_SIGMAS = 12
"""Width of scikit-image's patch in σ: twice `lambda_descr`."""
_LENGTH = 512.0
"""Norm of scikit-image's descriptors, which are uint8."""
_FRAME = 200.0
"""Length in pixels that absolute positions are divided by: the longer side of a box in a store."""


class Box(NamedTuple):
    """Place and size of a region's crop in its frame, pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class SiftConfig:
    """Settings of the features of SIFT-O2P.

    Attributes:
        patch: side of a descriptor's window in the first octave, pixels; doubled in each further.
        steps: distance of the grid's points in each octave, pixels.
        enrichment: weight of the appended entries beside the descriptor of norm 1; 0: none.
        masked: describe points of the object's mask only, not of all of its box.
        epsilon: ε of the logarithm.
    """

    patch: float = 16.0
    steps: tuple[int, ...] = (8, 10, 16)
    enrichment: float = 0.3
    masked: bool = False
    epsilon: float = 1e-3

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 1 or self.patch < _CELL_SIGMAS * 0.5:
            raise WorkbenchError(
                f"a patch of at least {_CELL_SIGMAS * 0.5:g} pixels and positive steps",
                f"patch {self.patch:g}, steps {self.steps}",
                "leave them at their defaults",
            )

    @property
    def features(self) -> int:
        """Number of features of a point."""
        return DESCRIPTOR + (ENRICHMENT if self.enrichment else 0)

    @property
    def entries(self) -> int:
        """Length of the vector of a region."""
        return self.features * (self.features + 1) // 2


@dataclass(frozen=True)
class Points:
    """Points at which a region is described.

    Attributes:
        yx: (points, 2) float64, pixels of the frame; a point lies in the middle of a pixel.
        octave: (points,) octave of each, from 0.
    """

    yx: Float[np.ndarray, "points 2"]
    octave: Float[np.ndarray, "points"]


def region_vector(
    pixels: UInt8[np.ndarray, "size size 3"],
    mask: Bool[np.ndarray, "size size"] | None,
    box: Box,
    config: SiftConfig,
) -> Float32[np.ndarray, "entries"]:
    """Vector of a region: log(XᵀX/points + εI) of its enriched descriptors X, upper triangle.

    Args:
        pixels: the frame, RGB.
        mask: pixels of the object; only used if `config.masked`. An object too thin for any point
            of the grid is described over its box.
        box: the crop in the frame; pixels beside it are ignored.
        config: settings.
    """
    top, left, height, width = box
    crop = pixels[top : top + height, left : left + width]
    margins = ((top, len(pixels) - top - height), (left, pixels.shape[1] - left - width))
    filled = np.pad(crop, (*margins, (0, 0)), mode="edge")  # no edge where the crop ends
    points = grid_points(box, config.steps)
    if config.masked and mask is not None:
        y, x = points.yx.astype(int).T
        inside = mask[y, x]
        if inside.any():
            points = Points(points.yx[inside], points.octave[inside])
    x = describe(rgb2gray(filled), points, config.patch)
    if config.enrichment:
        x = np.concatenate([x, config.enrichment * _enrichment(filled, points, box)], axis=1)
    pool = SecondOrderPooling("log", config.epsilon, vectorised=True)
    vector: np.ndarray = pool.regions([torch.from_numpy(x)])[0].numpy()
    return vector


def grid_points(box: Box, steps: tuple[int, ...]) -> Points:
    """Points of one grid an octave, in the middle of the box; at least one point each."""
    yx, octave = [], []
    for number, step in enumerate(steps):
        rows, columns = (
            _along(box.top, box.height, step),
            _along(box.left, box.width, step),
        )
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
        yx.append(grid)
        octave.append(np.full(len(grid), float(number)))
    return Points(np.concatenate(yx), np.concatenate(octave))


def describe(
    grey: Float[np.ndarray, "size size"], points: Points, patch: float
) -> Float32[np.ndarray, "points 128"]:
    """Upright SIFT descriptors of unit length at given points; zero where nothing varies.

    Args:
        grey: the image, 0 to 1.
        points: points, whose octave sets the scale.
        patch: side of a descriptor's window in the first octave, pixels.
    """
    octaves = points.octave.astype(int)
    sigma = patch / _CELL_SIGMAS
    sift = SIFT(upsampling=1, n_octaves=octaves.max() + 1, n_scales=1, sigma_min=sigma)
    sift.positions = points.yx
    sift.octaves = octaves
    sift.scales = np.zeros(len(octaves), int)
    sift.sigmas = sigma * 2.0**octaves
    sift.orientations = np.zeros(len(octaves))
    with np.errstate(invalid="ignore"):  # a patch without gradient is 0/0, which uint8 makes 0
        sift.extract(grey)
    return np.asarray(sift.descriptors, np.float32) / np.float32(_LENGTH)


def _enrichment(
    pixels: UInt8[np.ndarray, "size size 3"], points: Points, box: Box
) -> Float32[np.ndarray, "points enrichment"]:
    """Entries to append: positions from −½ to ½, scale, and colours in about that range."""
    y, x = points.yx.astype(int).T
    colours = pixels[y, x][None].astype(float) / 255
    top, left, height, width = box
    middle = np.array([top + height / 2, left + width / 2])
    offset = points.yx + 0.5 - middle
    return np.concatenate(
        [
            offset / np.array([height, width]),
            offset / _FRAME,
            points.octave[:, None] / 2 - 0.5,
            colours[0] - 0.5,
            rgb2hsv(colours)[0] - 0.5,
            rgb2lab(colours)[0] / 100 - np.array([0.5, 0, 0]),
        ],
        axis=1,
    ).astype(np.float32)


def _along(start: int, length: int, step: int) -> Float[np.ndarray, "places"]:
    """Positions at whole pixels, a step apart, centred in the length."""
    count = max(math.ceil(length / step), 1)
    first = start + (length - 1 - (count - 1) * step) // 2
    return (first + step * np.arange(count)).astype(float)
