"""Charts of a running training, and the values of their lines.

A chart is made once, empty (`live_chart`); its lines then get new values as the training goes on
(`live_lines`), which are matched by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import ColumnDataSource, DataRange1d, LogTicker, Range1d
from bokeh.plotting import figure

from workbench.runs.geometry import ANGLE, DIMENSION, RANK, WIDTH, geometry_layers
from workbench.runs.measurements import Metrics
from workbench.runs.ratios import CLOSEST_IN, CLOSEST_OUT, FARTHEST_IN, FARTHEST_OUT, RANDOM_AUC
from workbench.views.style import BEFORE, COLOURS, shortened
from workbench.views.training.curves import smoothed
from workbench.views.training.decimate import thinned, visible

POINTS = 800
"""Approximate number of drawn points of a line: more than a chart has columns of pixels."""
SIZE = (225, 140)
"""Width and height of a chart, screen pixels."""
TITLE_LENGTH = 34
"""Characters of a title that have room above a chart."""
LEGEND_LENGTH = 22
"""Characters of a line's label that have room beside a chart."""
TOOLS = "xpan,xbox_zoom,xwheel_zoom,reset"
BORDER = 78
"""Left margin of every chart, screen pixels: charts below each other are then aligned."""
SMOOTH = ":smooth"
"""Suffix of a measurement's name for its running mean."""


@dataclass(frozen=True)
class Chart:
    """Definition of one chart.

    Attributes:
        title: title above the chart.
        axis: name of the values, with their unit.
        lines: label of a line by the name of its measurement; empty where there is only one.
        every_step: measured at every step, and drawn with its running mean; otherwise measured at
            evaluations on held-out samples.
        log: whether the axis is logarithmic.
        legend: position of the legend, if there are several lines; "right": beside the chart; "":
            there is none, as the lines are those of another chart.
    """

    title: str
    axis: str
    lines: Mapping[str, str]
    every_step: bool = True
    log: bool = False
    legend: str = "top_left"


CHARTS = (
    Chart("Objective", "loss", {"loss": ""}),
    Chart(
        "Covering of held-out scenes",
        "covering",
        {"covering_best": "best", "covering_average": "average"},
        every_step=False,
        legend="bottom_right",
    ),
    Chart("Error on held-out samples", "top-1 error", {"held_out_error": ""}, every_step=False),
    Chart("Learning rate", "learning rate", {"learning_rate": ""}, every_step=False),
    Chart(
        "Rank of W, held-out scenes",
        "rank",
        {"effective_rank_held_out": "effective", "rank_held_out": "numerical"},
        every_step=False,
        log=True,
    ),
    Chart("Effective rank of pooled features", "effective rank", {"effective_rank": ""}),
    Chart(
        "Eigengap, held-out scenes",
        "λₖ − λₖ₊₁",
        {"eigengap_held_out": "mean", "narrowest_eigengap_held_out": "narrowest"},
        every_step=False,
        log=True,
        legend="bottom_right",
    ),
    Chart("Condition of the gradient", "κ²", {"condition": ""}, log=True),
    Chart("Gradient", "norm", {"gradient_norm": ""}, log=True),
)
LAYER_FIGURES = ("effective rank", "mean cosine")
"""Figures of layers of a foreign network that get a chart each, see `probe.TrainingRecord`."""
GEOMETRY = {
    WIDTH: ("ω² by layer", "ω²"),
    DIMENSION: ("Stable dimension by layer", "ω²/diam²"),
    RANK: ("Effective rank by layer", "effective rank"),
    ANGLE: ("Angle of pairs by layer", "median, radians"),
}
"""Title and axis of the charts of the geometry of layers, see `runs.geometry`."""
RATIOS = {
    FARTHEST_IN: ("Farthest in class", "median ratio"),
    FARTHEST_OUT: ("Farthest out of class (control)", "median ratio"),
    CLOSEST_OUT: ("Closest out of class", "median ratio"),
    CLOSEST_IN: ("Closest in class (control)", "median ratio"),
    RANDOM_AUC: ("Random pairs: P(inter > intra)", "AUC"),
}
"""Title and axis of the charts of distance ratios of triplets by layer, see `runs.ratios`."""


