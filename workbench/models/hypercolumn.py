"""Several taps of a backbone fused into one fine grid: the factors of the affinity, and contours.

Hypercolumns (Hariharan, Arbelaez, Girshick, Malik, CVPR 2015) put every cell's responses at all
depths side by side: early layers know where a contour runs, late ones whether it matters. Each tap
is scaled to unit energy, projected by a 1×1 convolution and brought to blocks of 2×2 pixels. Two
branches follow: contour strength there, as side outputs of holistically-nested edge detection (Xie
and Tu, ICCV 2015) but fused before the decision, and the factors X of the affinity at blocks of
4×4, which the factored form of normalized cuts makes affordable.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, relu

from workbench.segmentation.grid import Grid

CONTOUR_STEP, FACTOR_STEP = 2, 4
"""Sides of the blocks of pixels at which contours and factors are given."""
WIDEST_PROJECTION, NARROWEST_PROJECTION = 40, 8


class HypercolumnHead(nn.Module):
    """Head from the maps of several taps to nonnegative factors and contour logits.

    Args:
        channels: number of channels of each tap.
        grids: grid of each tap after `coarsened`, in the image's pixels.
        hidden: channels of the fused maps.
        features: d, channels of the factors.
        dropout: probability that a whole channel is left out, after fusion.
        contour: whether there is a contour branch.
    """

    def __init__(
        self,
        channels: Sequence[int],
        grids: Sequence[Grid],
        *,
        hidden: int,
        features: int,
        dropout: float,
        contour: bool,
    ) -> None:
        super().__init__()
        widths = [min(max(c // 8, NARROWEST_PROJECTION), WIDEST_PROJECTION) for c in channels]
        column = sum(widths)
        self.grids = tuple(grids)
        self.projections = nn.ModuleList(
            nn.Conv2d(c, width, 1) for c, width in zip(channels, widths, strict=True)
        )
        self.fusion = nn.Sequential(
            nn.Conv2d(column, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
        )
        self.context = nn.Conv2d(hidden + column, hidden, 3, padding=2, dilation=2)
        self.factors = nn.Conv2d(hidden, features, 3, padding=1)
        self.dropout = nn.Dropout2d(dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(torch.as_tensor(module.bias))
        self.contour = nn.Conv2d(hidden, 1, 1) if contour else None
        if self.contour is not None:
            nn.init.zeros_(self.contour.weight)
            # About one block in nine lies on somebody's contour.
            nn.init.constant_(torch.as_tensor(self.contour.bias), -2.0)

    def forward(
        self, taps: Sequence[Float[Tensor, "_ _ _"]], size: tuple[int, int]
    ) -> tuple[
        Float[Tensor, "features rows columns"], Float[Tensor, "fine_rows fine_columns"] | None
    ]:
        """Factors and contour logits of one image.

        Args:
            taps: the backbone's maps, `coarsened`.
            size: height and width of the image, pixels.
        """
        parts = [
            self._on_fine_grid(maps, grid, projection, size)
            for maps, grid, projection in zip(taps, self.grids, self.projections, strict=True)
        ]
        column = self.dropout(torch.cat(parts)[None])
        fused = self.fusion(column)
        coarse = _halve(torch.cat([fused, column], dim=1))
        context = self.dropout(relu(self.context(coarse)))
        contour = None if self.contour is None else self.contour(fused)[0, 0]
        return relu(self.factors(context))[0], contour

    def _on_fine_grid(
        self,
        maps: Float[Tensor, "channels rows columns"],
        grid: Grid,
        projection: nn.Module,
        size: tuple[int, int],
    ) -> Float[Tensor, "width fine_rows fine_columns"]:
        maps = maps.float()
        energy = maps.square().mean().clamp(min=1e-12)
        maps = relu(projection((maps * energy.rsqrt())[None]))[0]
        return grid.interpolate(maps, *size, step=CONTOUR_STEP)


def coarsened(maps: Float[Tensor, "channels _ _"], grid: Grid) -> Float[Tensor, "channels _ _"]:
    """Maps no finer than the contours: means over cells where several lie in a block."""
    while grid.stride * 2 <= CONTOUR_STEP:
        maps, grid = _halve(maps[None])[0], grid.halved()
    return maps


def coarsened_grid(grid: Grid) -> Grid:
    """Grid of the cells of `coarsened` maps."""
    while grid.stride * 2 <= CONTOUR_STEP:
        grid = grid.halved()
    return grid


def _halve(maps: Float[Tensor, "1 channels _ _"]) -> Float[Tensor, "1 channels _ _"]:
    """Means of 2×2 cells; an odd row or column keeps its own cells."""
    return avg_pool2d(maps, 2, ceil_mode=True)
