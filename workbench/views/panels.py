"""Basic pictures of all views: an image, a map of values over an image, a row of pictures.

Coordinates are pixels of the image, (0, 0) the centre of the upper left one, y downwards, so that a
click on a picture gives a pixel and pictures of different resolution can be overlaid.
"""

from collections.abc import Sequence
from typing import Any

import holoviews as hv
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from workbench.segmentation import Grid
from workbench.views.style import as_picture, styled

AXES = ["x", "y"]


def photo(
    pixels: UInt8[np.ndarray, "rows columns channels"], title: str = "", fineness: int | float = 1
) -> hv.RGB:
    """Image, RGB or RGBA, in its own colours.

    Args:
        pixels: (rows, columns, 3 or 4).
        title: title of the picture.
        fineness: rows, and columns, per pixel of the scene; below 1: blocks of pixels.
    """
    x, y, channels = *_centres(pixels.shape, 1 / fineness), pixels.shape[2]
    picture = hv.RGB(
        (x, y, *np.moveaxis(pixels, 2, 0)),
        kdims=AXES,
        vdims=list("RGBA")[:channels],
        label=title,
    )
    return styled(as_picture(picture), matplotlib={"interpolation": "antialiased"})


def heatmap(
    values: Shaped[np.ndarray, "rows columns"],
    step: int,
    *,
    title: str = "",
    name: str = "value",
    cmap: str | Sequence[str],
    limits: tuple[float, float],
    smooth: bool = True,
) -> hv.Image:
    """Map of values at the centres of step×step blocks of pixels.

    Args:
        values: (rows, columns).
        step: side of the blocks, pixels.
        title: title of the picture.
        name: name of the values, for tooltips.
        cmap: colour map.
        limits: values at the two ends of the colour map.
        smooth: blend between neighbours; False where neighbours are unrelated.
    """
    x, y = _centres(values.shape, float(step))
    picture = hv.Image((x, y, values), kdims=AXES, vdims=[name], label=title)
    colours: dict[str, Any] = {"cmap": cmap, "clim": limits}
    blend = {"interpolation": "bilinear" if smooth else "nearest"}
    return styled(as_picture(picture), common=colours, matplotlib=blend)


def row(panels: Sequence[hv.Element | hv.Overlay], columns: int = 4) -> hv.Layout:
    """Layout of pictures side by side, each with axes of its own.

    Args:
        panels: pictures, in order.
        columns: most pictures in a row.
    """
    layout = hv.Layout(list(panels)).cols(columns)
    return styled(
        layout,
        common={"shared_axes": False},
        bokeh={"toolbar": None},
        matplotlib={"sublabel_format": "", "tight": True},
    )


def _centres(
    shape: tuple[int, ...], step: float
) -> tuple[Float[np.ndarray, "columns"], Float[np.ndarray, "rows"]]:
    """Coordinates x and y of the centres of step×step blocks of pixels."""
    grid = Grid(step, (step - 1) / 2)
    return grid.centres(shape[1]).numpy(), grid.centres(shape[0]).numpy()
