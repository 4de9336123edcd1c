"""Table 2 as a picture: every row's coverings with their intervals, beside the paper's figures."""

from collections.abc import Iterable, Mapping
from typing import Any

import holoviews as hv

from workbench.views.style import AFTER, as_chart, styled

MEASURES = {"best": AFTER, "average": "#d1661c"}
"""Coverings, with their colours."""
REFERENCES = {
    "gPb-owt-ucm": {"best": 0.741, "average": 0.634},
    "another human": {"best": 0.832, "average": 0.728},
}
"""On BSDS300's test images, by this package's evaluation of the benchmark's own hierarchies, eight
segmentations each, and of the annotators against each other."""
_DASHES = ("dotted", "dashed")
_DIMENSIONS = ("covering", "row")


def covering_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """A row for each column and way to cut: best and average covering, with 95 % intervals.

    Hollow dots are the paper's figures. Vertical lines are what reference methods reach on the test
    images.

    Args:
        values: of `experiments.table2_assembly.assemble`, or table2.json.
    """
    rows = list(values["rows"])
    places = range(len(rows), 0, -1)
    top = len(rows) + 0.6
    parts: list[hv.Element] = []
    if values["split"] == "test":
        for (name, figures), dash in zip(REFERENCES.items(), _DASHES, strict=True):
            parts += [_line(figures[m], top, dash, MEASURES[m], f"{name}, {m}") for m in MEASURES]
    for measure, colour in MEASURES.items():
        found = [(place, row["mean"][measure]) for place, row in zip(places, rows, strict=True)]
        bars = [(one["low"], place, one["high"], place) for place, one in found if one["low"]]
        parts.append(_intervals(bars, colour))
        parts.append(_dots([(one["mean"], p) for p, one in found], colour, colour, measure))
        theirs = [
            (row["paper"][measure], place)
            for place, row in zip(places, rows, strict=True)
            if row["paper"] and row["cut"] == "flat"
        ]
        parts.append(_dots(theirs, "white", colour, f"the paper's {measure}"))
    names = [f"{row['title']} · {row['cut']}" for row in rows]
    chart = as_chart(
        hv.Overlay(parts),
        xlabel="covering of BSDS300's images, eight segmentations each",
        ylabel="",
        yticks=list(zip(places, names, strict=True)),
        ylim=(0.4, top),
        padding=(0.03, 0),
    )
    return styled(
        chart,
        bokeh={
            "frame_width": 460,
            "frame_height": max(24 * len(rows) + 20, 240),  # the legend needs as much
            "legend_position": "right",
        },
        matplotlib={
            "fig_inches": (8.4, max(0.27 * len(rows) + 0.5, 1.8)),
            "legend_position": "right",
            "fontsize": {"yticks": 8, "xticks": 8, "legend": 7.5, "xlabel": 8.5},
        },
    )


def _line(value: float, top: float, dash: str, colour: str, label: str) -> hv.Curve:
    return styled(
        hv.Curve([(value, 0.4), (value, top)], *_DIMENSIONS, label=f"{label}: {value:.3f}"),
        common={"color": colour, "alpha": 0.8},
        bokeh={"line_width": 1.2, "line_dash": dash},
        matplotlib={"linewidth": 1.0, "linestyle": dash},
    )


def _intervals(bars: Iterable[tuple[float, int, float, int]], colour: str) -> hv.Segments:
    return styled(
        hv.Segments(list(bars), ["low", "row", "high", "row_end"]),
        common={"color": colour, "alpha": 0.45},
        bokeh={"line_width": 4},
        matplotlib={"linewidth": 3.5},
    )


def _dots(points: Iterable[tuple[float, int]], fill: str, edge: str, label: str) -> hv.Scatter:
    return styled(
        hv.Scatter(list(points), *_DIMENSIONS, label=label),
        common={"color": fill},
        bokeh={"size": 8, "line_color": edge},
        matplotlib={"s": 26, "edgecolors": edge},
    )
