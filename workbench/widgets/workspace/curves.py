"""Curves of one measurement of many runs over each other: smoothed, grouped, on any axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, DataRange1d, HoverTool
from bokeh.plotting import figure

from workbench.views.style import COLOURS
from workbench.views.training.decimate import thinned
from workbench.widgets.workspace.measured import Measured
from workbench.widgets.workspace.state import TIME, State

SEEDS_ONLY = "all but the seed"
"""Grouping in which runs of one configuration, whatever the seed, are one curve."""
_POINTS = 400
"""Points of the mean of a group."""
LEGEND = 10
"""Largest number of curves that a legend names; all are named under the pointer."""


@dataclass(frozen=True)
class Curve:
    """Curve of a chart.

    Attributes:
        name: run, or group of runs.
        values: indexed by step, pass or hour, ascending, finite.
        low, high: smallest and largest value of the group at the same places; None for one run.
    """

    name: str
    values: pd.Series
    low: pd.Series | None = None
    high: pd.Series | None = None

    def columns(self) -> dict[str, pd.Series]:
        """Values with both ends of their band, which for one run is no wider than the curve."""
        low = self.values if self.low is None else self.low
        high = self.values if self.high is None else self.high
        return {"value": self.values, "low": low, "high": high}


def curves(
    runs: Sequence[Measured], metric: str, axis: str, smooth: float = 0.0, group: str = ""
) -> list[Curve]:
    """Curves of a measurement; runs that did not take it are left out.

    Args:
        runs: measurements of the runs.
        metric: name of the measurement.
        axis: horizontal axis, see `Measured.values`.
        smooth: part of a curve over which it is averaged, from 0 to 1.
        group: field of the configuration: runs with the same value are one curve, their mean;
            `SEEDS_ONLY`; empty: each run is a curve.
    """
    names: dict[str, str] = {}
    found: dict[str, list[pd.Series]] = {}
    for number, run in enumerate(runs):
        values = run.values(metric, axis).astype(float)
        values = values[np.isfinite(values)]
        if len(values):
            key, name = _group(run, number, group)
            names.setdefault(key, name)
            found.setdefault(key, []).append(averaged(values, smooth))
    return [Curve(_counted(names[key], len(each)), *_mean(each)) for key, each in found.items()]


def averaged(values: pd.Series, part: float) -> pd.Series:
    """Running mean over a part of the values."""
    window = max(1, round(part * len(values)))
    return values.rolling(window, center=True, min_periods=1).mean() if window > 1 else values


def varied(runs: Sequence[Measured]) -> dict[str, list[Any]]:
    """Fields of the configurations that are not the same in all runs, with the runs' values."""
    names = dict.fromkeys(name for run in runs for name in run.config)
    values = {name: [run.config.get(name) for run in runs] for name in names}
    return {name: each for name, each in values.items() if len(set(map(repr, each))) > 1}


def _group(run: Measured, number: int, group: str) -> tuple[str, str]:
    """Key of the group that a run belongs to, and the name of the group if the run is its first."""
    if not group:
        return str(number), run.name
    if group == SEEDS_ONLY:
        others = {n: v for n, v in run.config.items() if not n.split(".")[-1].startswith("seed")}
        return repr(sorted(others.items(), key=repr)), f"like {run.name}"
    name = f"{group} = {run.config.get(group)}"
    return name, name


def _counted(name: str, count: int) -> str:
    return name if count == 1 else f"{name} ({count} runs)"


def _mean(each: Sequence[pd.Series]) -> tuple[pd.Series, pd.Series | None, pd.Series | None]:
    """Mean, smallest and largest value of several curves, of those that are there at a place."""
    if len(each) == 1:
        return each[0], None, None
    places = np.unique(np.concatenate([v.index.to_numpy(float) for v in each]))
    if len(places) > _POINTS:
        places = np.linspace(places[0], places[-1], _POINTS)
    rows = np.stack(
        [
            np.interp(places, v.index.to_numpy(float), v.to_numpy(float), np.nan, np.nan)
            for v in each
        ]
    )
    rows = rows[:, there := np.isfinite(rows).any(0)]
    found = (np.nanmean(rows, 0), np.nanmin(rows, 0), np.nanmax(rows, 0))
    mean, low, high = (pd.Series(row, places[there]) for row in found)
    return mean, low, high


class CurveChart:
    """Chart of one measurement of several runs; its vertical axis is that of the state when made.

    Args:
        state: state of the workspace: axis, smoothing, grouping, logarithm.
        height: height of the chart, screen pixels.

    Attributes:
        figure: bokeh figure.
        curves: what is drawn.
        logarithmic: whether the vertical axis is logarithmic.
    """

    def __init__(self, state: State, height: int = 250) -> None:
        self._state = state
        self.logarithmic = state.logarithmic
        self.curves: list[Curve] = []
        drawn: Any = figure(
            sizing_mode="stretch_width", height=height, min_width=260, y_range=DataRange1d(),
            tools="xwheel_zoom,box_zoom,reset,save", active_drag=None, title="",
            y_axis_type="log" if state.logarithmic else "linear",
        )  # fmt: skip
        drawn.toolbar.autohide, drawn.toolbar.logo = True, None
        drawn.title.text_font_size = "10pt"
        drawn.axis.axis_label_text_font_size = "9pt"
        self._bands = ColumnDataSource({"xs": [], "ys": [], "colour": []})
        self._lines = ColumnDataSource({"xs": [], "ys": [], "colour": [], "name": []})
        drawn.patches("xs", "ys", source=self._bands, color="colour", alpha=0.18, line_width=0)
        lines = drawn.multi_line(
            "xs", "ys", source=self._lines, color="colour", line_width=1.7, legend_field="name"
        )
        self._tip = HoverTool(renderers=[lines], tooltips=[("", "@name"), ("", "$y")])
        drawn.add_tools(self._tip)
        drawn.legend.update(
            location="top_right", label_text_font_size="8pt", glyph_height=12, padding=3,
            spacing=0, background_fill_alpha=0.6, border_line_color=None,
        )  # fmt: skip
        self.figure = drawn

    @property
    def axis(self) -> str:
        """Name of the horizontal axis."""
        return "hours" if self._state.axis == TIME else str(self._state.axis)

    def show(self, runs: Sequence[Measured], metric: str) -> None:
        """Draw a measurement of runs."""
        state = self._state
        self.curves = curves(runs, metric, state.axis, state.smooth, state.group)
        rows: dict[str, list[Any]] = {"xs": [], "ys": [], "colour": [], "name": []}
        bands: dict[str, list[Any]] = {"xs": [], "ys": [], "colour": []}
        for curve, colour in zip(self.curves, cycle(COLOURS), strict=False):
            line = thinned(curve.values)
            for key, value in zip(
                rows, (line.index.to_numpy(float), line.to_numpy(float), colour, curve.name),
                strict=True,
            ):  # fmt: skip
                rows[key].append(value)
            if curve.low is not None and curve.high is not None:
                low, high = curve.low, curve.high
                bands["xs"].append(np.concatenate([low.index, high.index[::-1]]).astype(float))
                bands["ys"].append(np.concatenate([low.to_numpy(), high.to_numpy()[::-1]]))
                bands["colour"].append(colour)
        self._lines.data, self._bands.data = rows, bands
        self.figure.legend.visible = 1 < len(self.curves) <= LEGEND
        negative = any((each.values <= 0).any() for each in self.curves)
        note = " (values ≤ 0 are left out)" if state.logarithmic and negative else ""
        self.figure.title.text = metric + (note if self.curves else ": not measured")
        self.figure.xaxis.axis_label = self.axis
