"""Block matrix of a workspace: affinities between cells, ordered by an annotator's segments."""

from typing import Any

import numpy as np
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, LinearColorMapper, PrintfTickFormatter, Range1d
from bokeh.models.annotations import ColorBar, Span
from bokeh.plotting import figure

from workbench.views.paint import robust_maximum
from workbench.views.scenes.affinity import Blocks, block_values
from workbench.views.style import MARKER
from workbench.widgets.workspace.painting import SEQUENTIAL_COLOURS
from workbench.widgets.workspace.state import State
from workbench.widgets.workspace.view import View


class BlockMatrix:
    """Entries of M or W between sampled cells; a click chooses the pixel of its row.

    Cells are ordered by the chosen annotator's segments, without annotators by those of the cut;
    a good affinity is block-diagonal.

    Args:
        state: state of the workspace.

    Attributes:
        figure: bokeh figure.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._view: View | None = None
        self._blocks: Blocks | None = None
        self._mapper = LinearColorMapper(palette=SEQUENTIAL_COLOURS, low=0, high=1)
        drawn: Any = figure(
            sizing_mode="stretch_width", height=330, tools="save", title="", match_aspect=True,
            x_range=Range1d(start=-0.5, end=0.5), y_range=Range1d(start=0.5, end=-0.5),
            toolbar_location=None,
            x_axis_label="cells, by segment",
        )  # fmt: skip
        drawn.title.text_font_size = "9pt"
        drawn.axis.ticker = []
        drawn.axis.axis_label_text_font_size = "9pt"
        drawn.grid.visible = False
        self._image = ColumnDataSource({"image": [], "side": []})
        drawn.image(
            "image", x=-0.5, y=-0.5, dw="side", dh="side", source=self._image,
            color_mapper=self._mapper,
        )  # fmt: skip
        self._lines = ColumnDataSource({"at": [], "side": []})
        for ends in (("at", -0.5, "at", "side"), (-0.5, "at", "side", "at")):
            drawn.segment(*ends, source=self._lines, color="white", alpha=0.5, line_width=0.7)
        self._rows = [
            Span(dimension=way, line_color=MARKER, line_width=1.5, visible=False)
            for way in ("width", "height")
        ]
        for each in self._rows:
            drawn.add_layout(each)
        bar = ColorBar(
            color_mapper=self._mapper, width=8, padding=2,
            formatter=PrintfTickFormatter(format="%.2g"),
        )  # fmt: skip
        drawn.add_layout(bar, "right")
        drawn.on_event(Tap, lambda event: self._tapped(event.y))
        self.figure = drawn

    def show(self, view: View | None) -> None:
        """Show the affinities of a view."""
        self._view = view
        if view is None:
            self._blocks = None
            self._image.data = {"image": [], "side": []}
            self._lines.data = {"at": [], "side": []}
            self.mark()
            return
        state = self._state
        truth = view.truth(state.annotator)
        by = "annotator" if truth is not None else "cut"
        if truth is None:
            truth = view.cut(state)
        self._blocks = found = block_values(view.probe, truth, normalized=state.rows == "M")
        side = len(found.cells)
        self._mapper.high = robust_maximum(found.values)
        self.figure.x_range.update(start=-0.5, end=side - 0.5)
        self.figure.y_range.update(start=side - 0.5, end=-0.5)
        self._image.data = {"image": [found.values], "side": [side]}
        self._lines.data = {"at": found.ends, "side": np.full(len(found.ends), side - 0.5)}
        self.figure.title.text = f"{state.rows} of {side} cells, by segments of the {by}"
        self.mark()

    def mark(self) -> None:
        """Mark the row and the column of the sampled cell that is nearest to the last pixel."""
        pixels, view, found = self._state.pixels, self._view, self._blocks
        there = bool(pixels) and view is not None and found is not None
        for line in self._rows:
            line.visible = there
        if there and view is not None and found is not None:
            places = view.centres(found.cells)
            distance = ((places - np.array(pixels[-1])) ** 2).sum(1)
            for line in self._rows:
                line.location = int(distance.argmin())

    def _tapped(self, y: int | float | None) -> None:
        if y is None or self._view is None or self._blocks is None:
            return
        number = min(max(round(y), 0), len(self._blocks.cells) - 1)
        centre = self._view.centres(self._blocks.cells[number : number + 1])[0]
        self._state.pixels = [[int(at) for at in centre]]
