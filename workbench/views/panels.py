"""The pictures that all views are made of: an image, a map of values over an image, a row of them.

Coordinates are pixels of the image, (0, 0) the centre of the upper left one, y downwards, so that a
click on a picture is a pixel and pictures of different resolution lie on each other.
"""

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from workbench.segmentation import Grid
from workbench.views.style import as_picture, styled

AXES = ["x", "y"]
EXTREME = 0.99
"""The quantile of a map at the end of its colours: a few extreme cells must not dim the rest."""


def photo(pixels: UInt8[np.ndarray, "height width channels"], title: str = "") -> hv.RGB:
    """An image, RGB or RGBA, in its own colours.

    Args:
        pixels: (height, width, 3 or 4).
        title: what one sees.
    """
    height, width, channels = pixels.shape
    picture = hv.RGB(
        (np.arange(width), np.arange(height), *np.moveaxis(pixels, 2, 0)),
        kdims=AXES,
        vdims=list("RGBA")[:channels],
        label=title,
    )
    return styled(as_picture(picture), matplotlib={"interpolation": "antialiased"})


def heat(
    values: Shaped[np.ndarray, "rows columns"],
    step: float,
    *,
    title: str = "",
    name: str = "value",
    cmap: str | Sequence[str],
    limits: tuple[float, float],
    smooth: bool = True,
) -> hv.Image:
    """A map of values at the centres of step×step blocks of pixels.

    Args:
        values: (rows, columns).
        step: side of the blocks, pixels.
        title: what one sees.
        name: of the values, for tooltips.
        cmap: colour map.
        limits: the values at its two ends.
        smooth: blend between neighbours; False where they have nothing in common.
    """
    rows, columns = values.shape
    grid = Grid(step, (step - 1) / 2)
    x, y = (grid.centres(count).numpy() for count in (columns, rows))
    picture = hv.Image((x, y, values), kdims=AXES, vdims=hv.Dimension(name), label=title)
    colours: dict[str, Any] = {"cmap": cmap, "clim": limits}
    blend = {"interpolation": "bilinear" if smooth else "nearest"}
    return styled(as_picture(picture), common=colours, matplotlib=blend)


def ceiling(values: Float[np.ndarray, "rows columns"]) -> float:
    """A positive magnitude that all but the most extreme values stay within."""
    return max(float(np.quantile(np.abs(values), EXTREME)), float(np.finfo(np.float32).tiny))


def row(panels: Sequence[hv.Element | hv.Overlay], columns: int | None = None) -> hv.Layout:
    """Pictures side by side, each with axes of its own.

    Args:
        panels: at least one.
        columns: in a row; None: all.
    """
    layout = hv.Layout(list(panels)).cols(columns or len(panels))
    return styled(
        layout,
        common={"shared_axes": False},
        bokeh={"toolbar": None},
        matplotlib={"sublabel_format": "", "tight": True},
    )
