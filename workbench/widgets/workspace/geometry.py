"""Geometry of layers over the steps of runs: ω², stable dimension, effective rank, angles."""

from collections.abc import Sequence
from html import escape
from itertools import cycle, starmap
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.events import Tap
from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, HoverTool
from bokeh.models.annotations import Span
from bokeh.models.widgets import Div
from bokeh.plotting import figure

from workbench.runs import Run
from workbench.runs.geometry import (
    ANGLE,
    CEILING,
    DIMENSION,
    OFF,
    RANK,
    RATIO,
    SAMPLES,
    WIDTH,
    geometry_layers,
)
from workbench.views.style import COLOURS, OTHER
from workbench.views.training.decimate import thinned
from workbench.widgets.served import in_one_message
from workbench.widgets.workspace.measured import Measured, of_run
from workbench.widgets.workspace.state import State

CHARTS = {WIDTH: "ω²", DIMENSION: "stable dim.", RANK: "effective rank", ANGLE: "angle, rad"}
"""Charts by figure, with the name of the vertical axis; the first is logarithmic."""
COLUMNS = {
    WIDTH: "ω²", CEILING: "ceiling", DIMENSION: "dim.", RANK: "rank", ANGLE: "angle",
    RATIO: "÷ input", OFF: "off",
}  # fmt: skip
"""Columns of the table by figure."""
EMPTY = (
    "No geometry of layers is recorded here. It is measured while a network trains: by "
    "<code>training.geometry([&quot;layer4&quot;], images)</code> after "
    "<code>workbench.record</code> in a loop of your own, by <code>--geometry head.1</code> of "
    "<code>workbench train</code>, or <code>workbench.watch(run, geometry=[&quot;head.1&quot;])"
    "</code>. For a network that does not train there is <code>workbench geometry</code>."
)
_CELL = '<td style="padding:0 7px 1px 0;white-space:nowrap">{}</td>'
_GREY = "color:#6d737c"


class GeometryChart:
    """Charts of the geometry of layers, with a table at the present step; a click scrubs.

    Args:
        state: state of the workspace.
        wide: whether there is room for larger charts and a row of the table a layer, not two.

    Attributes:
        figures: bokeh figures, one for each of `CHARTS`.
        legend: names of the layers in their colours.
        table: figures at the measurement nearest to the present step.
    """

    def __init__(self, state: State, wide: bool = False) -> None:
        self._state, self._wide = state, wide
        self._main = Measured()
        self._colours: dict[str, str] = {}
        """Layers, each with its colour."""
        self._steps: list[int] = []
        self.legend, self.table = (Div(sizing_mode="stretch_width") for _ in range(2))
        self._sources: dict[str, dict[str, ColumnDataSource]] = {}
        self._marks: list[Span] = []
        self.figures: list[Any] = []
        steps = DataRange1d()
        for name, axis in CHARTS.items():
            self.figures.append(self._made(name, axis, steps, 250 if wide else 112))
        for drawn in self.figures if wide else self.figures[-1:]:
            drawn.update(height=drawn.height + 18)
            drawn.xaxis.axis_label = "step"

    def _made(self, name: str, axis: str, steps: DataRange1d, height: int) -> Any:
        drawn: Any = figure(
            sizing_mode="stretch_width", height=height, min_width=220, x_range=steps,
            y_range=DataRange1d(), y_axis_type="log" if name == WIDTH else "linear",
            y_axis_label=axis, tools="xwheel_zoom,reset,save",
            toolbar_location="right", min_border_left=64,
        )  # fmt: skip
        drawn.toolbar.autohide, drawn.toolbar.logo = True, None
        drawn.axis.axis_label_text_font_size = "9pt"
        drawn.xaxis.ticker = BasicTicker(min_interval=1)
        drawn.yaxis.minor_tick_line_color = None
        self._sources[name] = sources = {
            each: ColumnDataSource({"xs": [], "ys": [], "colour": [], "name": []})
            for each in ("lines", "beside", "dots")
        }
        lines, beside, dots = sources.values()
        solid = drawn.multi_line("xs", "ys", source=lines, color="colour", line_width=1.8)
        dashed = drawn.multi_line(
            "xs", "ys", source=beside, color="colour", line_width=1.4, line_dash="dashed"
        )
        drawn.scatter("xs", "ys", source=dots, color="colour", size=4)
        tips = [("", "@name"), ("step", "$x{0}"), (axis, "$y")]
        drawn.add_tools(HoverTool(renderers=[solid, dashed], tooltips=tips))
        mark = Span(dimension="height", line_color=OTHER, line_width=2, location=0)
        drawn.add_layout(mark)
        self._marks.append(mark)
        drawn.on_event(Tap, lambda event: self._scrub(event.x))
        return drawn

    def show(self, runs: Sequence[Measured], steps: Sequence[int] = ()) -> None:
        """Show the layers of runs.

        Args:
            runs: measurements of the runs, the main one first.
            steps: steps to which a click goes; none: those of the measurements.
        """
        self._main = runs[0]
        layers = geometry_layers(dict.fromkeys(name for run in runs for name in run.series))
        self._colours = dict(zip(layers, cycle(COLOURS), strict=False))
        self._steps = list(steps) or self._measured_steps()
        for name, sources in zip(CHARTS, self._sources.values(), strict=True):
            own = [(layer, layer, self._line(runs[0], layer, name)) for layer in self._colours]
            others = [
                (layer, f"{layer}, {run.name}", self._line(run, layer, name))
                for run in runs[1:]
                for layer in self._colours
            ]
            for key, found in (("lines", own), ("beside", others)):
                sources[key].data = {
                    "xs": [line.index.to_numpy(float) for _, _, line in found],
                    "ys": [line.to_numpy(float) for _, _, line in found],
                    "colour": [self._colours[layer] for layer, _, _ in found],
                    "name": [words for _, words, _ in found],
                }
            sources["dots"].data = {
                "xs": np.concatenate([*(line.index for _, _, line in own), np.zeros(0)]),
                "ys": np.concatenate([*(line for _, _, line in own), np.zeros(0)]),
                "colour": [self._colours[layer] for layer, _, line in own for _ in line],
                "name": [layer for layer, _, line in own for _ in line],
            }
        for drawn in self.figures:
            drawn.visible = bool(self._colours)
        self.table.visible = bool(self._colours)
        self._write_legend([run.name for run in runs[1:] if geometry_layers(run.series)])
        self.mark()

    def mark(self) -> None:
        """Mark the present step, and write its figures."""
        for mark in self._marks:
            mark.location = self._state.step
            mark.visible = self._state.step >= 0
        self._write_table()

    def _line(self, run: Measured, layer: str, name: str) -> pd.Series:
        values = run.values(f"{layer} {name}")
        values = values[np.isfinite(values)]
        return thinned(values[values > 0] if name == WIDTH else values)

    def _measured_steps(self) -> list[int]:
        """Steps at which the main run's layers were measured, ascending."""
        each = (self._main.values(f"{layer} {OFF}").index for layer in self._colours)
        return sorted({int(step) for steps in each for step in steps})

    def _write_legend(self, others: Sequence[str]) -> None:
        if not self._colours:
            self.legend.text = f'<p style="{_GREY};margin:6px 10px;font-size:12px">{EMPTY}</p>'
            return
        names = " ".join(starmap(_named, self._colours.items()))
        dashed = f'<div style="{_GREY}">dashed: {escape(", ".join(others))}</div>' if others else ""
        self.legend.text = f'<div style="font-size:12px;margin:2px 6px">{names}{dashed}</div>'

    def _write_table(self) -> None:
        steps = self._measured_steps()
        if not steps:
            self.table.text = ""
            return
        asked = self._state.step
        step = steps[-1] if asked < 0 else min(steps, key=lambda each: abs(each - asked))
        count = self._main.values(SAMPLES).get(step)
        of = "" if count is None else f", {count:.0f} samples"
        head = "".join(_CELL.format(words) for words in (*[""] * self._wide, *COLUMNS.values()))
        between = "</td>" if self._wide else "</td></tr><tr>"
        rows = [
            f'<tr><td colspan="{1 if self._wide else len(COLUMNS)}">'
            f"{_named(layer, colour)}{between}"
            + "".join(_CELL.format(self._value(layer, name, step)) for name in COLUMNS) + "</tr>"
            for layer, colour in self._colours.items()
        ]  # fmt: skip
        self.table.text = (
            f'<div style="font-size:11px;margin:2px 6px;overflow-x:auto">measured at step {step}'
            f'{of}<table><tr style="{_GREY}">{head}</tr>{"".join(rows)}</table></div>'
        )

    def _value(self, layer: str, name: str, step: int) -> str:
        values = self._main.series.get(f"{layer} {name}")
        value = np.nan if values is None else float(values.get(step, np.nan))
        if name == OFF:
            return f"{value:.0%}" if np.isfinite(value) else "–"
        return f"{value:.3g}" if np.isfinite(value) else "–"

    def _scrub(self, x: int | float | None) -> None:
        if x is not None and self._steps:
            self._state.step = min(self._steps, key=lambda step: abs(step - x))


