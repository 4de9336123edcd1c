"""Features of one image at one layer: a row of numbers for each cell, and where the cells lie.

Outputs of a layer are (batch, channels, rows, columns) maps, (batch, tokens, features) tokens, or
(batch, features) vectors. Tokens become a map: their grid is given, or follows from the size of the
input; tokens beside the grid (class, registers) stand before it and are left out.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.errors import WorkbenchError

MOST_EXTRA = 16
"""Largest number of class and register tokens that is assumed where the grid is not given."""
_SQUARE = 0.02
"""Largest relative difference of a cell's sides where the grid of tokens is not given."""


@dataclass(frozen=True)
class TokenGrid:
    """Tokens of an image as a grid.

    Attributes:
        rows, columns: size of the grid.
        extra: number of tokens before it (class, registers), which are left out.
    """

    rows: int
    columns: int
    extra: int = 0


@dataclass(frozen=True)
class Arranged:
    """Output of a layer, cell by cell.

    Attributes:
        values: (batch, cells, channels), cells row-major.
        shape: rows and columns of the cells; (1, 1) of vectors.
        extra: number of tokens that were left out.
        maps: whether the output was maps.
    """

    values: Float[Tensor, "batch cells channels"]
    shape: tuple[int, int]
    extra: int = 0
    maps: bool = False


def arranged(
    output: Tensor,
    size: tuple[int, int],
    name: str,
    *,
    tokens: tuple[int, int] | None = None,
    patch: int | None = None,
    channels_last: bool = False,
) -> Arranged:
    """Cells of an output.

    Args:
        output: output of a layer.
        size: rows and columns of the input, pixels.
        name: name of the layer, for messages.
        tokens: rows and columns of the grid of tokens; None: it is found.
        patch: side of a token's patch, pixels, where the model says so.
        channels_last: maps are (batch, rows, columns, channels), as Swin has them.

    Raises:
        WorkbenchError: the output has another number of dimensions, or the tokens form no grid.
    """
    if output.dim() == 4:
        maps = output.movedim(3, 1) if channels_last else output
        return Arranged(maps.flatten(2).mT, (maps.shape[2], maps.shape[3]), maps=True)
    if output.dim() == 3:
        grid = token_grid(output.shape[1], size, name, given=tokens, patch=patch)
        return Arranged(output[:, grid.extra :], (grid.rows, grid.columns), grid.extra)
    if output.dim() == 2:
        return Arranged(output[:, None], (1, 1))
    raise WorkbenchError(
        "maps (batch, channels, rows, columns), tokens (batch, tokens, features) or vectors "
        f"(batch, features) from {name}",
        f"an output of {'×'.join(map(str, output.shape))}",
        "name another layer, or give output=lambda out: … that brings it into such a form",
    )


def token_grid(
    count: int,
    size: tuple[int, int],
    name: str,
    *,
    given: tuple[int, int] | None = None,
    patch: int | None = None,
) -> TokenGrid:
    """Grid of tokens over an image.

    A given grid or patch decides it, and the tokens beside the grid come first. Otherwise it is the
    grid of nearly square cells that leaves the fewest tokens out.

    Args:
        count: number of tokens.
        size: rows and columns of the input, pixels.
        name: name of the layer, for messages.
        given: rows and columns, where given.
        patch: side of a token's patch, pixels.

    Raises:
        WorkbenchError: there is no such grid.
    """
    height, width = size
    shape = given or (None if patch is None else (height // patch, width // patch))
    if shape is not None:
        extra = count - math.prod(shape)
        # A hierarchical network merges patches: later layers have larger ones than the first.
        if extra >= 0 and (given is not None or extra <= MOST_EXTRA):
            return TokenGrid(*shape, extra)
        if given is not None:
            raise _no_grid(name, count, f"{shape[0]}×{shape[1]} = {math.prod(shape)} were given")
    for extra in range(min(MOST_EXTRA, count - 1) + 1):
        cells = count - extra
        rows = max(1, round(math.sqrt(cells * height / width)))
        if cells % rows == 0:
            columns = cells // rows
            sides = height / rows, width / columns
            if max(sides) / min(sides) - 1 <= _SQUARE:
                return TokenGrid(rows, columns, extra)
    raise _no_grid(name, count, "no grid of square cells has so many, or up to 16 fewer")


def _no_grid(name: str, count: int, why: str) -> WorkbenchError:
    return WorkbenchError(
        f"tokens of {name} that form a grid over the image",
        f"{count} tokens ({why})",
        "give the grid: tokens=(rows, columns)",
    )


def refuse_infinite(values: Tensor, name: str, image: str) -> None:
    """Refuse features that are not finite.

    Raises:
        WorkbenchError: a feature is NaN or infinite.
    """
    if not bool(torch.isfinite(values).all()):
        raise WorkbenchError(
            f"finite features of {image} at {name}",
            "NaN or Inf among them",
            "look at the checkpoint, at the preprocessing, and whether half precision overflows",
        )
