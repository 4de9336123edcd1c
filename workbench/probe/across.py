"""Normalized cut of all images of a probe together: a colour means the same on every photograph.

The cells of all images are the pixels of one affinity W = XXᵀ with d factors. Its degrees need the
sum of the rows of X, its spectrum the d×d matrix G = Σ xᵢxᵢᵀ/δᵢ: two passes over the kept features
and one eigenproblem of d×d, exact for any number of cells. (Methods that sample cells, as Nyström's
in ncut_pytorch, approximate the same vectors.) An image's part of an eigenvector follows from its
own features.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.probe.affinities import Choice, Exponential, FactorMap, factor_map
from workbench.probe.result import Probe
from workbench.segmentation import Grid
from workbench.segmentation.clustering import nearest, nested_kmeans
from workbench.segmentation.spectral import unit_rows

SAMPLE = 50_000
"""Largest number of cells that are clustered, evenly spread over all images."""
_LANDMARK_CELLS = 64
"""Largest number of cells of an image among which landmarks are drawn."""
_STEP = 0.2
"""Seconds that `AcrossImages.advance` works."""
MEMORY = 2 << 30
"""Bytes of factors that are kept in memory; those of further images are read again when asked."""


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
    steps = spectrum_in_steps(parts, dimensions)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: JointSpectrum = end.value
            return found


def spectrum_in_steps(
    parts: Callable[[], Iterable[Tensor]], dimensions: int
) -> Generator[None, None, JointSpectrum]:
    """Spectrum as `joint_spectrum` finds it, with a stop after each part of each pass."""
    total, cells = torch.zeros(1, dtype=torch.float64), 0
    for rows in parts():
        total = total + rows.sum(0)
        cells += len(rows)
        yield
    gram = torch.zeros(len(total), len(total), dtype=torch.float64)
    for rows in parts():
        scaled = rows * degrees_of(rows, total).rsqrt()[:, None]
        gram += scaled.T @ scaled
        yield
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


@dataclass(frozen=True)
class _Cells:
    """Factors of an image's cells, float32, and where the cells lie.

    Attributes:
        rows: (cells, d), cells row-major.
        shape: rows and columns of the cells.
        grid: places of the cells in the image.
        image: height and width of the image, pixels.
    """

    rows: Float[Tensor, "cells d"]
    shape: tuple[int, int]
    grid: Grid
    image: tuple[int, int]

    def number(self, pixel: tuple[int, int]) -> int:
        """Number of the cell whose centre is nearest to a pixel."""
        i, j = (
            min(max(round((at - self.grid.offset) / self.grid.stride), 0), count - 1)
            for at, count in zip(pixel, self.shape, strict=True)
        )
        return i * self.shape[1] + j

    def pixel(self, number: int) -> tuple[int, int]:
        """Pixel (y, x) at the centre of a cell, inside the image."""
        places = divmod(number, self.shape[1])
        y, x = (
            min(max(round(self.grid.offset + self.grid.stride * place), 0), side - 1)
            for place, side in zip(places, self.image, strict=True)
        )
        return y, x

    def over(
        self, maps: Float[Tensor, "maps rows columns"], size: tuple[int, int] | None
    ) -> Float[Tensor, "maps height width"]:
        """Maps of cells over the image, at its own size or at another one of its aspect."""
        height, width = size or self.image
        factor = max(self.image) / max(height, width)
        return self.grid.shrunk(factor).interpolate(maps, height, width)


class AcrossImages:
    """Normalized cut of all kept images of a probe at a layer.

    Args:
        probe: record of a network.
        layer: name of the layer.
        affinity: kind of the cells' affinity, see `affinities`.
        dimensions: number of eigenvectors, the constant first one included.
        progress: show a bar over the images.
        wait: compute the cut now; False: little by little, by calls of `advance`.
        memory: bytes of factors that are kept in memory, see `MEMORY`.

    Attributes:
        images: ids of the images.
        spectrum: spectrum of the affinity of all cells, once it is computed.
        errors: largest and root-mean-square error of entries of W on random pairs; 0 where exact.
        negative: whether a factor of the linear affinity is negative, see `affinities.NEGATIVE`.

    Raises:
        WorkbenchError: no features are kept, or a degree is negative.
    """

    spectrum: JointSpectrum

    def __init__(
        self,
        probe: Probe,
        layer: str,
        affinity: Choice = "cosine",
        dimensions: int = 20,
        progress: bool = True,
        wait: bool = True,
        memory: int = MEMORY,
    ) -> None:
        self.probe, self.layer, self.affinity = probe, layer, affinity
        self.images = probe.images
        if not self.images:
            raise WorkbenchError(
                f"kept features in {probe.path}", "none", "probe with a larger keep=…"
            )
        self.errors, self.negative = (0.0, 0.0), False
        self._memory, self._kept = memory, dict[str, _Cells]()
        self._map: FactorMap | None = None
        self._steps, self._done = self._cut(dimensions), 0
        if wait:
            passes = len(self.images) * self._passes
            for _ in tqdm(self._steps, layer, passes, unit="image", disable=not progress):
                self._done += 1

    @property
    def share(self) -> float:
        """Share of the work on the cut that is done, 0 to 1."""
        return self._done / (len(self.images) * self._passes)

    def advance(self) -> bool:
        """Work on the cut for a fraction of a second; whether some work is left.

        Raises:
            WorkbenchError: a degree is negative.
        """
        until = time.monotonic() + _STEP
        for _ in self._steps:
            self._done += 1
            if time.monotonic() > until:
                return True
        return False

    def forget(self) -> None:
        """Free the memory of all factors; they are read again when they are asked for."""
        self._kept.clear()

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
        return self._embedded(self._cells(image)).numpy()

    def segments(self, count: int, seed: int = 0) -> dict[str, Int[np.ndarray, "height width"]]:
        """Label map of every image at full size; equal labels mean the same on all images.

        Args:
            count: number of clusters over all images together.
            seed: seed of k-means.
        """
        return {image: self.labels(image, count, seed) for image in self.images}

    def labels(
        self, image: str, count: int, seed: int = 0, size: tuple[int, int] | None = None
    ) -> Int[np.ndarray, "height width"]:
        """Label map of one image, see `segments`; labels 0 … count − 1.

        Args:
            image: id of the image.
            count: number of clusters over all images together.
            seed: seed of k-means.
            size: height and width of the map; None: those of the image.
        """
        centres, cells = self._centres(count, seed), self._cells(image)
        used = centres.shape[1]
        fine = cells.over(self._embedded(cells)[:used], size)
        found = nearest(unit_rows(fine.flatten(1).T, used), centres)
        return np.asarray(found.unflatten(0, (fine.shape[1], fine.shape[2])).numpy(), np.int32)

    def row(self, image: str, pixel: tuple[int, int], other: str) -> Float[np.ndarray, "h w"]:
        """Affinity of every cell of another image to the cell under a pixel: (rows, columns)."""
        return self._row(self._own(image, pixel), other)

    def rows(
        self, image: str, pixel: tuple[int, int]
    ) -> dict[str, Float[np.ndarray, "rows columns"]]:
        """Affinity of every cell of every image to the cell under a pixel, by image."""
        own = self._own(image, pixel)
        return {other: self._row(own, other) for other in self.images}

    def nearest(self, image: str, pixel: tuple[int, int], count: int = 8) -> list[Nearest]:
        """The most similar cell of each other image, best images first.

        Args:
            image: id of the image.
            pixel: (y, x) in it.
            count: number of images.
        """
        others = self.rows(image, pixel)
        others.pop(image)
        return self.best(others)[:count]

    def best(self, rows: dict[str, Float[np.ndarray, "rows columns"]]) -> list[Nearest]:
        """The cell of the highest affinity of each image, best images first; see `rows`."""
        found = [
            Nearest(other, self._cells(other).pixel(int(each.argmax())), float(each.max()))
            for other, each in rows.items()
        ]
        return sorted(found, key=lambda each: -each.affinity)

    def over_image(
        self,
        image: str,
        values: Float[np.ndarray, "rows columns"],
        size: tuple[int, int] | None = None,
    ) -> Float[np.ndarray, "height width"]:
        """Values of an image's cells, interpolated to its pixels, or to another size."""
        return self._cells(image).over(torch.from_numpy(values)[None], size)[0].numpy()

    def colours(self, image: str, size: tuple[int, int] | None = None) -> np.ndarray:
        """Second to fourth eigenvector as red, green and blue, on one scale for all images.

        Args:
            image: id of the image.
            size: height and width of the result; None: those of the image.

        Returns:
            (height, width, 3) uint8.
        """
        cells = self._cells(image)
        maps = self._embedded(cells)[1:4]
        if len(maps) < 3:
            maps = torch.cat([maps, maps.new_zeros(3 - len(maps), *maps.shape[1:])])
        fine = cells.over(maps, size).numpy()
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
            rows = self._cells(image).rows[::every].double()
            points.append(self.spectrum.vectors(rows).float())
            weights.append(self.spectrum.degrees(rows).float())
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

    @property
    def _passes(self) -> int:
        """Number of times that all images are read for the cut."""
        return 3 if self.affinity == "exponential" else 2

    def _cut(self, dimensions: int) -> Iterator[None]:
        """Compute the spectrum, with a stop after each image of each pass."""
        sample = [torch.zeros(1, 1)]
        if self.affinity == "exponential":
            sample = []
            for image in self.images:
                values = self._maps(image).flatten(1).T
                sample.append(values[:: max(1, len(values) // _LANDMARK_CELLS)])
                yield
        self._map = factor_map(self.affinity, torch.cat(sample))
        if isinstance(self._map, Exponential):
            self.errors = self._map.errors(torch.cat(sample))
        self.spectrum = yield from spectrum_in_steps(self._each, dimensions)

    def _each(self) -> Iterator[Float64[Tensor, "cells d"]]:
        for image in self.images:
            rows = self._cells(image).rows
            self.negative |= self.affinity == "linear" and bool((rows < 0).any())
            yield rows.double()

    def _maps(self, image: str) -> Float[Tensor, "channels rows columns"]:
        return torch.from_numpy(self.probe.features(image, self.layer))

    def _cells(self, image: str) -> _Cells:
        if image in self._kept:
            return self._kept[image]
        assert self._map is not None, "the cut has not begun: call advance"
        height, width = self.probe.image(image).shape[:2]
        _, rows, columns = (maps := self._maps(image)).shape
        found = _Cells(
            self._map(maps.flatten(1).T),
            (rows, columns),
            self.probe.grid(image, self.layer),
            (height, width),
        )
        held = sum(each.rows.nbytes for each in self._kept.values())
        if held + found.rows.nbytes <= self._memory:
            self._kept[image] = found
        return found

    def _embedded(self, cells: _Cells) -> Float[Tensor, "count rows columns"]:
        maps: Tensor = self.spectrum.vectors(cells.rows.double()).T.unflatten(1, cells.shape)
        return maps.float()

    def _own(self, image: str, pixel: tuple[int, int]) -> Float[Tensor, "d"]:
        cells = self._cells(image)
        found: Tensor = cells.rows[cells.number(pixel)]
        return found

    def _row(self, own: Float[Tensor, "d"], other: str) -> Float[np.ndarray, "rows columns"]:
        cells = self._cells(other)
        values: Tensor = (cells.rows @ own).unflatten(0, cells.shape)
        return values.numpy()