def measured_charts(names: Iterable[str]) -> tuple[Chart, ...]:
    """Charts with at least one measurement.

    Args:
        names: names of the measurements.
    """
    there = list(names)
    known = tuple(chart for chart in CHARTS if chart.lines.keys() & set(there))
    layers = tuple(
        Chart(
            f"{figure.capitalize()} of {name.removesuffix(figure).strip()}",
            figure,
            {name: ""},
            False,
        )
        for figure in LAYER_FIGURES
        for name in there
        if name.endswith(f" {figure}")
    )
    ratios = [str(n).removesuffix(f" {RANDOM_AUC}") for n in there if n.endswith(f" {RANDOM_AUC}")]
    return (
        known
        + layers
        + _charts_by_layer(GEOMETRY, geometry_layers(there))
        + _charts_by_layer(RATIOS, ratios)
    )


def _charts_by_layer(
    figures: Mapping[str, tuple[str, str]], layers: Sequence[str]
) -> tuple[Chart, ...]:
    """Charts of figures, a line a layer; the last one has the legend for all of them."""
    if not layers:
        return ()
    charts, last = [], list(figures)[-1]
    for name, (title, axis) in figures.items():
        lines = {f"{layer} {name}": shortened(layer, LEGEND_LENGTH) for layer in layers}
        legend = "right" if name == last else ""
        charts.append(Chart(title, axis, lines, False, name == WIDTH, legend))
    return tuple(charts)


def live_chart(chart: Chart, steps: Range1d) -> tuple[figure, dict[str, str]]:
    """Chart without values.

    The chart is made by bokeh itself: HoloViews is made for one thread, and a monitor makes charts
    in a thread of its own while cells draw.

    Args:
        chart: definition of the chart.
        steps: range of the horizontal axis.

    Returns:
        Figure, and the name of a line of `live_lines` by the id of its data source.
    """
    width, height = SIZE
    drawn: Any = figure(  # bokeh's own types refuse what it documents
        title=shortened(chart.title, TITLE_LENGTH),
        frame_width=width,
        frame_height=height,
        x_range=steps,
        y_range=DataRange1d(),
        y_axis_type="log" if chart.log else "linear",
        x_axis_label="step",
        y_axis_label=chart.axis,
        tools=TOOLS,
        active_drag="xpan",
        toolbar_location="right",
        min_border_left=BORDER,
    )
    drawn.title.text_font_size = "9.5pt"
    drawn.toolbar.autohide = True
    for axis in (drawn.xaxis, drawn.yaxis):
        axis.minor_tick_line_color = None  # they crowd a small chart with a logarithmic axis
    if chart.log:  # otherwise a range within one decade gets a label at each of its digits
        drawn.yaxis.ticker = LogTicker(mantissas=[1, 2, 5], desired_num_ticks=4)
    sources: dict[str, str] = {}

    def source(name: str) -> ColumnDataSource:
        made = ColumnDataSource({"step": [], "value": []})
        sources[made.id] = name
        return made

    for (name, words), colour in zip(chart.lines.items(), cycle(COLOURS), strict=False):
        label = {"legend_label": words} if words and chart.legend else {}
        own = source(name)
        if chart.every_step:
            drawn.line("step", "value", source=own, color=BEFORE, width=0.8, alpha=0.45)
            own = source(name + SMOOTH)
        drawn.line("step", "value", source=own, color=colour, width=2.0, **label)
        if not chart.every_step and name != "learning_rate":
            drawn.scatter("step", "value", source=own, color=colour, size=5)
    if drawn.legend:
        if chart.legend == "right":
            drawn.add_layout(drawn.legend[0], "right")
        else:
            drawn.legend.location = chart.legend
        drawn.legend.background_fill_alpha = 0.6
        drawn.legend.padding = 3
        drawn.legend.label_text_font_size = "8pt"
    return drawn, sources


def live_lines(
    metrics: Metrics, charts: Iterable[Chart], window: tuple[float, float] | None = None
) -> dict[str, pd.Series]:
    """Values of the lines of charts, thinned to the resolution of a chart.

    Args:
        metrics: `Run.series()` or `Run.metrics()`.
        charts: charts to draw.
        window: visible range of steps; None: all.

    Returns:
        Values by name of the line, indexed by step, without NaN, and positive where the chart is
        logarithmic.
    """
    found = {}
    for chart in charts:
        for name in chart.lines:
            values = metrics[name].dropna() if name in metrics else pd.Series(dtype=float)
            values = values[np.isfinite(values)]
            if chart.log:
                values = values[values > 0]
            found[name] = thinned(visible(values, window), POINTS)
            if chart.every_step:
                found[name + SMOOTH] = thinned(visible(smoothed(values), window), POINTS)
    return found
