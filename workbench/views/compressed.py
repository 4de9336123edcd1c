"""Pictures of compressed discrimination: PSNR and error against n/m, photographs reconstructed."""

from collections.abc import Mapping

import holoviews as hv
import numpy as np
import pandas as pd
from jaxtyping import Float32, UInt8

from workbench.experiments.compressed.items import (
    COLOUR,
    OPERATORS,
    TOMOGRAPHY,
)
from workbench.experiments.compressed.study import RECOVERED, Study
from workbench.models.measuring import SIDE, disc
from workbench.views.inline import png
from workbench.views.panels import photo
from workbench.views.style import COLOURS, INK, MUTED, as_chart, line, styled

SHOWN_RATIOS = (2, 4, 8, 16, 32)
"""Ratios at which photographs are shown, one row."""
INCHES = 0.6
"""Side of a photograph on paper."""
GAP = 1
WHITE = np.full((SIDE, SIDE, 3), 255, np.uint8)
_DASHES = {"mmse": "solid", "sart": "dotted", "learned": "dashed", "net": "solid",
           "ridge": "dashed"}  # fmt: skip


def pictures(study: Study) -> dict[str, bytes]:
    """PNG files by name: curves and photographs, of colour images and of views."""
    found = {}
    table = study.table()
    for name, operators in (("colour", COLOUR), ("tomography", TOMOGRAPHY)):
        some = table[table.operator.isin(list(operators))]
        if len(some):
            found[f"{name}-curves.png"] = png(curves(some))
            found[f"{name}-photographs.png"] = png(photographs(study, operators))
    return found


def curves(table: pd.DataFrame) -> hv.Layout:
    """PSNR and error of the class against m:n, side by side; bars are intervals over images.

    Args:
        table: rows of `Study.table`.
    """
    operators = list(dict.fromkeys(table.operator))
    places = np.log2(np.append(table.ratio, table.pixels / table.measurements))
    ends = (float(places.min()) - 0.3, float(places.max()) + 0.3)
    charts = []
    for kind, label in (("psnr", "image: PSNR (dB)"), ("error", "class: error (%)")):
        parts: list[hv.Element] = []
        some = table[table.kind == kind]
        for (operator, method), found in some.groupby(["operator", "method"], sort=False):
            colour = COLOURS[operators.index(str(operator))]
            exact = np.log2(found.pixels / found.measurements)
            name = f"{OPERATORS[str(operator)]}, {_short(str(method))}"
            bars = np.column_stack([exact, found["mean"], found.high - found["mean"]])
            parts += [
                line(exact, found["mean"], "n/m", colour, name, _DASHES[str(method)]),
                styled(hv.ErrorBars(bars, "n/m", ["value", "half"]),
                       bokeh={"line_color": colour}, matplotlib={"edgecolor": colour}),
            ]  # fmt: skip
        if kind == "psnr":
            parts.append(
                line(ends, [RECOVERED] * 2, "n/m", MUTED, "counts as reconstructed", "dotted")
            )
        charts.append(
            as_chart(
                hv.Overlay(parts, label=label),
                xlabel="measurements : pixels",
                ylabel=label.partition(": ")[2],
                legend_position="right",
                xlim=ends,
                xticks=[
                    (float(np.log2(ratio)), f"1:{ratio}") for ratio in sorted(set(table.ratio))
                ],
            )
        )
    return hv.Layout(charts)


def photographs(study: Study, operators: Mapping[str, str]) -> hv.Overlay:
    """Photographs of scikit-image reconstructed at 1:2 … 1:32, an operator and method a row.

    Left of each photograph's reconstructions stands the photograph; what is not finished is white.
    """
    originals = [square(values) for values in study.photographs(next(iter(operators)))]
    most = max(item.key.ratio for item in study.items if item.key.operator in operators)
    ratios = [ratio for ratio in SHOWN_RATIOS if ratio <= most] or [most]
    rows, names = [], []
    for operator in operators:
        items = [study.shown(operator, ratio) for ratio in ratios]
        methods = next((list(item.shown) for item in items if item), [])
        for method in methods:
            tiles = [
                tile
                for number, original in enumerate(originals)
                for tile in [
                    original,
                    *(square(i.shown[method][number]) if i else WHITE for i in items),
                ]
            ]
            rows.append(np.concatenate([_framed(tile) for tile in tiles], axis=1))
            names.append(f"{OPERATORS[operator]}, {_short(method)}")
    sheet = np.concatenate(rows)
    step = SIDE + 2 * GAP
    heads = ["original", *(f"1:{ratio}" for ratio in ratios)] * len(originals)
    columns = [((i + 0.5) * step, -0.2 * step, text) for i, text in enumerate(heads)]
    sides = [(-0.1 * step, (i + 0.5) * step, text) for i, text in enumerate(names)]
    across, down = sheet.shape[1] / step, len(rows)
    picture = photo(sheet, "", 1)
    words = [
        styled(
            hv.Labels(places, ["x", "y"], "text"),
            matplotlib={"size": 7, "horizontalalignment": side, "color": INK},
            bokeh={"text_font_size": "7pt", "text_align": side, "text_color": INK},
        )
        for places, side in ((columns, "center"), (sides, "right"))
    ]
    width = across + 5
    return styled(
        hv.Overlay([picture, *words]),
        common={"xaxis": None, "yaxis": None, "invert_yaxis": True, "show_frame": False,
                "xlim": (-5 * step, across * step), "ylim": (-0.5 * step, down * step)},
        matplotlib={"fig_inches": (INCHES * width, INCHES * (down + 0.5)), "aspect": "equal"},
    )  # fmt: skip


def square(values: Float32[np.ndarray, "pixels"]) -> UInt8[np.ndarray, "side side 3"]:
    """Colour image, or grey disc on white, as pixels."""
    if len(values) == 3 * SIDE**2:
        found = values.reshape(3, SIDE, SIDE).transpose(1, 2, 0)
    else:
        grey = np.ones((SIDE, SIDE), np.float32)
        grey[disc()] = values
        found = np.repeat(grey[..., None], 3, axis=2)
    return np.asarray((255 * found).round(), np.uint8)


def _framed(tile: UInt8[np.ndarray, "side side 3"]) -> UInt8[np.ndarray, "high wide 3"]:
    return np.pad(tile, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def _short(method: str) -> str:
    return {"mmse": "MMSE", "sart": "SART", "learned": "MMSE + convolutions", "net": "network",
            "ridge": "ridge"}[method]  # fmt: skip
