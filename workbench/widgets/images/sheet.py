"""Sheet of small images in rows, with captions, frames and titles; a click gives its place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure
from jaxtyping import UInt8

from workbench.views.style import INK

_GAP = 8
_PALE = "#d9dce1"
"""Colour of words on dark ground."""
Place = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Image of a sheet.

    Attributes:
        pixels: the image.
        caption: words below it.
        frame: colour of its frame; "" without one.
        dash: dash of the frame.
    """

    pixels: UInt8[np.ndarray, "y x 3"]
    caption: str = ""
    frame: str = ""
    dash: str = "solid"


class ImageSheet:
    """Figure of small images at places of a grid, without smoothing.

    Args:
        rows, columns: size of the grid.
        side: side of an image, screen pixels.
        clicked: function that takes the place under a click.
        margin: width of the titles of rows, screen pixels.
        caption: height of a caption, screen pixels.
        dark: whether the page is dark.

    Attributes:
        figure: bokeh figure.
        cells: what is shown, by place.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        side: int,
        clicked: Callable[[Place], None],
        margin: int = 0,
        caption: int = 0,
        dark: bool = False,
    ) -> None:
        self._side, self._margin, self._caption = side, margin, caption
        self._clicked, ink = clicked, _PALE if dark else INK
        self.cells: Mapping[Place, Cell] = {}
        self._across, self._down = side + _GAP, side + _GAP + caption
        height, width = rows * self._down, margin + columns * self._across
        self._image = ColumnDataSource({"image": []})
        self._words, self._titles = (ColumnDataSource(_no_words()) for _ in range(2))
        self._frames = ColumnDataSource({"x": [], "y": [], "colour": [], "dash": []})
        drawn: Any = figure(
            width=width, height=height, x_range=Range1d(start=0, end=width),
            y_range=Range1d(start=height, end=0),
            tools="", toolbar_location=None, min_border=0, outline_line_color=None, title="",
            background_fill_color=None, border_fill_color=None,
        )  # fmt: skip
        drawn.axis.visible = drawn.grid.visible = False
        drawn.title.visible = False
        self._size = height, width
        drawn.image_rgba("image", x=0, y=0, dw=width, dh=height, source=self._image)
        drawn.rect(
            "x", "y", side + 3, side + 3, source=self._frames, fill_color=None, line_width=3,
            line_color="colour", line_dash="dash",
        )  # fmt: skip
        drawn.text(
            "x", "y", "text", source=self._words, text_align="center", text_baseline="middle",
            text_font_size="8pt", text_color=ink,
        )  # fmt: skip
        drawn.text(
            "x", "y", "text", source=self._titles, text_align="right", text_baseline="middle",
            text_font_size="9pt", text_color=ink,
        )  # fmt: skip
        drawn.on_event(Tap, lambda event: self._tapped(event.x, event.y))
        self.figure = drawn

    def show(self, cells: Mapping[Place, Cell], titles: Sequence[str] = ()) -> None:
        """Show images, and titles of rows."""
        self.cells = cells
        sheet = np.zeros((*self._size, 4), np.uint8)
        for place, cell in cells.items():
            left, top = self._corner(place)
            at = np.arange(self._side) * len(cell.pixels) // self._side
            part = sheet[top : top + self._side, left : left + self._side]
            part[..., :3], part[..., 3] = cell.pixels[at][:, at], 255
        self._image.data = {"image": [sheet.view(np.uint32)[..., 0]]}
        centres = {place: self._centre(place) for place in cells}
        self._words.data = {
            "x": [x for x, _ in centres.values()],
            "y": [y + (self._side + self._caption + _GAP) / 2 for _, y in centres.values()],
            "text": [cell.caption for cell in cells.values()],
        }
        framed = {place: cell for place, cell in cells.items() if cell.frame}
        self._frames.data = {
            "x": [centres[place][0] for place in framed],
            "y": [centres[place][1] for place in framed],
            "colour": [cell.frame for cell in framed.values()],
            "dash": [cell.dash for cell in framed.values()],
        }
        self._titles.data = {
            "x": [self._margin - _GAP] * len(titles),
            "y": [self._centre((row, 0))[1] for row in range(len(titles))],
            "text": list(titles),
        }

    def _corner(self, place: Place) -> tuple[int, int]:
        row, column = place
        return self._margin + column * self._across + _GAP // 2, row * self._down + _GAP // 2

    def _centre(self, place: Place) -> tuple[float, float]:
        left, top = self._corner(place)
        return left + self._side / 2, top + self._side / 2

    def _tapped(self, x: int | float | None, y: int | float | None) -> None:
        if x is None or y is None:
            return
        place = int(y // self._down), int((x - self._margin) // self._across)
        if place in self.cells:
            self._clicked(place)


def _no_words() -> dict[str, list[Any]]:
    return {"x": [], "y": [], "text": []}
