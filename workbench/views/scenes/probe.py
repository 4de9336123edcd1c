"""Rows of a snapshot's affinity for any pixel, fast enough to answer clicks.

Everything that does not depend on the pixel is computed once: the degrees, D^-½, the position of
every cell. A row of W is then one product of X with one vector, O(md), a row of M = D^-½WD^-½ the
same row weighted, and no m×m matrix is ever formed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.linalg.outcomes import rsqrt
from workbench.views.paint import LabelMap

Pixel = tuple[int, int]
"""Position (y, x) in the image."""

_COARSE = 2
"""Side of the blocks of pixels on which rows are drawn, where cells are not finer."""


class AffinityProbe:
    """Rows of W and of M of one snapshot, as maps over its image.

    Args:
        snapshot: of a scene, see `evaluation.scenes.snapshots`.

    Attributes:
        affinity: W by its factors.
        grid: positions of the feature map's cells in the image.
        shape: rows and columns of the feature map.
        image: height and width of the image, pixels.
        step: side of the blocks of pixels on which maps are given.

    Raises:
        WorkbenchError: the snapshot's factors are not finite.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        found = snapshot.prediction
        self.affinity, self.grid = found.affinity, found.grid
        self.shape, self.image = found.shape, found.image
        self.step = _COARSE if self.grid.stride >= _COARSE else 1
        degrees = self.affinity.degrees
        if not bool(torch.isfinite(degrees).all()):
            raise WorkbenchError(
                "finite features in the snapshot",
                "NaN or Inf in the degrees of the affinity",
                "look at an earlier step: the training has diverged before this one",
            )
        self._scale = rsqrt(degrees).float()  # D^-½, zero where all features are zero

    @property
    def dead(self) -> bool:
        """Whether no pixel has any affinity: all features are zero."""
        return not bool((self._scale > 0).any())

    def cell(self, pixel: Pixel) -> int:
        """Number of the cell whose centre is nearest to a pixel."""
        i, j = (
            min(max(round((at - self.grid.offset) / self.grid.stride), 0), count - 1)
            for at, count in zip(pixel, self.shape, strict=True)
        )
        return i * self.shape[1] + j

    def rows(
        self, cells: Int[np.ndarray, "rows"], normalized: bool = True
    ) -> Float[np.ndarray, "rows cells"]:
        """Rows of M, or of W, between cells; zero where the degree is zero.

        Args:
            cells: numbers of cells, row-major.
            normalized: False: rows of W.
        """
        index = torch.from_numpy(cells)
        values = self.affinity.rows(index)
        if normalized:
            values = self._scale[index, None] * values * self._scale
        return values.float().numpy()

    def over_image(
        self, pixels: Sequence[Pixel], normalized: bool = True
    ) -> Float[np.ndarray, "pixels fine_rows fine_columns"]:
        """Maps of the pixels' rows of M, or of W, on blocks of `step` pixels.

        Args:
            pixels: (y, x); each is replaced by its nearest cell.
            normalized: False: rows of W.
        """
        cells = np.array([self.cell(pixel) for pixel in pixels], np.int64)
        values = torch.from_numpy(self.rows(cells, normalized)).unflatten(1, self.shape)
        if not len(values):  # grid_sample wants at least one channel
            values = values.new_zeros(1, *self.shape)
        fine = self.grid.interpolate(values, *self.image, self.step)
        return fine[: len(pixels)].numpy()

    def labels(self, labels: LabelMap) -> Int[np.ndarray, "cells"]:
        """Label of each cell, out of a label map of the image."""
        found = torch.from_numpy(labels.astype(np.int64))
        return self.grid.sample_labels(found[None], *self.shape)[0].numpy()
