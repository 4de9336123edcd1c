"""Table 1 as a picture: every column's error with its interval, beside the paper's."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv

from workbench.views.style import AFTER, BEFORE, as_chart, styled

_DIMENSIONS = ("error, %", "column")


def error_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """A row for each column: its error with the 95 % interval; small dots are its seeds.

    Hollow dots are the paper's figures, on full COCO.

    Args:
        values: of `experiments.table1_assembly.assemble`, or table1.json.
    """
    rows = list(values["rows"])
    places = [float(place) for place in range(len(rows), 0, -1)]
    found = [row["summary"]["error"] for row in rows]
    bars = [
        (100 * each["low"], place, 100 * each["high"], place)
        for each, place in zip(found, places, strict=True)
        if each["low"] is not None
    ]
    spans = styled(
        hv.Segments(bars, ["low", "column", "high", "column_end"]),
        common={"color": AFTER, "alpha": 0.4},
        bokeh={"line_width": 5},
        matplotlib={"linewidth": 4},
    )
    seeds = [
        (100 * error, place)
        for row, place in zip(rows, places, strict=True)
        for error in row["summary"]["seeds"]
    ]
    theirs = [(r["paper"], p) for r, p in zip(rows, places, strict=True) if r["paper"] is not None]
    ours = [(100 * each["mean"], place) for each, place in zip(found, places, strict=True)]
    chart = as_chart(
        hv.Overlay(
            [
                spans,
                _dots(seeds, BEFORE, BEFORE, 4, "seeds"),
                _dots(ours, AFTER, AFTER, 9, "here"),
                _dots(theirs, "white", AFTER, 9, "the paper, full COCO"),
            ]
        ),
        xlabel="top-1 error, %",
        ylabel="",
        yticks=list(zip(places, [row["title"] for row in rows], strict=True)),
        ylim=(0.4, len(rows) + 0.6),
        padding=(0.05, 0),
    )
    return styled(
        chart,
        bokeh={
            "frame_width": 460,
            "frame_height": max(26 * len(rows) + 20, 140),
            "legend_position": "right",
        },
        matplotlib={
            "fig_inches": (7.6, max(0.3 * len(rows) + 0.6, 1.8)),
            "legend_position": "right",
            "fontsize": {"yticks": 8, "xticks": 8, "legend": 7.5, "xlabel": 8.5},
        },
    )


def _dots(
    points: list[tuple[float, float]], fill: str, edge: str, size: int, label: str
) -> hv.Scatter:
    return styled(
        hv.Scatter(points, *_DIMENSIONS, label=label),
        common={"color": fill},
        bokeh={"size": size, "line_color": edge},
        matplotlib={"s": size**2 // 2, "edgecolors": edge},
    )
