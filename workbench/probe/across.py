"""Normalized cut of all images of a probe together: a colour means the same on every photograph.

The cells of all images are the pixels of one affinity W = XXᵀ with d factors. Its degrees need the
sum of the rows of X, its spectrum the d×d matrix G = Σ xᵢxᵢᵀ/δᵢ: two passes over the kept features
and one eigenproblem of d×d, exact for any number of cells. (Methods that sample cells, as Nyström's
in ncut_pytorch, approximate the same vectors.) An image's part of an eigenvector follows from its
own features.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.probe.affinities import Choice, FactorMap, factor_map
from workbench.probe.result import Probe
from workbench.segmentation import Grid
from workbench.segmentation.clustering import nearest, nested_kmeans
from workbench.segmentation.spectral import unit_rows

SAMPLE = 50_000
"""Largest number of cells that are clustered, evenly spread over all images."""
_LANDMARK_CELLS = 64
"""Largest number of cells of an image among which landmarks are drawn."""


@dataclass(frozen=True)
class Nearest:
    """Cell of another image that is similar to a given one.

    Attributes:
        image: id of the image.
        pixel: (y, x) of the cell's centre.
        affinity: entry of W between the two.
    """

    image: str
    pixel: tuple[int, int]
    affinity: float


@dataclass(frozen=True)
class JointSpectrum:
    """Leading eigenpairs of D^-½WD^-½ for W = XXᵀ whose rows come in parts.

    Attributes:
        total: sum of the rows of X.
        cells: number of the rows.
        values: eigenvalues, descending.
        basis: (d, count); rows of the eigenvectors are D^-½ times rows of X times this.
    """

    total: Float64[Tensor, "d"]
    cells: int
    values: Float64[Tensor, "count"]
    basis: Float64[Tensor, "d count"]

    def degrees(self, rows: Float64[Tensor, "cells d"]) -> Float64[Tensor, "cells"]:
        """Degrees of cells; infinite where a cell has no affinity to any."""
        return degrees_of(rows, self.total)

    def vectors(self, rows: Float64[Tensor, "cells d"]) -> Float64[Tensor, "cells count"]:
        """Rows of the generalised eigenvectors D^-½U, of unit mean square (weighted by D)."""
        scale = torch.linalg.vector_norm(self.total)  # Σ δ = ‖total‖²
        found: Tensor = rows @ self.basis * (scale / self.degrees(rows)[:, None])
        return found


def joint_spectrum(parts: Callable[[], Iterable[Tensor]], dimensions: int) -> JointSpectrum:
    """Spectrum of the affinity of all rows, in two passes over their parts and O(d²) memory.

    Args:
        parts: function that gives (cells, d) float64 factors, part by part; called twice.
        dimensions: number of eigenpairs, fewer where the rank is smaller.

    Raises:
        WorkbenchError: a degree is negative.
    """
    total, cells = torch.zeros(1, dtype=torch.float64), 0
    for rows in parts():
        total = total + rows.sum(0)
        cells += len(rows)
    gram = torch.zeros(len(total), len(total), dtype=torch.float64)
    for rows in parts():
        scaled = rows * degrees_of(rows, total).rsqrt()[:, None]
        gram += scaled.T @ scaled
    values, vectors = torch.linalg.eigh(gram)
    floor = float(values[-1].clamp(min=0)) * len(values) * torch.finfo(values.dtype).eps
    kept = min(dimensions, int((values > floor).sum()))
    values, vectors = values.flip(0)[:kept], vectors.flip(1)[:, :kept]
    return JointSpectrum(total, cells, values, vectors * values.rsqrt())


def degrees_of(
    rows: Float64[Tensor, "cells d"], total: Float64[Tensor, "d"]
) -> Float64[Tensor, "cells"]:
    """Degrees of cells, infinite where they are zero: such a cell has no affinity to any.

    Raises:
        WorkbenchError: a degree is negative.
    """
    degrees: Tensor = rows @ total
    if float(degrees.min()) < 0:
        raise WorkbenchError(
            "nonnegative degrees, as normalized cuts ask for",
            f"{float(degrees.min()):.3g}",
            'choose affinity="cosine"',
        )
    return degrees.where(degrees > 0, torch.inf)


class AcrossImages:
    """Normalized cut of all kept images of a probe at a layer.

    Args:
        probe: record of a network.
        layer: name of the layer.
        affinity: kind of the cells' affinity, see `affinities`.
        dimensions: number of eigenvectors, the constant first one included.
        progress: show a bar over the images.

    Attributes:
        spectrum: spectrum of the affinity of all cells.

    Raises:
        WorkbenchError: no features are kept, or a degree is negative.
    """

    def __init__(
        self,
        probe: Probe,
        layer: str,
        affinity: Choice = "cosine",
        dimensions: int = 20,
        progress: bool = True,
    ) -> None:
        self.probe, self.layer, self.affinity = probe, layer, affinity
        self.images = probe.images
        if not self.images:
            raise WorkbenchError(
                f"kept features in {probe.path}", "none", "probe with a larger keep=…"
            )
        self._map = self._factor_map()
        self.spectrum = joint_spectrum(lambda: self._each(progress), dimensions)

    @property
    def values(self) -> Float64[Tensor, "count"]:
        """Eigenvalues of D^-½WD^-½, descending."""
        return self.spectrum.values

    @property
    def cells(self) -> int:
        """Number of cells of all images together."""
        return self.spectrum.cells

    def embedding(self, image: str) -> Float[np.ndarray, "count rows columns"]:
        """Generalised eigenvectors D^-½U of an image's cells, of unit mean square over all cells.

        The first one is constant.
        """
        rows, shape = self._rows(image)
        maps: Tensor = self.spectrum.vectors(rows).T.unflatten(1, shape)
        return maps.float().numpy()

    def segments(self, count: int, seed: int = 0) -> dict[str, Int[np.ndarray, "height width"]]:
        """Label map of every image at full size; equal labels mean the same on all images.

        Args:
            count: number of clusters over all images together.
            seed: seed of k-means.
        """
        return {image: self.labels(image, count, seed) for image in self.images}

    def labels(self, image: str, count: int, seed: int = 0) -> Int[np.ndarray, "height width"]:
        """Label map of one image, see `segments`; labels 0 … count − 1."""
        centres = self._centres(count, seed)
        maps = torch.from_numpy(self.embedding(image))
        height, width = self.probe.image(image).shape[:2]
        fine = self._grid(image).interpolate(maps, height, width)
        points = unit_rows(fine.flatten(1).T, centres.shape[1])
        found = nearest(points[:, : centres.shape[1]], centres).unflatten(0, (height, width))
        return np.asarray(found.numpy(), np.int32)

    def row(self, image: str, pixel: tuple[int, int], other: str) -> Float[np.ndarray, "h w"]:
        """Affinity of every cell of another image to the cell under a pixel: (rows, columns)."""
        own = self._cell(image, pixel)
        rows, shape = self._rows(other)
        values: Tensor = (rows @ own).unflatten(0, shape)
        return values.float().numpy()

    def nearest(self, image: str, pixel: tuple[int, int], count: int = 8) -> list[Nearest]:
        """The most similar cell of each other image, best images first.

        Args:
            image: id of the image.
            pixel: (y, x) in it.
            count: number of images.
        """
        found = []
        for other in self.images:
            if other != image:
                values = self.row(image, pixel, other)
                i, j = np.unravel_index(int(values.argmax()), values.shape)
                grid = self._grid(other)
                place = (round(grid.offset + grid.stride * i), round(grid.offset + grid.stride * j))
                found.append(Nearest(other, place, float(values[i, j])))
        return sorted(found, key=lambda each: -each.affinity)[:count]

    def colours(self, image: str) -> np.ndarray:
        """Second to fourth eigenvector as red, green and blue, on one scale for all images.

        Returns:
            (height, width, 3) uint8.
        """
        height, width = self.probe.image(image).shape[:2]
        maps = torch.from_numpy(self.embedding(image)[1:4])
        if len(maps) < 3:
            maps = torch.cat([maps, maps.new_zeros(3 - len(maps), *maps.shape[1:])])
        fine = self._grid(image).interpolate(maps, height, width).numpy()
        low, high = self._range
        scaled = (fine - low[:, None, None]) / np.maximum(high - low, 1e-12)[:, None, None]
        return np.asarray((scaled.clip(0, 1) * 255).round().transpose(1, 2, 0), np.uint8)

    @cached_property
    def _range(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last percentile of the three eigenvectors over a sample of all cells."""
        points = self._sample[0].numpy()
        three = np.zeros((len(points), 3), np.float32)
        three[:, : min(3, points.shape[1] - 1)] = points[:, 1:4]
        return np.percentile(three, 1, axis=0), np.percentile(three, 99, axis=0)

    @cached_property
    def _sample(self) -> tuple[Tensor, Tensor]:
        """Embedding and degrees of evenly spread cells of all images."""
        every = max(1, -(-self.cells // SAMPLE))
        points, weights = [], []
        for image in self.images:
            rows, _ = self._rows(image)
            degrees = self.spectrum.degrees(rows)
            flat = torch.from_numpy(self.embedding(image)).flatten(1).T
            points.append(flat[::every])
            weights.append(degrees[::every].float())
        return torch.cat(points), torch.cat(weights)

    def _centres(self, count: int, seed: int) -> Float[Tensor, "count dimensions"]:
        if not 2 <= count <= len(self.values):
            raise WorkbenchError(
                f"2 to {len(self.values)} clusters, as there are eigenvectors", f"{count}",
                "ask for another number, or make more: AcrossImages(…, dimensions=…)",
            )  # fmt: skip
        if (count, seed) not in self._found:
            points, weights = self._sample
            units = unit_rows(points, count)
            (clustering,) = nested_kmeans(
                units, weights, (count,), dimensions=[count], restarts=8, seed=seed
            )
            self._found[count, seed] = clustering.centres
        return self._found[count, seed]

    @cached_property
    def _found(self) -> dict[tuple[int, int], Tensor]:
        return {}

    def _factor_map(self) -> FactorMap:
        if self.affinity != "exponential":
            return factor_map(self.affinity, torch.zeros(1, 1))
        parts = []
        for image in self.images:
            values, _ = self._values(image)
            parts.append(values[:: max(1, len(values) // _LANDMARK_CELLS)])
        return factor_map(self.affinity, torch.cat(parts))

    def _values(self, image: str) -> tuple[Tensor, tuple[int, int]]:
        maps = torch.from_numpy(self.probe.features(image, self.layer))
        return maps.flatten(1).T, (maps.shape[1], maps.shape[2])

    def _rows(self, image: str) -> tuple[Float64[Tensor, "cells d"], tuple[int, int]]:
        values, shape = self._values(image)
        return self._map(values).double(), shape

    def _cell(self, image: str, pixel: tuple[int, int]) -> Float64[Tensor, "d"]:
        rows, shape = self._rows(image)
        grid = self._grid(image)
        i, j = (
            min(max(round((at - grid.offset) / grid.stride), 0), count - 1)
            for at, count in zip(pixel, shape, strict=True)
        )
        found: Tensor = rows[i * shape[1] + j]
        return found

    def _grid(self, image: str) -> Grid:
        return self.probe.grid(image, self.layer)

    def _each(self, progress: bool) -> Iterator[Tensor]:
        for image in tqdm(self.images, desc=self.layer, unit="image", disable=not progress):
            yield self._rows(image)[0]
