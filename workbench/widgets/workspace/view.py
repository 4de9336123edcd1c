"""Maps, cuts and spectrum of one image at one step, computed at first use."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from workbench.evaluation.scenes.recut import Labels, Recut
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.segmentation import Grid
from workbench.views.paint import LabelMap, boundary_layer, mean_colours
from workbench.views.scenes.affinity import interior_pixels
from workbench.views.scenes.history import SpectrumAt, spectrum_of
from workbench.views.scenes.probe import AffinityProbe, Pixel
from workbench.views.scenes.segments import typical_annotator
from workbench.views.scenes.spectrum import sign_fixed
from workbench.widgets.explorers.sources import SceneSnapshots
from workbench.widgets.workspace.state import FLAT, POOL, THRESHOLD, TYPICAL, State

_STEP = 2
"""Side of the blocks of pixels on which eigenvectors are drawn."""


class View:
    """Content of a workspace: an image of a run at one step, or of a probe at one layer.

    Args:
        source: snapshots of the run.
        image: name of the image.
        step: step, or number of the layer.

    Attributes:
        snapshot: snapshot of the image.
        title: image and step in words.
        where: step in words.
        note: note on the affinity; empty where it is the network's own.

    Raises:
        WorkbenchError: the snapshot cannot be read, or its factors are not finite.
    """

    def __init__(self, source: SceneSnapshots, image: str, step: int) -> None:
        self.step = step
        self.snapshot: Snapshot = source.load(image, step)
        self.title, self.note = source.title(image, step), source.note(image, step)
        self.where = source.where(step)
        self.probe = AffinityProbe(self.snapshot)
        self.recut = Recut(self.snapshot)
        self.labels = lru_cache(maxsize=16)(self._labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        height, width = self.snapshot.image.shape[:2]
        return height, width

    def contains(self, pixel: Sequence[int]) -> bool:
        """Whether a pixel (y, x) lies in the image."""
        return all(0 <= at < side for at, side in zip(pixel, self.size, strict=True))

    def centres(self, cells: Int[np.ndarray, "cells"]) -> Int[np.ndarray, "cells 2"]:
        """Pixels (y, x) at the centres of cells, inside of the image.

        Args:
            cells: numbers of the cells, row-major.
        """
        grid = self.probe.grid
        rows = np.stack(np.divmod(cells, self.probe.shape[1]), axis=1)
        places = (rows * grid.stride + grid.offset).round().astype(np.int64)
        return np.clip(places, 0, np.array(self.size) - 1)

    def first_pixel(self) -> Pixel:
        """Innermost pixel of an annotator's largest segment; the centre without annotators."""
        if len(self.snapshot.truths):
            return interior_pixels(typical_annotator(self.snapshot.truths), 1)[0]
        return self.size[0] // 2, self.size[1] // 2

    @cached_property
    def spectrum(self) -> SpectrumAt:
        """Complete spectrum of the affinity."""
        return spectrum_of(self.step, self.snapshot.prediction.affinity)

    @property
    def eigenvectors(self) -> int:
        """Number of eigenvectors that the snapshot holds."""
        return len(self.snapshot.eigenvectors)

    def eigenvector(self, number: int) -> Float[np.ndarray, "rows columns"]:
        """Generalised eigenvector on blocks of two pixels, its largest values positive.

        Args:
            number: number of the eigenvalue, from 1.
        """
        blocks = torch.from_numpy(self.snapshot.eigenvectors[number - 1 : number])
        coarse = Grid.of_step(round(self.size[0] / blocks.shape[1]))
        return sign_fixed(coarse.interpolate(blocks, *self.size, _STEP)[0].numpy())

    def component(self, number: int, pixel: Pixel) -> float:
        """Component of an eigenvector at a pixel."""
        values = self.eigenvector(number)
        y, x = (min(at // _STEP, side - 1) for at, side in zip(pixel, values.shape, strict=True))
        return float(values[y, x])

    def cut(self, state: State) -> Labels:
        """Label map that the state asks for, at full size."""
        return self.labels(state.cut, state.k, state.threshold, state.seed, state.pooled)

    def _labels(self, cut: str, k: int, threshold: float, seed: int, pooled: int) -> Labels:
        pool = self.snapshot.segmentations
        if cut == POOL and len(pool):
            return np.asarray(pool[min(pooled, len(pool)) - 1])
        if cut == FLAT:
            return self.recut.flat(k, seed)
        return self.recut.at(threshold) if cut == THRESHOLD else self.recut.into(k)

    @property
    def highest(self) -> float:
        """Largest merge threshold of the hierarchy; 1 where nothing is merged."""
        if not len(self.recut.hierarchy.heights):
            return 1.0
        return max(round(float(self.recut.hierarchy.heights[-1]) * 1.01, 3), 0.01)

    def painted(self, labels: Labels) -> UInt8[np.ndarray, "height width 3"]:
        """Image with every segment in its mean colour."""
        return mean_colours(self.snapshot.image, labels)

    def coverings(self, labels: Labels) -> Float[np.ndarray, "annotators"]:
        """Coverings of the annotators by a label map."""
        return self.recut.coverings(labels)

    def truth(self, annotator: int) -> LabelMap | None:
        """Label map of an annotator, or of the typical one; None where there is none."""
        truths = self.snapshot.truths
        if 0 <= annotator < len(truths):
            return np.asarray(truths[annotator])
        return typical_annotator(truths) if annotator == TYPICAL and len(truths) else None

    def boundaries(self, labels: LabelMap) -> UInt8[np.ndarray, "fine_height fine_width 4"]:
        """RGBA layer of a label map's boundaries."""
        return boundary_layer(labels)
