"""Spectral embedding of an image: eigenvectors of normalized cuts, interpolated to its pixels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.linalg.outcomes import rsqrt
from workbench.linalg.spectral import Spectrum
from workbench.segmentation.grid import Grid
from workbench.segmentation.prediction import Prediction


@dataclass(frozen=True)
class Embedding:
    """Points D^-½U with weights D at the centres of blocks of pixels (Bach and Jordan, §3).

    Attributes:
        maps: (dimensions, rows, columns) float32, eigenvectors by descending eigenvalue.
        weights: (rows, columns) float32, degrees, mean 1.
        spectrum: spectrum of the affinity's own cells, before interpolation.
    """

    maps: Float[Tensor, "dimensions rows columns"]
    weights: Float[Tensor, "rows columns"]
    spectrum: Spectrum


def spectral_embedding(prediction: Prediction, *, dimensions: int, step: int) -> Embedding:
    """Leading generalised eigenvectors of (W, D), interpolated to blocks of step×step pixels.

    Args:
        prediction: affinity of an image, with the grid of its cells.
        dimensions: number of eigenvectors; fewer are returned where the rank of W is smaller.
        step: side of the blocks, pixels.
    """
    spectrum = prediction.affinity.spectrum(dimensions)
    return embed(spectrum, prediction.shape, prediction.grid, prediction.image, step)


def embed(
    spectrum: Spectrum, shape: tuple[int, int], grid: Grid, image: tuple[int, int], step: int
) -> Embedding:
    """Embedding from eigenvectors of cells, of any affinity, at blocks of step×step pixels.

    Args:
        spectrum: spectrum of the cells, row-major.
        shape: rows and columns of the cells.
        grid: places of the cells in the image.
        image: height and width of the image, pixels.
        step: side of the blocks, pixels.
    """
    degrees = spectrum.degrees
    scale = rsqrt(degrees) * degrees.mean().sqrt()
    points = (spectrum.vectors * scale[:, None]).T.float()
    stacked = torch.cat([points, (degrees / degrees.mean()).float()[None]])
    fine = grid.interpolate(stacked.unflatten(1, shape), *image, step=step)
    return Embedding(fine[:-1], fine[-1], spectrum)


def unit_rows(
    vectors: Float[Tensor, "pixels count"], dimensions: int
) -> Float[Tensor, "pixels dimensions"]:
    """Rows of the first eigenvectors at unit length (Ng, Jordan and Weiss, NIPS 2001): directions.

    Directions of pixels of one segment are equal, those of different segments orthogonal. They do
    not depend on scaling by D^-½, and their distances do not depend on a rotation within the
    subspace. A row of zeros stays zero.
    """
    rows = vectors[:, :dimensions]
    unit: Tensor = rows * rsqrt(rows.square().sum(1, keepdim=True))
    return unit


def directions(
    embedding: Embedding, dimensions: tuple[int, ...]
) -> Float[Tensor, "directions rows columns"]:
    """Directions: unit rows for several dimensions of the embedding, stacked.

    A squared distance between two blocks is the sum, over the dimensions, of 2 − 2 cos of the angle
    between their rows: few dimensions separate large segments, many separate small ones.
    """
    rows = embedding.maps.flatten(1).T
    stacked = torch.cat([unit_rows(rows, d) for d in dimensions], dim=1)
    maps: Tensor = stacked.T.unflatten(1, embedding.maps.shape[1:])
    return maps
