"""Charts of a workspace: eigenvalues, eigenvectors, and measurements over the steps."""

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

import numpy as np
import pandas as pd
from bokeh.events import Pan, Tap
from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, LinearColorMapper, Range1d
from bokeh.models.annotations import Label, Span
from bokeh.plotting import figure
from jaxtyping import Float

from workbench.views.paint import robust_maximum
from workbench.views.scenes.history import FLOOR
from workbench.views.style import AFTER, BEFORE, COLOURS, DIVERGING, MUTED, OTHER
from workbench.views.training.curves import smoothed
from workbench.views.training.decimate import thinned
from workbench.widgets.workspace.state import EIGENVECTOR, State
from workbench.widgets.workspace.view import View

VECTORS = 6
"""Number of eigenvectors that are drawn small."""
_SIDE = 80
"""Least longer side of their maps, in values."""
_ALARM = "#c62828"


class SpectrumChart:
    """Eigenvalues of M; a click on one makes its eigenvector the overlay.

    Args:
        state: state of the workspace.

    Attributes:
        figure: bokeh figure.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        drawn: Any = figure(
            sizing_mode="stretch_width", height=210, y_axis_type="log", tools="reset,save",
            y_range=DataRange1d(), x_axis_label="number", y_axis_label="eigenvalue of M",
            title="Eigenvalues of M = D⁻½WD⁻½", toolbar_location=None,
        )  # fmt: skip
        drawn.title.text_font_size = "9.5pt"
        drawn.axis.axis_label_text_font_size = "9pt"
        self._now, self._chosen = (ColumnDataSource({"number": [], "value": []}) for _ in range(2))
        self._beside = ColumnDataSource({"numbers": [], "values": [], "colour": []})
        drawn.multi_line(
            "numbers", "values", source=self._beside, color="colour", line_dash="dashed"
        )
        drawn.y_range.renderers = [drawn.line("number", "value", source=self._now, color=AFTER)]
        drawn.scatter("number", "value", source=self._now, color=AFTER, size=5)
        drawn.scatter(
            "number", "value", source=self._chosen, size=13, fill_alpha=0, line_color=OTHER,
            line_width=2,
        )  # fmt: skip
        drawn.on_event(Tap, lambda event: self._tapped(event.x))
        self.figure = drawn

    def show(self, view: View | None, beside: Sequence[View] = ()) -> None:
        """Show the spectrum of a view, and those of others dashed."""
        values = np.zeros(0) if view is None else _eigenvalues(view)
        self._now.data = {"number": np.arange(1, len(values) + 1), "value": values}
        others = [_eigenvalues(each) for each in beside]
        self._beside.data = {
            "numbers": [np.arange(1, len(each) + 1) for each in others],
            "values": others,
            "colour": list(COLOURS[1 : len(others) + 1]),
        }
        self.mark()

    def mark(self) -> None:
        """Ring the eigenvalue whose eigenvector is chosen."""
        values, number = self._now.data["value"], self._state.eigenvector
        there = self._state.overlay == EIGENVECTOR and number <= len(values)
        self._chosen.data = {
            "number": [number] * there,
            "value": [values[number - 1]] if there else [],
        }

    def _tapped(self, x: int | float | None) -> None:
        if x is not None and len(self._now.data["value"]):
            number = min(max(round(x), 1), len(self._now.data["value"]))
            self._state.param.update(overlay=EIGENVECTOR, eigenvector=number)


def _eigenvalues(view: View) -> Float[np.ndarray, "eigenvalues"]:
    return np.asarray(view.spectrum.eigenvalues.clip(min=FLOOR))


class EigenvectorPictures:
    """Small pictures of eigenvectors, from the second on; a click makes one the overlay.

    Args:
        state: state of the workspace.

    Attributes:
        figures: bokeh figures.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._sources = [
            ColumnDataSource({"image": [], "dw": [], "dh": []}) for _ in range(VECTORS)
        ]
        self._seeds = ColumnDataSource({"x": [], "y": []})
        self._mappers = [LinearColorMapper(palette=DIVERGING) for _ in range(VECTORS)]
        # Words in the picture: a title that changes makes the browser lay out the figure again.
        self._words = [
            Label(
                x=2, y=2, x_units="screen", y_units="screen", text="", text_font_size="8pt",
                background_fill_color="white", background_fill_alpha=0.7,
            )
            for _ in range(VECTORS)
        ]  # fmt: skip
        self.figures = [self._made(i) for i in range(VECTORS)]

    def _made(self, i: int) -> Any:
        drawn: Any = figure(
            width=104, height=104, match_aspect=True, tools="", toolbar_location=None, min_border=2,
            x_range=DataRange1d(range_padding=0),
            y_range=DataRange1d(range_padding=0, flipped=True), title=f"eigenvector {i + 2}",
        )  # fmt: skip
        drawn.axis.visible = drawn.grid.visible = False
        drawn.outline_line_color = None
        drawn.title.update(text_font_size="8pt", standoff=1)
        drawn.image(
            "image", x=-0.5, y=-0.5, dw="dw", dh="dh", source=self._sources[i],
            color_mapper=self._mappers[i],
        )  # fmt: skip
        drawn.scatter(
            "x", "y", source=self._seeds, size=6, fill_alpha=0, line_color="black", line_width=1.5
        )
        drawn.add_layout(self._words[i])
        drawn.on_event(
            Tap, lambda _: self._state.param.update(overlay=EIGENVECTOR, eigenvector=i + 2)
        )
        return drawn

    def show(self, view: View | None) -> None:
        """Show the eigenvectors of a view."""
        count = 0 if view is None else min(VECTORS, view.eigenvectors - 1)
        for i, source in enumerate(self._sources):
            if view is None or i >= count:
                source.data = {"image": [], "dw": [], "dh": []}
                self._words[i].text = ""
                continue
            values = view.eigenvector(i + 2).astype(np.float32)
            coarse = max(1, max(values.shape) // _SIDE)
            values = values[::coarse, ::coarse]
            end = robust_maximum(values)
            self._mappers[i].update(low=-end, high=end)
            height, width = view.size
            source.data = {"image": [values], "dw": [width], "dh": [height]}
            self._words[i].text = f"λ = {view.snapshot.eigenvalues[i + 1]:.3f}"
        self.mark()

    def mark(self) -> None:
        """Mark the clicked pixels."""
        pixels = self._state.pixels if any(len(s.data["image"]) for s in self._sources) else []
        self._seeds.data = {"x": [x for _, x in pixels], "y": [y for y, _ in pixels]}


class Timeline:
    """A measurement over the steps, with snapshots and alarms as ticks; a click or drag scrubs.

    Args:
        state: state of the workspace.

    Attributes:
        figure: bokeh figure.
        log: whether its vertical axis is logarithmic, as the state's was when it was made.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.log = state.logarithmic
        self._steps: list[int] = []
        drawn: Any = figure(
            sizing_mode="stretch_width", height=150, tools="xwheel_zoom,reset,save",
            x_axis_label="step", toolbar_location="right", y_range=DataRange1d(),
            y_axis_type="log" if state.logarithmic else "linear",
        )  # fmt: skip
        drawn.toolbar.autohide = True
        drawn.axis.axis_label_text_font_size = "9pt"
        drawn.xaxis.ticker = BasicTicker(min_interval=1)
        self._raw, self._smooth = (ColumnDataSource({"step": [], "value": []}) for _ in range(2))
        self._beside = ColumnDataSource({"steps": [], "values": [], "colour": []})
        drawn.toolbar.logo = None
        drawn.y_range.renderers = [
            drawn.line("step", "value", source=self._raw, color=BEFORE, width=0.8, alpha=0.5),
            drawn.multi_line(
                "steps", "values", source=self._beside, color="colour", line_dash="dashed"
            ),
            drawn.line("step", "value", source=self._smooth, color=AFTER, width=2),
        ]
        drawn.extra_y_ranges = {"ticks": Range1d(start=0, end=1)}
        self._ticks = ColumnDataSource({"step": [], "height": [], "colour": []})
        drawn.segment(
            "step", 0, "step", "height", source=self._ticks, color="colour", width=2,
            y_range_name="ticks",
        )  # fmt: skip
        self._now = Span(dimension="height", line_color=OTHER, line_width=2, location=0)
        drawn.add_layout(self._now)
        for event in (Tap, Pan):
            drawn.on_event(event, lambda event: self._scrub(event.x))
        self.figure = drawn

    def show(
        self,
        values: pd.Series,
        beside: Sequence[pd.Series],
        steps: Sequence[int],
        alarms: Sequence[int],
    ) -> None:
        """Show a measurement, the same of other runs, steps of snapshots, steps of alarms."""
        self._steps = list(steps)
        for source, line in ((self._raw, values), (self._smooth, smoothed(values))):
            each = _drawn(line)
            source.data = {"step": each.index.to_numpy(), "value": each.to_numpy(float)}
        others = [_drawn(line) for line in beside]
        self._beside.data = {
            "steps": [each.index.to_numpy() for each in others],
            "values": [each.to_numpy(float) for each in others],
            "colour": list(islice(cycle(COLOURS[1:]), len(others))),
        }
        self._ticks.data = {
            "step": [*steps, *alarms],
            "height": [0.09] * len(steps) + [0.18] * len(alarms),
            "colour": [MUTED] * len(steps) + [_ALARM] * len(alarms),
        }
        self.figure.yaxis.axis_label = self._state.metric
        self.mark()

    def mark(self) -> None:
        """Draw the line at the present step."""
        self._now.location = self._state.step

    def _scrub(self, x: int | float | None) -> None:
        if x is not None and self._steps:
            self._state.step = min(self._steps, key=lambda step: abs(step - x))


def _drawn(line: pd.Series) -> pd.Series:
    return thinned(line[np.isfinite(line)])
