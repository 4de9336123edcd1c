"""Charts of the hashing table: precision by method and bits, precision against recall."""

from collections.abc import Mapping, Sequence
from typing import Any

import holoviews as hv
import numpy as np

from workbench.views.style import BEFORE, SEEDS, as_chart, dots, line, styled
from workbench.views.tables import places, row_chart

COLOURS = ("#8fb8de", "#3f7fbf", "#0b3c6f")
"""Colours of few, more and most bits."""
_DIMENSIONS = ("precision", "row")
CURVES = ("raw", "lsh", "agh-1", "ssh-stumps", "ksh", "neural-2-seen", "neural-2-unseen")
"""Columns whose precision is drawn against recall."""
AGAINST_BITS = ("lsh", "itq", "diff-hash", "ssh-stumps", "ksh")
"""Columns that are drawn against bits."""


def precision_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart with a row a column: mAP for each number of bits, its bounds over ties as a bar.

    Hollow dots are the seed's figures. Vectors without codes have one dot, grey.

    Args:
        values: result of `experiments.tables.assemble`, or hashing.json.
    """
    rows, bits = values["rows"], values["bits"]
    heights = places(len(rows))
    parts: list[hv.Element] = []
    for place, count in enumerate(bits):
        colour = COLOURS[min(place, len(COLOURS) - 1)]
        shift = 0.26 * ((len(bits) - 1) / 2 - place)
        found = _at(rows, heights, count, shift)
        parts.append(_bars(found, colour))
        parts.append(_dots(found, "here", colour, colour, f"{count} bits"))
        parts.append(_dots(found, "seed", "white", colour, f"the seed, {count}"))
    whole = _at(rows, heights, 0, 0.0)
    parts.append(_dots(whole, "here", BEFORE, BEFORE, "no codes"))
    parts.append(_dots(whole, "seed", "white", BEFORE, ""))
    return row_chart(
        parts,
        [row["title"] for row in rows],
        xlabel="mean average precision, %",
        padding=0.03,
        pixels=(36, 240),
        inches=(8.4, 0.4, 0.6),
    )


def _at(
    rows: Sequence[Mapping[str, Any]], heights: Sequence[float], bits: int, shift: float
) -> list[dict[str, Any]]:
    """Figures of a number of bits in percent, each with its height in the chart."""
    return [
        {
            "height": height + shift,
            "here": 100 * each["found"]["mean"],
            "first": 100 * each["first"],
            "last": 100 * each["last"],
            "seed": each["seed"],
        }
        for row, height in zip(rows, heights, strict=True)
        for each in row["figures"]
        if each["bits"] == bits
    ]


def _dots(
    found: Sequence[Mapping[str, Any]], name: str, fill: str, edge: str, label: str
) -> hv.Scatter:
    points = [(each[name], each["height"]) for each in found if each[name] is not None]
    return dots(points, _DIMENSIONS, fill, edge, (8, 24), label)


def _bars(found: Sequence[Mapping[str, Any]], colour: str) -> hv.Segments:
    spans = [(each["last"], each["height"], each["first"], each["height"]) for each in found]
    return styled(
        hv.Segments(spans, ["low", "row", "high", "row_end"]),
        common={"color": colour, "alpha": 0.35},
        bokeh={"line_width": 5},
        matplotlib={"linewidth": 3.5},
    )


def bits_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart of mAP against bits, with the raw vectors' as a line that no bits are needed for."""
    rows = {row["key"]: row for row in values["rows"]}
    parts: list[hv.Element] = []
    every = {each["bits"] for row in rows.values() for each in row["figures"]} - {0}
    ticks = [(float(np.log2(bits)), str(bits)) for bits in sorted(every or {*values["bits"]})]
    for key, colour in zip(AGAINST_BITS, SEEDS, strict=False):
        if key in rows:
            found = rows[key]["figures"]
            x = np.log2([each["bits"] for each in found])
            y = [100 * each["found"]["mean"] for each in found]
            title = rows[key]["title"]
            parts += [
                line(x, y, "bits", colour, title),
                dots((x, y), ("bits", "value"), colour, colour, (7, 22)),
            ]
    if "raw" in rows:
        raw = 100 * rows["raw"]["figures"][0]["found"]["mean"]
        parts.append(line([ticks[0][0], ticks[-1][0]], [raw, raw], "bits", BEFORE, "raw", "dashed"))
    return as_chart(
        hv.Overlay(parts, label="Precision against bits"),
        xticks=ticks, padding=0.06, xlabel="bits", ylabel="mAP, %", legend_position="right",
    )  # fmt: skip


def precision_recall_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart of precision against recall, mean over queries, at ranks from 1 to the whole."""
    rows = {row["key"]: row for row in values["rows"]}
    shown = [rows[key] for key in CURVES if key in rows] or list(rows.values())
    colours = (BEFORE, *SEEDS)
    parts = [
        line(
            100 * np.array(row["curve"]["recall"]), 100 * np.array(row["curve"]["precision"]),
            "recall", colours[place % len(colours)], row["title"],
        )
        for place, row in enumerate(shown)
    ]  # fmt: skip
    label = f"Precision and recall, codes of {max(values['bits'])} bits"
    return as_chart(
        hv.Overlay(parts, label=label),
        xlabel="recall, %", ylabel="precision, %", legend_position="right",
    )  # fmt: skip
