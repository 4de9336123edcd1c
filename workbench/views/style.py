"""Style of every view: one palette, one set of colour maps, the same under bokeh and matplotlib.

Colours mean the same everywhere: grey is before training, blue is after. Maps of nonnegative
values are drawn in `SEQUENTIAL`, maps of signed ones in `DIVERGING` with its middle at zero; both
are perceptually uniform and keep their order for colour-blind readers.
"""

from typing import Any, TypeVar

import holoviews as hv
import holoviews.plotting.bokeh  # registers the backend of notebooks
import holoviews.plotting.mpl  # registers the backend of the static report
import numpy as np
from holoviews.plotting.util import process_cmap

from workbench.views.offline import inline_style_sheets

inline_style_sheets()

INK = "#20242a"
MUTED = "#6d737c"
RULE = "#d9dce1"
BEFORE = "#8d929b"
AFTER = "#1467b3"
MARKER = "#00e0ff"
OTHER = "#d1661c"
"""Colour of the second of two runs, beside `AFTER`."""
COLOURS = (
    AFTER, OTHER, "#009e73", "#cc79a7", "#8c6d1f", "#56b4e9", "#7b4fb5", "#5f6a72", "#a23b3b",
    "#3f7f3f",
)  # fmt: skip
"""Colours of several curves in one chart, in their order: runs, the main one first, or layers."""
SEEDS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00")
"""Colours of several seeds in one picture, in the order of the seeds (Okabe and Ito)."""

SEQUENTIAL = "magma"
DIVERGING: list[str] = process_cmap("coolwarm", ncolors=256, provider="colorcet")

PANEL_WIDTH = 200
"""Width of a picture in a notebook, screen pixels."""
CHART_SIZE = (370, 240)
"""Width and height of a chart in a notebook, screen pixels."""

FRAME_SIDE = 360
"""Side of the square frame of an interactive image, screen pixels."""

SMALL_FRAME = 200
"""Largest side of a frame with a small title, screen pixels."""

_TITLE = {"fontsize": {"title": "9.5pt"}}

Element = TypeVar("Element", bound=hv.core.Dimensioned)


def styled(
    element: Element,
    *,
    common: dict[str, Any] | None = None,
    bokeh: dict[str, Any] | None = None,
    matplotlib: dict[str, Any] | None = None,
) -> Element:
    """Set an element's options for both backends, and return the element.

    Args:
        element: new element, changed in place.
        common: options that both backends know.
        bokeh: options of bokeh alone.
        matplotlib: options of matplotlib alone.
    """
    element.opts(backend="bokeh", **(common or {}), **(bokeh or {}))
    element.opts(backend="matplotlib", **(common or {}), **(matplotlib or {}))
    return element


def dots(
    points: Any, dimensions: tuple[str, str], fill: str, edge: str, sizes: tuple[int, int],
    label: str = "",
) -> hv.Scatter:  # fmt: skip
    """Round marks.

    Args:
        points: (x, y) each.
        dimensions: names of the two.
        fill, edge: colours; a white fill makes hollow marks.
        sizes: diameter in the browser, screen pixels, and area on paper, square points.
        label: in the legend.
    """
    return styled(
        hv.Scatter(points, *dimensions, label=label),
        common={"color": fill},
        bokeh={"size": sizes[0], "line_color": edge},
        matplotlib={"s": sizes[1], "edgecolors": edge},
    )


def line(
    x: Any, y: Any, name: str, colour: str, label: str = "", dash: str = "solid"
) -> hv.Curve:  # fmt: skip
    """Line through points.

    Args:
        x: (points,) places.
        y: (points,) heights, of the dimension "value".
        name: name of the dimension of the places.
        colour: its colour.
        label: in the legend.
        dash: "solid", "dashed" or "dotted".
    """
    return styled(
        hv.Curve(np.column_stack([x, y]), name, "value", label=label),
        common={"color": colour},
        bokeh={"line_dash": dash},
        matplotlib={"linestyle": dash},
    )


def as_picture(element: Element) -> Element:
    """Style an element as a picture: no axes, the aspect of the image, y downwards."""
    return styled(
        element,
        common={"xaxis": None, "yaxis": None, "invert_yaxis": True},
        bokeh={"data_aspect": 1, "frame_width": PANEL_WIDTH, "toolbar": None} | _TITLE,
        matplotlib={"aspect": "equal"},
    )


def interactive(element: Element, *, chart: bool = False, side: int = FRAME_SIDE) -> Element:
    """Style an element for an explorer, under bokeh: larger, with tools, in a frame of fixed size.

    Images of any aspect have a square frame, so that the page does not move when the next scene is
    a portrait. A zoom lasts as long as the picture keeps its size. The wheel scrolls the page until
    its tool is chosen.

    Args:
        element: new element, changed in place.
        chart: whether the element has axes, whose ranges follow the data.
        side: side of the frame of an image, screen pixels; small ones have no tools.
    """
    width, height = CHART_SIZE if chart else (side, side)
    # A square frame with square ranges keeps the image's aspect; `data_aspect` would flip x.
    ranges: dict[str, Any] = {} if chart else {"hooks": [_fit], "data_aspect": None}
    size, advance = (9.5, 6.4) if width > SMALL_FRAME else (8, 5.4)
    ranges["fontsize"] = {"title": f"{size}pt"}
    if width < advance * len(element.label):
        ranges["title"] = shortened(element.label, int(width / advance))
    if chart:
        for part in element if isinstance(element, hv.Overlay) else [element]:
            part.opts(backend="bokeh", framewise=True)
    element.opts(
        backend="bokeh",
        frame_width=width,
        frame_height=height,
        toolbar="right" if chart or side >= FRAME_SIDE else None,
        default_tools=["pan", "wheel_zoom", "reset"],
        active_tools=[],
        **ranges,
    )
    return element


def shortened(title: str, most: int) -> str:
    """Title without its middle where it has more than so many characters."""
    kept = (most - 1) // 2
    return title if len(title) <= most else f"{title[:kept]}…{title[-kept:]}"


def _fit(plot: Any, element: hv.Element | hv.Overlay) -> None:
    """Centre an image in its square frame when its size changes.

    HoloViews sets the ranges of an image either once, when it is first drawn, or every time it is
    drawn, which would reset a zoom with every click.
    """
    ground = element.get(0) if isinstance(element, hv.Overlay) else element
    left, bottom, right, top = ground.bounds.lbrt()
    if plot.handles.get("fitted") == (left, bottom, right, top):
        return
    plot.handles["fitted"] = (left, bottom, right, top)
    half = max(right - left, top - bottom) / 2
    x, y = (left + right) / 2, (bottom + top) / 2
    for name, ends in (("x_range", (x - half, x + half)), ("y_range", (y + half, y - half))):
        start, end = ends  # y points down
        plot.handles[name].update(start=start, end=end, reset_start=start, reset_end=end)


def as_chart(element: Element, *, square: bool = False, **common: Any) -> Element:
    """Style an element as a chart with labelled axes.

    Args:
        element: new element, changed in place.
        square: whether both axes are the same quantity.
        common: further options of both backends.
    """
    width, height = (CHART_SIZE[1] + 60,) * 2 if square else CHART_SIZE
    return styled(
        element,
        common={"show_grid": True} | common,
        bokeh={"frame_width": width, "frame_height": height, "toolbar": None} | _TITLE,
        matplotlib={"aspect": "auto", "fig_inches": (width / 72, height / 72)},
    )
