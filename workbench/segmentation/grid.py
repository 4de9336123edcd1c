"""Grid of the cells of a feature map in the image, and maps between cells and pixels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import grid_sample


@dataclass(frozen=True)
class Grid:
    """Lattice of cells: cell (i, j) is centred at pixel (offset + i·stride, offset + j·stride).

    Pixel centres are integers. Padding and strides of a network shift its cells: at AlexNet's
    ReLU-5 they lie seven pixels off the centres of an even division of the image.
    """

    stride: float
    offset: float

    def shrunk(self, factor: float) -> "Grid":
        """Grid of the same cells in pixels of the image before it was enlarged by `factor`."""
        return Grid(self.stride / factor, (self.offset + 0.5) / factor - 0.5)

    def halved(self) -> "Grid":
        """Lattice of 2×2 cells, from the first one on."""
        return Grid(2 * self.stride, self.offset + self.stride / 2)

    def centres(self, count: int, device: torch.device | None = None) -> Float[Tensor, "count"]:
        """Pixel coordinates of a row or column of cells, float64."""
        cells = torch.arange(count, dtype=torch.float64, device=device)
        return self.offset + self.stride * cells

    def sample_labels(
        self, labels: Int[Tensor, "annotators height width"], rows: int, columns: int
    ) -> Int[Tensor, "annotators pixels"]:
        """Label under the centre of each cell, cells in row-major order."""
        height, width = labels.shape[1:]
        y = self.centres(rows, labels.device).round().long().clamp(0, height - 1)
        x = self.centres(columns, labels.device).round().long().clamp(0, width - 1)
        return labels[:, y[:, None], x].flatten(1)

    def interpolate(
        self, maps: Float[Tensor, "channels rows columns"], height: int, width: int, step: int = 1
    ) -> Float[Tensor, "channels fine_rows fine_columns"]:
        """Bilinear values at the centres of step×step blocks of pixels; constant beyond the edge.

        The result has ceil(height/step) × ceil(width/step) values, on `Grid.of_step(step)`.
        """
        rows, columns = maps.shape[1:]
        fine = Grid.of_step(step)
        y = (fine.centres(-(-height // step), maps.device) - self.offset) / self.stride
        x = (fine.centres(-(-width // step), maps.device) - self.offset) / self.stride
        y, x = (2 * y + 1) / rows - 1, (2 * x + 1) / columns - 1  # grid_sample's [-1, 1]
        where = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)
        fine_maps: Tensor = grid_sample(
            maps[None], where[None].to(maps.dtype), padding_mode="border", align_corners=False
        )
        return fine_maps[0]

    @classmethod
    def of_step(cls, step: int) -> "Grid":
        """Grid of the centres of step×step blocks of pixels."""
        return cls(float(step), (step - 1) / 2)
