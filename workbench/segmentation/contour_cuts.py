"""Classical normalized cuts of a photograph: no network, contours and colours alone.

The first columns of the paper's Table 2. The image is reduced by whole blocks of pixels, edges are
oriented energies of its Lab channels, and the affinity between cells is that of the intervening
contour, on one grid (Leung and Malik, ECCV 1998) or on several (Cour, Bénézit and Shi, CVPR 2005).
Eigenvectors then become segments in the same way as those of a network's affinity.

Departures from Cour, Bénézit and Shi: (1) contour and colour are multiplied, where they have
√(W_F W_E) + αW_E; (2) edges are not squared and there is a floor, see `contour_affinity`; (3) edges
are found on the finest grid alone, and looked up along the lines of all grids; (4) k-means on D^-½V
in place of Yu and Shi's rotation.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from skimage.color import rgb2lab

from workbench.errors import WorkbenchError
from workbench.linalg.spectral import Spectrum
from workbench.segmentation.contour_affinity import contour_affinity
from workbench.segmentation.grid import Grid
from workbench.segmentation.multiscale import averaging, constrained_cuts
from workbench.segmentation.oriented_energy import oriented_energy
from workbench.segmentation.pool import Pool, PoolConfig, cut_embedding
from workbench.segmentation.spectral import embed

FACTOR = 3
"""Width of a cell of the next grid in cells; odd, so that its centre is that of a cell."""


@dataclass(frozen=True)
class ContourConfig:
    """Settings of the contour affinity; the defaults were chosen on BSDS300's training images.

    Attributes:
        side: cells on the longer side of the image, about: blocks have a whole number of pixels.
        radii: reach of the affinity on each grid, in its cells, finest first; one: a single grid.
        wavelength: wavelength of the edge filters, cells of the finest grid.
        edge_scale: σ_E, strength of an edge that separates (Lab units).
        colour_scale: σ_F, distance of two colours that separates (Lab units); None: contours alone.
        floor: φ, floor of the contour's factor.
        tolerance: relative accuracy of the eigenvalues.
    """

    side: int = 160
    radii: tuple[int, ...] = (3, 7, 10)
    wavelength: float = 8.0
    edge_scale: float = 2.0
    colour_scale: float | None = 4.0
    floor: float = 3e-3
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        positive = {"side": self.side, "wavelength": self.wavelength, "edge scale": self.edge_scale}
        positive |= {f"radius of grid {i}": radius for i, radius in enumerate(self.radii)}
        if self.colour_scale is not None:
            positive["colour scale"] = self.colour_scale
        for name, value in positive.items():
            if not value > 0:
                raise WorkbenchError(f"a positive {name}", f"{value}", "raise it")
        if not self.radii:
            raise WorkbenchError("at least one radius", "none", "give one for each grid")


SINGLE_SCALE = ContourConfig(radii=(5,))
"""Settings of plain normalized cuts on one grid. A radius of 10 gains .02 of covering and takes 1.5
times as long."""


def segment_contours(
    image: UInt8[np.ndarray, "height width 3"],
    contours: ContourConfig | None = None,
    config: PoolConfig | None = None,
) -> Pool:
    """Cut a photograph by its contours and colours.

    The pool's spectrum is that of the finest grid's cells. Its vectors are orthonormal together
    with their continuation on the other grids only, and its rank counts the vectors found: the
    affinity's own is not known.

    Args:
        image: RGB.
        contours: settings of the affinity; default: `ContourConfig()`, several grids.
        config: settings of the cuts; default: `PoolConfig()`.
    """
    contours, config = contours or ContourConfig(), config or PoolConfig()
    height, width = image.shape[:2]
    block = max(1, round(max(height, width) / contours.side))
    colours = _block_means(rgb2lab(image), block)
    spectrum = contour_spectrum(colours, contours, max(config.counts))
    shape = colours.shape[0], colours.shape[1]
    embedding = embed(spectrum, shape, Grid.of_step(block), (height, width), config.step)
    return cut_embedding(embedding, (height, width), config)


def contour_spectrum(
    colours: Float[np.ndarray, "rows columns channels"], config: ContourConfig, count: int
) -> Spectrum:
    """Leading eigenvectors of the finest grid.

    Args:
        colours: Lab values of its cells.
        config: settings of the affinity.
        count: number of eigenvectors; fewer are returned where there are fewer cells.
    """
    rows, columns, channels = colours.shape
    edges = oriented_energy(colours, config.wavelength)
    affinities, means = [], []
    cell, shape, features = 1, (rows, columns), colours
    for scale, radius in enumerate(config.radii):
        if scale > 0:
            mean, shape = averaging(shape, FACTOR)
            means.append(mean)
            features = (mean @ features.reshape(-1, channels)).reshape(*shape, channels)
            cell *= FACTOR
        affinities.append(
            contour_affinity(
                edges,
                features,
                cell=cell,
                radius=radius,
                edge_scale=config.edge_scale,
                feature_scale=config.colour_scale,
                floor=config.floor,
            )
        )
    found = constrained_cuts(affinities, means, count + 1, config.tolerance)  # one more: the gap
    values, finest = found.values[:count], slice(0, rows * columns)
    following = found.values[count] if len(found.values) > count else 0.0
    return Spectrum(
        values=torch.from_numpy(values),
        vectors=torch.from_numpy(found.vectors[finest, : len(values)].copy()),
        degrees=torch.from_numpy(found.degrees[finest].copy()),
        rank=int((values > config.tolerance).sum()),
        tolerance=config.tolerance,
        gap=float(values[-1] - following) if len(values) else 0.0,
    )


def _block_means(
    image: Float[np.ndarray, "height width channels"], block: int
) -> Float[np.ndarray, "rows columns channels"]:
    """Means over block×block pixels; the last row and column repeat where pixels are missing."""
    height, width, channels = image.shape
    padded = np.pad(image, ((0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // block, padded.shape[1] // block
    means: np.ndarray = padded.reshape(rows, block, columns, block, channels).mean((1, 3))
    return means
