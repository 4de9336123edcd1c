"""Human segmentations as one-hot matrices E that are never formed: products are segment sums."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.gram import pixel_chunks, rows


def check_labels(labels: Tensor) -> None:
    """Refuse label maps that say nothing.

    Raises:
        WorkbenchError: there is no annotator or no pixel, or the labels are not integers.
    """
    if labels.is_floating_point() or labels.is_complex():
        raise WorkbenchError("labels as integers", f"{labels.dtype}", "convert them with .long()")
    if labels.numel() == 0:
        raise WorkbenchError(
            "labels of at least one pixel, by at least one annotator",
            f"labels of shape {tuple(labels.shape)}",
            "leave images whose mask is empty, and images without annotators, out",
        )


@dataclass(frozen=True)
class Assignment:
    """Human segmentations of the same pixels: their one-hot matrices E, side by side.

    Attributes:
        columns: (annotators, pixels) int64, for each pixel the column that holds its one. Different
            annotators have different columns; no column is empty.
        segments: number of columns, over all annotators.
    """

    columns: Int[Tensor, "annotators pixels"]
    segments: int

    @classmethod
    def of(cls, labels: Int[Tensor, "*annotators pixels"]) -> "Assignment":
        """Assignment from label maps of any values, (pixels,) or (annotators, pixels).

        Raises:
            WorkbenchError: there is no annotator or no pixel, or the labels are not integers.
        """
        check_labels(labels)
        rows, offset = [], 0
        for row in torch.atleast_2d(labels):
            names, column = torch.unique(row, return_inverse=True)
            rows.append(column + offset)
            offset += len(names)
        return cls(torch.stack(rows), offset)

    @property
    def annotators(self) -> int:
        """Number of segmentations."""
        return len(self.columns)

    def volumes(self, delta: Float64[Tensor, "pixels"] | None) -> Float64[Tensor, "segments 1"]:
        """Volumes Eᵀδ as a column; without δ, the number of pixels of each segment."""
        if delta is not None:
            return self.gather(delta[:, None])
        counts = torch.bincount(self.columns.flatten(), minlength=self.segments)
        return counts.double()[:, None]

    def gather(self, x: Float[Tensor, "pixels features"]) -> Float64[Tensor, "segments features"]:
        """Product EᵀX, summed in float64; differentiable, preferably with X in float64."""
        total = x.new_zeros(self.segments, x.shape[1], dtype=torch.float64)
        for part in pixel_chunks(x):
            for column in self.columns:
                total = total.index_add(0, column[part], rows(x, part).double())
        return total

    def add_chunk(
        self,
        total: Float64[Tensor, "segments features"],
        part: slice,
        block: Float64[Tensor, "chunk features"],
    ) -> None:
        """Add a chunk's part of EᵀX to the total, in place."""
        for column in self.columns:
            total.index_add_(0, column[part], block)

    def scatter(
        self, values: Float64[Tensor, "segments features"], part: slice = slice(None)
    ) -> Float64[Tensor, "chunk features"]:
        """Product E · values for a chunk of the pixels: for each the sum of its segments' rows."""
        total = values[self.columns[0, part]]
        for column in self.columns[1:, part]:
            total = total + values[column]
        return total
