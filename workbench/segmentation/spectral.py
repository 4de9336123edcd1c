"""The spectral embedding of an image: eigenvectors of normalized cuts, brought to its pixels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.linalg.affinity import Affinity
from workbench.linalg.outcomes import rsqrt
from workbench.linalg.spectral import Spectrum
from workbench.segmentation.grid import Grid


@dataclass(frozen=True)
class Embedding:
    """Points D^-½U with weights D at the centres of blocks of pixels (Bach and Jordan, §3).

    Attributes:
        maps: (dimensions, rows, columns) float32, eigenvectors by descending eigenvalue.
        weights: (rows, columns) float32, degrees, mean 1.
        spectrum: of the affinity's own cells, before interpolation.
    """

    maps: Float[Tensor, "dimensions rows columns"]
    weights: Float[Tensor, "rows columns"]
    spectrum: Spectrum


def spectral_embedding(
    affinity: Affinity,
    shape: tuple[int, int],
    grid: Grid,
    image: tuple[int, int],
    *,
    dimensions: int,
    step: int,
) -> Embedding:
    """The leading generalised eigenvectors of (W, D), interpolated to blocks of step×step pixels.

    Args:
        affinity: of the cells of a feature map, row-major.
        shape: rows and columns of that feature map.
        grid: where its cells lie in the image.
        image: height and width of the image, pixels.
        dimensions: how many eigenvectors; fewer come back where the rank of W is smaller.
        step: side of the blocks, pixels.
    """
    spectrum = affinity.spectrum(dimensions)
    degrees = spectrum.degrees
    scale = rsqrt(degrees) * degrees.mean().sqrt()
    points = (spectrum.vectors * scale[:, None]).T.float()
    stacked = torch.cat([points, (degrees / degrees.mean()).float()[None]])
    fine = grid.interpolate(stacked.unflatten(1, shape), *image, step=step)
    return Embedding(fine[:-1], fine[-1], spectrum)
