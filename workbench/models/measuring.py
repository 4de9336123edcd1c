"""Operators that measure an image by fewer numbers than it has pixels: random, learned, Radon.

    random = gaussian(3072, 384, seed=0)     # m:n = 1:8
    y = noisy(random(x), 0.01, generator)    # x: (images, 3072), y: (images, 384)
    views = Projection(scattered(radon_matrix(6), 6))

Noise is relative: its deviation is a share of the root mean square of the measurements about their
means, one number for all measurements of an operator. Without noise a float32 keeps nearly all of a
smooth image in half as many numbers, and small singular values of an operator would cost nothing.
"""

from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.ndimage import gaussian_filter1d
from skimage.transform import radon
from torch import Tensor, nn

from workbench.errors import WorkbenchError

SIDE = 32
"""Side of an image, pixels; number of detectors of a view."""
GRIDS = {2: (16, 6), 4: (8, 12), 8: (8, 6), 16: (4, 12), 32: (4, 6), 64: (2, 12), 128: (2, 6)}
"""Side and channels of an encoder's code of a colour image, by the ratio n/m."""
SCATTERED_SHARE = 0.5
"""Share of the counts of a detector that scattering spreads over its neighbours."""
SCATTERED_WIDTH = 3.0
"""Deviation of that spread, detectors."""


class Projection(nn.Module):
    """Linear operator y = Φx.

    Args:
        matrix: (measurements, pixels) Φ.
        learned: whether a training may change it.
    """

    def __init__(self, matrix: Float[Tensor, "measurements pixels"], learned: bool = False) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix.float(), requires_grad=learned)

    def forward(self, x: Float[Tensor, "images pixels"]) -> Float[Tensor, "images measurements"]:
        """Measurements of images."""
        found: Tensor = x @ self.matrix.T
        return found


class Encoder(nn.Module):
    """Two convolutions with a ReLU between them; the measurements are the output of the second.

    Args:
        ratio: pixels for each measurement, a key of `GRIDS`.
        width: channels between the two.

    Raises:
        WorkbenchError: no code has that ratio.
    """

    def __init__(self, ratio: int, width: int = 32) -> None:
        super().__init__()
        if ratio not in GRIDS:
            raise WorkbenchError(
                f"a ratio out of {', '.join(map(str, GRIDS))}", str(ratio), "name one of them"
            )
        side, channels = GRIDS[ratio]
        stride = SIDE // 2 // side
        second = (
            nn.Conv2d(width, channels, 3, padding=1)
            if stride == 1
            else nn.Conv2d(width, channels, stride + 2, stride, padding=1)
        )
        self.layers = nn.Sequential(nn.Conv2d(3, width, 5, 2, padding=2), nn.ReLU(), second)

    def forward(self, x: Float[Tensor, "images pixels"]) -> Float[Tensor, "images measurements"]:
        """Measurements of images with values in [0, 1]."""
        code: Tensor = self.layers(x.unflatten(1, (3, SIDE, SIDE)) - 0.5)
        flat: Tensor = code.flatten(1)
        return flat


def gaussian(pixels: int, measurements: int, seed: int) -> Projection:
    """Random projection with independent entries N(0, 1/measurements)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(measurements, pixels, generator=generator)
    return Projection(drawn / measurements**0.5)


def principal_axes(covariance: Float64[Tensor, "pixels _"]) -> Float64[Tensor, "pixels _"]:
    """Eigenvectors of a covariance as rows, the largest eigenvalue first.

    The first ones are the rows of the best linear operator for reconstruction without noise.
    """
    axes: Tensor = torch.linalg.eigh(covariance).eigenvectors.flip(1).T
    return axes


def disc(side: int = SIDE) -> Bool[np.ndarray, "side side"]:
    """Pixels that are measured: the circle that every view sees, less a margin of two pixels.

    scikit-image's SART does not reconstruct the outermost ring of that circle; in photographs whose
    grey values do not fall to 0 there, what the ring lacks spoils all pixels.
    """
    y, x = np.mgrid[:side, :side] - side // 2
    return np.asarray(x**2 + y**2 <= (side // 2 - 2) ** 2)


def view_angles(views: int) -> Float64[np.ndarray, "views"]:
    """Angles of equidistant views, degrees in [0, 180)."""
    return np.linspace(0, 180, views, endpoint=False)


def views_of(ratio: int, side: int = SIDE) -> int:
    """Number of views whose measurements come nearest to pixels of the disc / ratio; at least 1."""
    return max(round(int(disc(side).sum()) / ratio / side), 1)


@cache
def radon_matrix(views: int, side: int = SIDE) -> Float64[Tensor, "measurements pixels"]:
    """Matrix of scikit-image's `radon` at equidistant views, for the pixels of the disc.

    Rows are detectors × views, as `radon` returns them, flattened; columns the pixels of the disc
    in row-major order. Built once for each number of views.
    """
    columns = []
    for place in np.argwhere(disc(side)):
        image = np.zeros((side, side))
        image[tuple(place)] = 1
        columns.append(radon(image, view_angles(views), circle=True).ravel())
    return torch.from_numpy(np.stack(columns, axis=1))


def scattered(
    matrix: Float64[Tensor, "measurements pixels"],
    views: int,
    share: float = SCATTERED_SHARE,
    width: float = SCATTERED_WIDTH,
) -> Float64[Tensor, "measurements pixels"]:
    """Radon matrix whose views are blurred along the detectors, as by scattering.

    Args:
        matrix: (detectors · views, pixels) matrix of `radon_matrix`.
        views: number of its views.
        share: part of the counts of a detector that is spread.
        width: deviation of the Gaussian over which it is spread, detectors; what leaves the row of
            detectors is lost.
    """
    sinograms = matrix.numpy().reshape(-1, views, matrix.shape[1])
    spread = gaussian_filter1d(sinograms, width, axis=0, mode="constant")
    return torch.from_numpy((1 - share) * sinograms + share * spread).flatten(0, 1)


def deviation(y: Float[Tensor, "images measurements"]) -> Float[Tensor, ""]:
    """Root mean square of measurements about their means, one number for all of them."""
    return (y - y.mean(0)).square().mean().sqrt()


def noisy(
    y: Float[Tensor, "images measurements"], scale: float, generator: torch.Generator
) -> Float[Tensor, "images measurements"]:
    """Measurements with Gaussian noise.

    Args:
        y: measurements.
        scale: deviation of the noise, in the units of y.
        generator: source of the noise.
    """
    return y + scale * torch.randn(y.shape, generator=generator, dtype=y.dtype)
