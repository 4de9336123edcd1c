"""Table 1 with the paper's figures beside ours: markdown, a page, pictures; from plain values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import holoviews as hv
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workbench.evaluation.rendering import Rows, as_html, as_markdown, as_text
from workbench.runs.files import atomic_write
from workbench.views import inline
from workbench.views.style import AFTER, BEFORE, as_chart, styled
from workbench.views.wording import origin

NOTES = (
    "Error: share of regions whose category was not predicted, percent. Intervals: 95 %, bootstrap "
    "over images with all of their regions, on the mean over seeds; ± is the standard deviation "
    "between seeds. Balanced: mean over the categories that occur. NLL: negative log probability "
    "of the true category, nats. ECE: expected calibration error.",
    "The paper trains on some 600,000 regions and tests on COCO's validation set; its figures say "
    "how columns are ordered there, not what is within reach here.",
    "Tests are paired by region and resample images. They speak of these trainings on other "
    "images, not of other trainings.",
    "Orderings: each pair of the paper's columns, and which is better here; probabilities are "
    "corrected for the number of pairs (Holm).",
    "Limits, on regions held out of training. Effective rank of XᵀX: exp of the entropy of its "
    "eigenvalues. Shared: part of the pooled vectors' mean squared length that all regions have "
    "in common. Directions: effective rank of the vectors about their mean. Gain: how much "
    "stronger the loss reacts to a relative change of the maps than to one of the pooled vector; "
    "its spread is the 95 % quantile over the median.",
    "Passes: a sum begins with a frozen backbone. Precision: of the convolutions. "
    "Minutes and regions a second are by the clock of a machine that may have been busy; frozen "
    "columns may have read their features from a store.",
)


def errors(values: Mapping[str, Any]) -> Rows:
    """The paper's columns, theirs and ours."""
    header = [
        "column", "paper", "error", "95 %", "± seeds", "top-5", "balanced", "NLL", "ECE", "seeds",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        found = row["summary"]
        body.append(
            [
                row["title"],
                "–" if row["paper"] is None else f"{row['paper']:.1f}",
                _percent(found["error"]["mean"]),
                _interval(found["error"]),
                _percent(row["spread"]),
                _percent(found["top5_error"]["mean"]),
                _percent(found["balanced_error"]["mean"]),
                _number(found["nll"]["mean"], ".3f"),
                _number(found["calibration_error"], ".3f"),
                str(len(row["seeds"])),
            ]
        )
    return [header, *body]


def costs(values: Mapping[str, Any]) -> Rows:
    """What the columns are and take."""
    header = [
        "column", "vector", "parameters", "passes", "precision", "minutes a seed",
        "regions/s, trained", "tested",
    ]  # fmt: skip
    body = [
        [
            row["title"],
            f"{row['entries']:,}",
            f"{row['parameters']:,}",
            _passes(row),
            row["training"].get("precision", "–"),
            _number(row["minutes"], ".1f"),
            _number(row["trained_per_second"], ".0f"),
            _number(row["tested_per_second"], ".0f"),
        ]
        for row in values["rows"]
    ]
    return [header, *body]


def _passes(row: Mapping[str, Any]) -> str:
    """Over the training regions: with a frozen backbone first, where there were such."""
    trainings = [row["training_before"], row["training"]]
    passes = [str(each["passes"]) for each in trainings if each and "passes" in each]
    return " + ".join(passes) or "–"


def tests(values: Mapping[str, Any]) -> Rows:
    """Who errs how much less than whom, how surely."""
    body = [
        [t["row"], t["against"], _difference(t), _chance(t["p"]), str(t["images"])]
        for t in values["tests"]
    ]
    return [["column", "against", "error, difference", "p", "images"], *body]


def orderings(values: Mapping[str, Any]) -> Rows:
    """Which of the paper's orderings hold here."""
    header = ["better in the paper", "worse", "paper", "here", "p, corrected", "here it"]
    words = {"holds": "holds", "reversed": "is reversed", "undecided": "is undecided"}
    body = [
        [
            each["better"],
            each["worse"],
            f"{each['paper']:+.1f}",
            _difference(each["difference"]),
            _chance(each["difference"]["p"]),
            words[each["verdict"]],
        ]
        for each in values["orderings"]
    ]
    return [header, *body]


def limits(values: Mapping[str, Any]) -> Rows:
    """What limits the networks; first seed's spectra."""
    header = [
        "column", "train error", "held-out", "test", "rank", "effective rank", "λ₁", "λ₁₀",
        "above ε", "condition", "entry, rms", "shared", "directions", "∂L/∂v", "gain", "spread",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        found = row["limits"][0]
        if found is None:
            continue
        spectrum = found["eigenvalues"]
        body.append(
            [
                row["title"],
                _percent(row["train_error"]),
                _percent(row["held_error"]),
                _percent(row["summary"]["error"]["mean"]),
                f"{found['rank']:.0f}",
                f"{found['effective_rank']:.1f}",
                f"{spectrum[0]:.3g}",
                f"{spectrum[min(9, len(spectrum) - 1)]:.3g}",
                _number(found["above_epsilon"], ".0f"),
                _number(found["condition"], ".1e"),
                f"{found['entry']:.3g}",
                f"{found['shared']:.2f}",
                f"{found['directions']:.0f}",
                f"{found['gradient']:.2g}",
                f"{found['gain']:.2g}",
                f"{found['gain_spread']:.1f}",
            ]
        )
    return [header, *body]


def confusions(values: Mapping[str, Any], key: str) -> Rows:
    """What one column takes for what."""
    row = next(row for row in values["rows"] if row["key"] == key)
    body = [
        [each["truth"], each["predicted"], f"{each['regions']:.1f}", _percent(each["share"])]
        for each in row["confusions"]
    ]
    return [["truth", "taken for", "regions", "%"], *body]


def heading(values: Mapping[str, Any]) -> str:
    """What the table is of."""
    part = "COCO's val" if values["protocol"] == "official" else "a fifth of the images"
    limit = f", {values['limit']} regions a part" if values["limit"] else ""
    return f"Table 1 on {values['regions']} regions of {values['images']} images ({part}{limit})"


def verdicts(values: Mapping[str, Any]) -> str:
    """The orderings in a sentence."""
    if not values["orderings"]:
        return "No two of the paper's columns to compare yet."
    counts = {
        word: sum(each["verdict"] == word for each in values["orderings"])
        for word in ("holds", "reversed", "undecided")
    }
    return (
        f"The paper's orderings here: {counts['holds']} hold, {counts['reversed']} reversed, "
        f"{counts['undecided']} undecided."
    )


def to_text(values: Mapping[str, Any]) -> str:
    """The errors for a terminal."""
    lines = [heading(values), as_text(errors(values)), verdicts(values), *origin(values)]
    return "\n".join(lines)


def to_markdown(values: Mapping[str, Any]) -> str:
    """All tables and notes."""
    parts = [f"# {heading(values)}"]
    for name, make in _TABLES.items():
        if len(rows := make(values)) > 1:
            parts += [f"## {name}", as_markdown(rows)]
    parts += [verdicts(values), "\n".join(f"- {note}" for note in [*NOTES, *origin(values)])]
    return "\n\n".join(parts) + "\n"


def write_table1(
    values: Mapping[str, Any], folder: Path, key: str, pictures: Mapping[str, Any]
) -> list[Path]:
    """Write table1.md, table1.html, table1.png and a PNG for every further picture.

    Args:
        values: of `experiments.regions.summary.assemble`.
        folder: where to.
        key: of the column whose pictures these are.
        pictures: HoloViews elements by the name of their file, in the order of the page.
    """
    environment = Environment(
        loader=PackageLoader("workbench.views"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    tables = [(n, make(values)) for n, make in _TABLES.items() if len(make(values)) > 1]
    chart = error_chart(values)
    page = environment.get_template("table1.html").render(
        title=heading(values),
        chart=Markup(inline.chart(chart)),
        tables=[(name, Markup(as_html(rows))) for name, rows in tables],
        verdicts=verdicts(values),
        pictured=next(row["title"] for row in values["rows"] if row["key"] == key),
        pictures=[(each.label, Markup(inline.chart(each))) for each in pictures.values()],
        confusions=Markup(as_html(confusions(values, key))),
        notes=[*NOTES, *origin(values)],
        commands=dict.fromkeys(row["command"] for row in values["rows"]),
    )
    contents = {
        "table1.md": to_markdown(values).encode(),
        "table1.html": page.encode(),
        "table1.png": inline.png(chart),
        **{f"{name}.png": inline.png(each) for name, each in pictures.items()},
    }
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]


_TABLES = {
    "Errors": errors,
    "Tests": tests,
    "The paper's orderings": orderings,
    "What limits them": limits,
    "Cost": costs,
}


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"


def _interval(found: Mapping[str, Any], form: str = ".1f") -> str:
    if found["low"] is None:
        return "–"
    return f"[{100 * found['low']:{form}}, {100 * found['high']:{form}}]"


def _difference(found: Mapping[str, Any]) -> str:
    return f"{100 * found['mean']:+.1f} {_interval(found, '+.1f')}".removesuffix(" –")


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


_DIMENSIONS = ("error, %", "column")


def error_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """A row for each column: its error with the 95 % interval; small dots are its seeds.

    Hollow dots are the paper's figures, on full COCO.

    Args:
        values: of `experiments.regions.summary.assemble`, or table1.json.
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
