"""Free-form regions on the grid of a feature map: the cells that belong to the object.

A cell's block is the pixels around its centre, as wide as the stride; the blocks at the edge of the
map include everything beyond it, so that every pixel of the image belongs to a cell.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from workbench.segmentation.grid import Grid


def cells_inside(
    masks: Bool[Tensor, "batch height width"], grid: Grid, rows: int, columns: int
) -> Bool[Tensor, "batch rows columns"]:
    """Cells of whose block a mask covers at least half.

    A mask too thin for that has the one cell in which most of it lies (the first, at a tie); an
    empty mask has none.

    Args:
        masks: masks in the image's pixels.
        grid: grid of the map, see `Backbone.grids`.
        rows: number of rows of the map.
        columns: number of columns of the map.
    """
    covered = coverage(masks, grid, rows, columns)
    whole = coverage(torch.ones_like(masks[:1]), grid, rows, columns)
    inside = (covered >= 0.5 * whole) & (covered > 0)  # a block may lie beyond the image
    most = covered.flatten(1)
    fallback = torch.zeros_like(most, dtype=torch.bool)
    fallback.scatter_(1, most.argmax(1, keepdim=True), True)
    fallback &= (most > 0) & ~inside.flatten(1).any(1, keepdim=True)
    return inside | fallback.view_as(inside)


def coverage(
    masks: Bool[Tensor, "batch height width"], grid: Grid, rows: int, columns: int
) -> Float[Tensor, "batch rows columns"]:
    """Number of a mask's pixels in each cell's block; pixels on its edge count in part."""
    height, width = masks.shape[1:]
    down = _overlaps(grid, rows, height, masks.device)
    across = _overlaps(grid, columns, width, masks.device)
    return down @ masks.float() @ across.mT


def _overlaps(
    grid: Grid, cells: int, pixels: int, device: torch.device
) -> Float[Tensor, "cells pixels"]:
    """Part of each pixel that lies in each cell's interval."""
    edges = grid.centres(cells + 1, device) - grid.stride / 2
    edges[0], edges[-1] = edges[0].clamp(max=-0.5), edges[-1].clamp(min=pixels - 0.5)
    left = torch.arange(pixels, dtype=torch.float64, device=device) - 0.5
    start, stop = edges[:-1, None], edges[1:, None]
    common = torch.minimum(stop, left + 1) - torch.maximum(start, left)
    return common.clamp(min=0).float()
