"""Charts of a running training, and the values of their lines.

A chart is made once, empty (`live_chart`); its lines then get new values as the training goes on
(`live_lines`), which are matched by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from workbench.views.style import AFTER, BEFORE, OTHER, as_chart, styled
from workbench.views.training.curves import smoothed
from workbench.views.training.decimate import thinned, visible

POINTS = 800
"""Approximate number of drawn points of a line: more than a chart has columns of pixels."""
SIZE = (225, 140)
"""Width and height of a chart, screen pixels."""
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
        legend: position of the legend, if there are several lines.
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
    Chart("Error on held-out regions", "top-1 error", {"held_out_error": ""}, every_step=False),
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
        "Eigengap at the cut, held-out scenes",
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
_COLOURS = (AFTER, OTHER)


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
    return known + layers


def live_chart(chart: Chart) -> tuple[hv.Overlay, list[str]]:
    """Chart without values, and the names of its elements' lines.

    Returns:
        Chart, and for each of its elements, in order, the name of a line of `live_lines`.
    """
    drawn, names = [], []
    for (name, words), colour in zip(chart.lines.items(), _COLOURS, strict=False):
        if chart.every_step:
            drawn += [_curve("", BEFORE, 0.8, 0.45), _curve(words, colour, 2.0)]
            names += [name, name + SMOOTH]
        else:
            drawn += [_curve(words, colour, 2.0)]
            names += [name]
            if name != "learning_rate":
                drawn += [_dots(colour)]
                names += [name]
    width, height = SIZE
    whole = as_chart(
        hv.Overlay(drawn).relabel(chart.title), ylabel=chart.axis, logy=chart.log, xlabel="step"
    )
    whole.opts(
        backend="bokeh",
        frame_width=width,
        frame_height=height,
        hooks=[_quiet],
        legend_position=chart.legend,
        legend_opts={"background_fill_alpha": 0.6, "padding": 3, "label_text_font_size": "8pt"},
    )
    return whole, names


def live_lines(
    metrics: pd.DataFrame, charts: Iterable[Chart], window: tuple[float, float] | None = None
) -> dict[str, pd.Series]:
    """Values of the lines of charts, thinned to the resolution of a chart.

    Args:
        metrics: `Run.metrics()`.
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


def _quiet(plot: Any, element: hv.Element | hv.Overlay) -> None:
    """Hook that removes minor ticks, which crowd a small chart with a logarithmic axis."""
    for axis in (*plot.state.xaxis, *plot.state.yaxis):
        axis.minor_tick_line_color = None


def _curve(label: str, colour: str, width: float, alpha: float = 1.0) -> hv.Curve:
    return styled(
        hv.Curve([], "step", "value", label=label),
        common={"color": colour, "alpha": alpha},
        bokeh={"line_width": width},
        matplotlib={"linewidth": width},
    )


def _dots(colour: str) -> hv.Scatter:
    return styled(
        hv.Scatter([], "step", "value"),
        common={"color": colour},
        bokeh={"size": 5},
        matplotlib={"s": 14},
    )
