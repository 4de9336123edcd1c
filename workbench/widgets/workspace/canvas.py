"""Large picture of a workspace: photograph, overlay with its colour bar, clicked pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.events import DoubleTap, MouseLeave, MouseMove, Tap
from bokeh.models import (
    ColumnDataSource,
    CustomJS,
    DataRange1d,
    LinearColorMapper,
    PrintfTickFormatter,
)
from bokeh.models.annotations import ColorBar
from bokeh.plotting import figure

from workbench.views.style import MARKER, SEEDS
from workbench.widgets.workspace.painting import Painting, painting
from workbench.widgets.workspace.state import State
from workbench.widgets.workspace.view import View

_NEAR = 8
"""Distance in pixels within which a click removes a seed."""
_LAYERS = ("photo", "paint", "map", "lines", "outline")
_EMPTY: dict[str, list[Any]] = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
_OUTLINE = """
// Outline of the segment under the pointer, in every picture; runs in the page.
for (const [labels, outline] of pairs) {
  const map = labels.data.image[0], drawn = outline.data.image[0]
  if (map === undefined || drawn === undefined) continue
  const [rows, columns] = map.shape ?? [labels.data.rows[0], labels.data.columns[0]]
  const x = Math.round(cb_obj.x), y = Math.round(cb_obj.y)
  const inside = cb_obj.event_name === "mousemove" && x >= 0 && y >= 0 && x < columns && y < rows
  const label = inside ? map[y * columns + x] : -1
  if (outline.tags[0] === label) continue
  outline.tags = [label]
  drawn.fill(0)
  for (let i = 0, at = 0; i < rows; i++) for (let j = 0; j < columns; j++, at++) {
    if (map[at] !== label) continue
    if (i === 0 || j === 0 || i === rows - 1 || j === columns - 1 || map[at - 1] !== label
        || map[at + 1] !== label || map[at - columns] !== label || map[at + columns] !== label)
      drawn[at] = 1
  }
  outline.change.emit()
}
"""


class Canvas:
    """Picture of the state's image with the state's overlay; a click sets the state's pixels.

    Args:
        state: state of the workspace.

    Attributes:
        figure: bokeh figure.
        drawn: what lies over the photograph; None where nothing is shown.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._view: View | None = None
        self._name, self._several = "", False
        self.drawn: Painting | None = None
        self._mapper = LinearColorMapper(palette=["#000000"], low=0, high=1)
        x, y = (DataRange1d(range_padding=0, flipped=flipped) for flipped in (False, True))
        drawn: Any = figure(
            sizing_mode="stretch_both", match_aspect=True, x_range=x, y_range=y, min_height=120,
            tools="pan,wheel_zoom,box_zoom,reset,save", active_drag=None, toolbar_location="right",
        )  # fmt: skip
        drawn.axis.visible = False
        drawn.grid.visible = False
        drawn.outline_line_color = None
        drawn.toolbar.logo = None
        drawn.title.text_font_size = "10.5pt"
        self._layers = {name: ColumnDataSource(_EMPTY) for name in _LAYERS}
        self._layers["outline"].tags = [-1]
        self._labels = ColumnDataSource({"image": []})
        place = {name: name for name in _EMPTY}
        drawn.image_rgba(source=self._layers["photo"], **place)
        self._paint = drawn.image_rgba(source=self._layers["paint"], **place)
        self._map = drawn.image(source=self._layers["map"], color_mapper=self._mapper, **place)
        drawn.image_rgba(source=self._layers["lines"], **place)
        marked = LinearColorMapper(palette=["#00000000", MARKER], low=0, high=1)
        drawn.image(source=self._layers["outline"], color_mapper=marked, **place)
        self._seeds = ColumnDataSource({"x": [], "y": [], "colour": []})
        drawn.scatter(
            "x", "y", source=self._seeds, size=15, line_color="colour", line_width=3, fill_alpha=0
        )
        self._bar = ColorBar(
            color_mapper=self._mapper, orientation="horizontal", height=10, padding=4,
            title_text_font_size="9pt", formatter=PrintfTickFormatter(format="%.2g"),
        )  # fmt: skip
        drawn.add_layout(self._bar, "below")
        drawn.on_event(Tap, lambda event: self._tapped(event.x, event.y, event.modifiers))
        drawn.on_event(DoubleTap, lambda _: state.param.update(pixels=[]))
        self.figure = drawn

    def show(self, view: View | None, name: str = "", several: bool = False) -> None:
        """Show another image, or nothing.

        Args:
            view: what is shown.
            name: name of the run, where several are shown.
            several: whether it stands beside others of the same image, whose titles are shorter.
        """
        self._several = several
        self._view, self._name = view, name
        if view is None:
            self.drawn = None
            for layer in _LAYERS:
                self._put(layer, None)
            self._labels.data = {"image": []}
            self.figure.title.text = ""
            self._seeds.data = {"x": [], "y": [], "colour": []}
            self._bar.visible = False
            return
        self._put("photo", rgba(view.snapshot.image))
        self.paint()

    def paint(self) -> None:
        """Draw overlay, lines and clicked pixels."""
        if self._view is None:
            return
        view, found = self._view, painting(self._state, self._view)
        self.drawn = found
        where = view.where if self._several else view.title
        where = f"{self._name} · {where}" if self._name else where
        self.figure.title.text = f"{where}: {found.title}"
        self._put("paint", None if found.colours is None else rgba(found.colours))
        self._put("lines", None if found.lines is None else rgba(found.lines))
        self._bar.visible = found.values is not None
        if found.values is None:
            self._put("map", None)
        else:
            self._mapper.update(palette=found.palette, low=found.low, high=found.high)
            self._put("map", found.values.astype(np.float32))
            self._bar.title = found.unit
        self._offer_segments(found)
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

    def _offer_segments(self, found: Painting) -> None:
        """Send the label map that the pointer reads."""
        labels = found.segments
        if labels is None:
            self._labels.data = {"image": []}
            self._put("outline", None)
            return
        kind = np.uint8 if labels.max() < 256 else np.uint16
        self._labels.data = {"image": [labels.astype(kind)]}
        self._put("outline", np.zeros(labels.shape, np.uint8))

    def _put(self, name: str, values: np.ndarray | None) -> None:
        """Fill a layer; it covers the image whatever its resolution. What is there is not sent."""
        there = self._layers[name].data["image"]
        if values is None or self._view is None:
            if len(there):
                self._layers[name].data = _EMPTY
            return
        if len(there) and name != "outline" and np.array_equal(there[0], values):
            return
        height, width = self._view.size
        self._layers[name].data = {
            "image": [values], "x": [-0.5], "y": [-0.5], "dw": [width], "dh": [height],
        }  # fmt: skip

    def _tapped(self, x: int | float | None, y: int | float | None, modifiers: Any = None) -> None:
        state = self._state
        if x is None or y is None or self._view is None:
            return
        pixel = [round(y), round(x)]
        if not self._view.contains(pixel):
            return
        if not state.several and not (modifiers or {}).get("shift"):
            state.pixels = [pixel]
            return
        others = [s for s in state.pixels if np.hypot(s[0] - pixel[0], s[1] - pixel[1]) > _NEAR]
        fresh = len(others) == len(state.pixels)
        state.pixels = [*state.pixels, pixel][-len(SEEDS) :] if fresh else others


def link_canvases(canvases: Sequence[Canvas]) -> None:
    """Give canvases one zoom, and outline what is under the pointer of one in all of them."""
    pairs = [(each._labels, each._layers["outline"]) for each in canvases]
    outline = CustomJS(args={"pairs": pairs}, code=_OUTLINE)
    for each in canvases:
        each.figure.x_range = canvases[0].figure.x_range
        each.figure.y_range = canvases[0].figure.y_range
        each.figure.js_on_event(MouseMove, outline)
        each.figure.js_on_event(MouseLeave, outline)


def rgba(pixels: np.ndarray) -> np.ndarray:
    """Image as bokeh's RGBA: (rows, columns) uint32."""
    rows, columns, channels = pixels.shape
    found = np.full((rows, columns, 4), 255, np.uint8)
    found[..., :channels] = pixels
    return found.view(np.uint32).reshape(rows, columns)
