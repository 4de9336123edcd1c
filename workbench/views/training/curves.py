"""Curves of a training: objective, alignment with annotators' segments, covering, ranks."""

import holoviews as hv
import pandas as pd

from workbench.views.panels import row
from workbench.views.style import AFTER, BEFORE, as_chart, styled
from workbench.views.training.decimate import thinned

_WINDOWS = 12
"""Length of a training divided by the window of its running means."""


def training_curves(metrics: pd.DataFrame) -> hv.Layout:
    """Layout of all curves with measurements.

    Args:
        metrics: `Run.metrics()`: a row a step, a column a name.
    """
    panels = []
    if "loss" in metrics:
        panels.append(raw_and_smooth(metrics["loss"], "Objective", "J"))
    if "alignment" in metrics:
        panels.append(
            raw_and_smooth(metrics["alignment"], "Alignment with human segments", "Tr(ΠΠ′)/k")
        )
    if "covering_best" in metrics:
        panels.append(held_out_covering(metrics))
    if "rank" in metrics:
        panels.append(raw_and_smooth(metrics["rank"], "Rank of the affinity", "rank"))
    if "effective_rank_held_out" in metrics:
        panels.append(effective_rank(metrics))
    return row(panels, columns=2)


def raw_and_smooth(values: pd.Series, title: str, name: str) -> hv.Overlay:
    """Chart of every step as a faint line, with the running mean over it.

    Args:
        values: indexed by step; NaN where nothing was measured.
        title: title of the chart.
        name: name of the quantity, with its unit.
    """
    values = values.dropna().astype(float)
    smooth = smoothed(values)
    drawn = faint(thinned(values), name) * line(thinned(smooth), name)
    return as_chart(drawn.relabel(title), ylabel=name)


def faint(values: pd.Series, name: str) -> hv.Curve:
    """Faint line of the values of every step, behind their running mean."""
    return styled(
        hv.Curve((values.index, values), "step", name),
        common={"color": BEFORE, "alpha": 0.45},
        bokeh={"line_width": 0.8},
        matplotlib={"linewidth": 0.6},
    )


def smoothed(values: pd.Series) -> pd.Series:
    """Running mean over a twelfth of the training; `values` without NaN."""
    window = max(1, len(values) // _WINDOWS)
    return values.rolling(window, center=True, min_periods=1).mean()


def held_out_covering(metrics: pd.DataFrame) -> hv.Overlay:
    """Best and average covering of the held-out training scenes, before training and every pass.

    Args:
        metrics: `Run.metrics()` with columns covering_best and covering_average.
    """
    lines = []
    for name, dash in (("best", "solid"), ("average", "dashed")):
        values = metrics[f"covering_{name}"].dropna()
        lines += [line(values, "covering", name, dash), _dots(values, "covering", name)]
    return as_chart(
        hv.Overlay(lines).relabel("Covering of held-out scenes"),
        ylabel="covering",
        legend_position="bottom_right",
    )


def effective_rank(metrics: pd.DataFrame) -> hv.Overlay:
    """Effective rank of the affinity of held-out scenes, before training and after every pass.

    Args:
        metrics: `Run.metrics()` with a column effective_rank_held_out.
    """
    values = metrics["effective_rank_held_out"].dropna()
    curve = line(values, "effective rank") * _dots(values, "effective rank")
    return as_chart(curve.relabel("Effective rank of W on held-out scenes"))


def _dots(values: pd.Series, name: str, label: str = "") -> hv.Scatter:
    return styled(
        hv.Scatter((values.index, values), "step", name, label=label),
        common={"color": AFTER},
        bokeh={"size": 6},
        matplotlib={"s": 16},
    )


def line(values: pd.Series, name: str, label: str = "", dash: str = "solid") -> hv.Curve:
    """Line of values over steps."""
    return styled(
        hv.Curve((values.index, values), "step", name, label=label),
        common={"color": AFTER},
        bokeh={"line_width": 2, "line_dash": dash},
        matplotlib={"linewidth": 1.8, "linestyle": dash},
    )
