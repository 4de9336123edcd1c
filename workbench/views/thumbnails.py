"""Grid of thumbnails as one picture, with the place of a thumbnail under a click."""

from collections.abc import Sequence
from dataclasses import dataclass

import holoviews as hv
import numpy as np
from jaxtyping import UInt8

from workbench.views.panels import AXES, photo
from workbench.views.style import INK, MARKER, OTHER, as_picture, styled

_MARGIN = 4
_CAPTION = 18
"""Height of the name below a thumbnail, pixels."""


@dataclass(frozen=True)
class ThumbnailGrid:
    """Layout of thumbnails in a grid.

    Attributes:
        columns, rows: number of thumbnails across and down.
        side: side of a thumbnail, pixels.
    """

    columns: int = 8
    rows: int = 4
    side: int = 96

    @property
    def places(self) -> int:
        """Number of thumbnails in a full grid."""
        return self.columns * self.rows

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the picture."""
        return self.rows * self._down, self.columns * self._across

    def at(self, x: float, y: float) -> int | None:
        """Place under a point of the picture, from 0; None outside the grid."""
        column, row = int(x // self._across), int(y // self._down)
        inside = 0 <= column < self.columns and 0 <= row < self.rows
        return row * self.columns + column if inside else None

    def draw(
        self,
        thumbnails: Sequence[UInt8[np.ndarray, "side side 3"]],
        names: Sequence[str],
        chosen: int | None = None,
        marked: Sequence[int] = (),
    ) -> hv.Overlay:
        """Draw the grid.

        Args:
            thumbnails: at most `places` of them.
            names: names below the thumbnails; long ones are cut.
            chosen: place that gets a frame.
            marked: places that get a cross in their corner.
        """
        sheet = np.full((*self.size, 3), 255, np.uint8)
        labels = []
        letters = self.side // 7
        for place, (thumbnail, name) in enumerate(zip(thumbnails, names, strict=True)):
            top, left = self._corner(place)
            sheet[top : top + self.side, left : left + self.side] = thumbnail
            short = name if len(name) <= letters else name[: letters - 1] + "…"
            labels.append((left + self.side / 2, top + self.side + _CAPTION / 2, short))
        words = styled(
            hv.Labels(labels, AXES, "name"),
            bokeh={"text_font_size": "8pt", "text_color": INK},
            matplotlib={"size": 7, "color": INK},
        )
        frame = styled(
            hv.Path([] if chosen is None else [self._outline(chosen)], AXES),
            common={"color": MARKER},
            bokeh={"line_width": 3},
            matplotlib={"linewidth": 2.5},
        )
        crosses = styled(
            hv.Path([line for place in marked for line in self._cross(place)], AXES),
            common={"color": OTHER},
            bokeh={"line_width": 3},
            matplotlib={"linewidth": 2.5},
        )
        return as_picture(photo(sheet) * crosses * frame * words)

    def _corner(self, place: int) -> tuple[int, int]:
        row, column = divmod(place, self.columns)
        return row * self._down + _MARGIN // 2, column * self._across + _MARGIN // 2

    def _outline(self, place: int) -> list[tuple[int, int]]:
        top, left = self._corner(place)
        bottom, right = top + self.side, left + self.side
        return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]

    def _cross(self, place: int) -> list[list[tuple[int, int]]]:
        top, left = self._corner(place)
        right, arm = left + self.side - _MARGIN, self.side // 6
        bottom, top = top + _MARGIN + arm, top + _MARGIN
        return [
            [(right - arm, top), (right, bottom)],
            [(right - arm, bottom), (right, top)],
        ]

    @property
    def _across(self) -> int:
        return self.side + _MARGIN

    @property
    def _down(self) -> int:
        return self.side + _MARGIN + _CAPTION
