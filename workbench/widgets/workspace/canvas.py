"""Large picture of a workspace: photograph, overlay with its colour bar, clicked pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from bokeh.events import DoubleTap, Tap
from bokeh.models import (
    ColumnDataSource,
    DataRange1d,
    LinearColorMapper,
    PrintfTickFormatter,
)
from bokeh.models.annotations import ColorBar
from bokeh.plotting import figure
from holoviews.plotting.util import process_cmap

from workbench.views.paint import robust_maximum, strongest_colours
from workbench.views.style import DIVERGING, MARKER, SEEDS, SEQUENTIAL
from workbench.widgets.workspace.state import (
    AFFINITY,
    EIGENVECTOR,
    NOBODY,
    SEGMENTS,
    State,
)
from workbench.widgets.workspace.view import View

_NEAR = 8
"""Distance in pixels within which a click removes a seed."""
_SEQUENTIAL = process_cmap(SEQUENTIAL, ncolors=256, provider="bokeh")


class Canvas:
    """Picture of the state's image with the state's overlay; a click sets the state's pixels.

    Args:
        state: state of the workspace.

    Attributes:
        figure: bokeh figure.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._view: View | None = None
        self._name = ""
        self._mapper = LinearColorMapper(palette=_SEQUENTIAL, low=0, high=1)
        x, y = (DataRange1d(range_padding=0, flipped=flipped) for flipped in (False, True))
        drawn: Any = figure(
            sizing_mode="stretch_both", match_aspect=True, x_range=x, y_range=y, min_height=260,
            tools="pan,wheel_zoom,box_zoom,reset,save", active_drag=None, toolbar_location="right",
        )  # fmt: skip
        drawn.axis.visible = False
        drawn.grid.visible = False
        drawn.outline_line_color = None
        drawn.toolbar.logo = None
        drawn.title.text_font_size = "10.5pt"
        self._layers = {
            name: ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
            for name in ("photo", "paint", "map", "lines")
        }
        place = {"image": "image", "x": "x", "y": "y", "dw": "dw", "dh": "dh"}
        drawn.image_rgba(source=self._layers["photo"], **place)
        self._paint = drawn.image_rgba(source=self._layers["paint"], **place)
        self._map = drawn.image(source=self._layers["map"], color_mapper=self._mapper, **place)
        drawn.image_rgba(source=self._layers["lines"], **place)
        self._seeds = ColumnDataSource({"x": [], "y": [], "colour": []})
        drawn.scatter(
            "x", "y", source=self._seeds, size=15, line_color="colour", line_width=3, fill_alpha=0
        )
        self._bar = ColorBar(
            color_mapper=self._mapper, orientation="horizontal", height=10, padding=4,
            title_text_font_size="9pt", formatter=PrintfTickFormatter(format="%.2g"),
        )  # fmt: skip
        drawn.add_layout(self._bar, "below")
        drawn.on_event(Tap, lambda event: self._tapped(event.x, event.y))
        drawn.on_event(DoubleTap, lambda _: state.param.update(pixels=[]))
        self.figure = drawn

    def show(self, view: View | None, name: str = "") -> None:
        """Show another image, or nothing.

        Args:
            view: what is shown.
            name: name of the run, where several are shown.
        """
        self._view, self._name = view, name
        if view is None:
            for name in self._layers:
                self._put(name, None)
            self.figure.title.text = ""
            self._seeds.data = {"x": [], "y": [], "colour": []}
            return
        self._put("photo", rgba(view.snapshot.image))
        self.outline()
        self.paint()

    def outline(self) -> None:
        """Draw the boundaries of the chosen annotator."""
        if self._view is None:
            return
        state = self._state
        truth = None if state.annotator == NOBODY else self._view.truth(state.annotator)
        self._put("lines", None if truth is None else rgba(self._view.boundaries(truth)))

    def paint(self) -> None:
        """Draw overlay and seeds."""
        if self._view is None:
            return
        paint: Callable[[View], str] = {
            AFFINITY: self._affinity,
            SEGMENTS: self._segments,
            EIGENVECTOR: self._eigenvector,
        }.get(self._state.overlay, self._nothing)
        where = f"{self._name} · {self._view.title}" if self._name else self._view.title
        self.figure.title.text = f"{where}: {paint(self._view)}"
        self.fade()
        colours = [SEEDS[i % len(SEEDS)] for i in range(len(self._state.pixels))]
        if len(colours) == 1:
            colours = [MARKER]
        self._seeds.data = {
            "x": [x for _, x in self._state.pixels],
            "y": [y for y, _ in self._state.pixels],
            "colour": colours,
        }

    def fade(self) -> None:
        """Set the opacity of the overlay."""
        for renderer in (self._paint, self._map):
            renderer.glyph.global_alpha = self._state.opacity

    def _affinity(self, view: View) -> str:
        pixels = [(int(y), int(x)) for y, x in self._state.pixels]
        kind = self._state.rows
        if not pixels:
            self._put("map", None)
            self._put("paint", None)
            self._bar.visible = False
            return "click a pixel"
        values = view.probe.over_image(pixels, kind == "M")
        if len(pixels) == 1:
            (y, x) = pixels[0]
            self._scalar(values[0], 0.0, robust_maximum(values[0]), _SEQUENTIAL, f"affinity {kind}")
            return f"row of {kind}, pixel x {x}, y {y}"
        self._coloured(strongest_colours(values, SEEDS))
        return f"rows of {kind}, {len(pixels)} pixels, colour of the strongest"

    def _segments(self, view: View) -> str:
        state = self._state
        labels = view.labels(state.cut, state.k, state.threshold, state.seed)
        self._coloured(view.painted(labels))
        self._put("lines", rgba(view.boundaries(labels)))
        return f"{int(labels.max())} segments"

    def _eigenvector(self, view: View) -> str:
        number = min(self._state.eigenvector, view.eigenvectors)
        values = view.eigenvector(number)
        end = robust_maximum(values)
        self._scalar(values, -end, end, DIVERGING, "component")
        return f"eigenvector {number}, λ = {view.snapshot.eigenvalues[number - 1]:.4f}"

    def _nothing(self, view: View) -> str:
        self._put("map", None)
        self._put("paint", None)
        self._bar.visible = False
        return "photograph"

    def _scalar(
        self, values: np.ndarray, low: float, high: float, palette: Any, title: str
    ) -> None:
        self._put("paint", None)
        self._mapper.update(palette=palette, low=low, high=high)
        self._put("map", values.astype(np.float32))
        self._bar.update(title=title, visible=True)

    def _coloured(self, pixels: np.ndarray) -> None:
        self._put("map", None)
        self._put("paint", rgba(pixels))
        self._bar.visible = False

    def _put(self, name: str, values: np.ndarray | None) -> None:
        """Fill a layer; it covers the image whatever its resolution."""
        if values is None or self._view is None:
            self._layers[name].data = {key: [] for key in ("image", "x", "y", "dw", "dh")}
            return
        height, width = self._view.size
        self._layers[name].data = {
            "image": [values], "x": [-0.5], "y": [-0.5], "dw": [width], "dh": [height],
        }  # fmt: skip

    def _tapped(self, x: int | float | None, y: int | float | None) -> None:
        state = self._state
        if x is None or y is None or self._view is None:
            return
        pixel = [round(y), round(x)]
        if not self._view.contains(pixel):
            return
        if not state.several:
            state.pixels = [pixel]
            return
        others = [s for s in state.pixels if np.hypot(s[0] - pixel[0], s[1] - pixel[1]) > _NEAR]
        fresh = len(others) == len(state.pixels)
        state.pixels = [*state.pixels, pixel][-len(SEEDS) :] if fresh else others


def rgba(pixels: np.ndarray) -> np.ndarray:
    """Image as bokeh's RGBA: (rows, columns) uint32."""
    rows, columns, channels = pixels.shape
    found = np.full((rows, columns, 4), 255, np.uint8)
    found[..., :channels] = pixels
    return found.view(np.uint32).reshape(rows, columns)