def _named(layer: str, colour: str) -> str:
    """Layer with a line in its colour, in HTML."""
    return (
        f'<span style="white-space:nowrap;margin-right:10px"><b style="color:{colour}">━</b> '
        f"{escape(layer)}</span>"
    )


class GeometryPage:
    """Geometry of the layers of runs on a page of its own; the curves of others are dashed.

    Args:
        runs: the runs, the main one first.
        state: state of the workspace.
        names: names of the runs; default: those of their folders.

    Attributes:
        chart: charts, legend and table.
    """

    def __init__(
        self, runs: Sequence[Run], state: State | None = None, names: Sequence[str] = ()
    ) -> None:
        self.state = state or State()
        self._runs, self._names = list(runs), [*names] or [each.path.name for each in runs]
        self.chart = GeometryChart(self.state, wide=True)
        self._watcher = self.state.param.watch(lambda _: self.chart.mark(), ["step"])
        self._alarms = Div(sizing_mode="stretch_width")
        self.refresh()

    @in_one_message()
    def refresh(self) -> None:
        """Read the runs again."""
        found = [of_run(run, name) for run, name in zip(self._runs, self._names, strict=True)]
        self.chart.show(found)
        said = (f"<div>{escape(words)}</div>" for words in found[0].alarms.values())
        self._alarms.visible = bool(found[0].alarms)
        self._alarms.text = f'<div style="color:#c62828;margin:4px 8px">{"".join(said)}</div>'

    def panel(self) -> pn.Column:
        """Layout of legend, charts and table."""
        pane = pn.pane.Bokeh
        charts = [pane(each, sizing_mode="stretch_width", margin=4) for each in self.chart.figures]
        return pn.Column(
            pane(self._alarms, sizing_mode="stretch_width"),
            pane(self.chart.legend, sizing_mode="stretch_width"),
            pn.GridBox(*charts, ncols=2, sizing_mode="stretch_width"),
            pane(self.chart.table, sizing_mode="stretch_width"),
            sizing_mode="stretch_both",
            scroll=True,
        )

    def close(self) -> None:
        """Stop to answer the state."""
        self.state.param.unwatch(self._watcher)
