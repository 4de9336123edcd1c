"""Table 1 with the paper's figures beside ours: markdown, page, pictures, from plain values."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
from markupsafe import Markup

from workbench.evaluation.cells import chance, difference, interval, number, percent
from workbench.evaluation.rendering import Rows
from workbench.experiments.regions.summary import Picture
from workbench.views.regions.recognition import (
    category_errors,
    confusion_matrix,
    reliability_diagram,
)
from workbench.views.style import AFTER, BEFORE, dots, styled
from workbench.views.tables import PAPER, CloseUp, TableView, places, row_chart

LEAD = PAPER + Markup(
    ", Table 1: the paper’s classification errors on COCO’s regions, percent, beside ours."
)
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
    """Rows of errors: the paper's, ours, with their intervals."""
    header = [
        "column", "paper", "error", "95 %", "± seeds", "top-5", "balanced", "NLL", "ECE", "seeds",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        found = row["summary"]
        body.append(
            [
                row["title"],
                number(row["paper"], ".1f"),
                percent(found["error"]["mean"]),
                interval(found["error"]["low"], found["error"]["high"], ".1f", 100),
                percent(row["spread"]),
                percent(found["top5_error"]["mean"]),
                percent(found["balanced_error"]["mean"]),
                number(found["nll"]["mean"], ".3f"),
                number(found["calibration_error"], ".3f"),
                str(len(row["seeds"])),
            ]
        )
    return [header, *body]


def costs(values: Mapping[str, Any]) -> Rows:
    """Rows of costs: size, training, minutes and speed of each column."""
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
            number(row["minutes"], ".1f"),
            number(row["trained_per_second"], ".0f"),
            number(row["tested_per_second"], ".0f"),
        ]
        for row in values["rows"]
    ]
    return [header, *body]


def _passes(row: Mapping[str, Any]) -> str:
    """Numbers of passes; with `head_first` those with the frozen backbone come first."""
    trainings = [row["training_before"], row["training"]]
    passes = [str(each["passes"]) for each in trainings if each and "passes" in each]
    return " + ".join(passes) or "–"


def tests(values: Mapping[str, Any]) -> Rows:
    """Rows of tests: difference of two columns' errors, with interval and probability."""
    body = [
        [t["row"], t["against"], difference(t, "+.1f", 100), chance(t["p"]), str(t["images"])]
        for t in values["tests"]
    ]
    return [["column", "against", "error, difference", "p", "images"], *body]


def orderings(values: Mapping[str, Any]) -> Rows:
    """Rows of the paper's orderings, each with the verdict here."""
    header = ["better in the paper", "worse", "paper", "here", "p, corrected", "here it"]
    words = {"holds": "holds", "reversed": "is reversed", "undecided": "is undecided"}
    body = [
        [
            each["better"],
            each["worse"],
            f"{each['paper']:+.1f}",
            difference(each["difference"], "+.1f", 100),
            chance(each["difference"]["p"]),
            words[each["verdict"]],
        ]
        for each in values["orderings"]
    ]
    return [header, *body]


def limits(values: Mapping[str, Any]) -> Rows:
    """Rows of the networks' limits; spectra are those of the first seed."""
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
                percent(row["train_error"]),
                percent(row["held_error"]),
                percent(row["summary"]["error"]["mean"]),
                f"{found['rank']:.0f}",
                f"{found['effective_rank']:.1f}",
                f"{spectrum[0]:.3g}",
                f"{spectrum[min(9, len(spectrum) - 1)]:.3g}",
                number(found["above_epsilon"], ".0f"),
                number(found["condition"], ".1e"),
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
    """Rows of one column's most frequent confusions."""
    row = next(row for row in values["rows"] if row["key"] == key)
    body = [
        [each["truth"], each["predicted"], f"{each['regions']:.1f}", percent(each["share"])]
        for each in row["confusions"]
    ]
    return [["truth", "taken for", "regions", "%"], *body]


def heading(values: Mapping[str, Any]) -> str:
    """Heading: number of regions and images, and part of the data."""
    known = {"official": "COCO's val", "pooled": "a fifth of the images"}
    part = known.get(values["protocol"], values["protocol"])
    limit = f", {values['limit']} regions a part" if values["limit"] else ""
    return f"Table 1 on {values['regions']} regions of {values['images']} images ({part}{limit})"


def verdicts(values: Mapping[str, Any]) -> str:
    """Sentence with the numbers of orderings that hold."""
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


def table_view(values: Mapping[str, Any], picture: Picture | None = None) -> TableView:
    """View of Table 1: rows, notes, chart and a column in detail.

    Args:
        values: result of `experiments.tables.assemble`, or table1.json.
        picture: values of the column that is shown in detail.
    """
    tables = {
        "Errors": errors(values),
        "Tests": tests(values),
        "The paper's orderings": orderings(values),
        "What limits them": limits(values),
        "Cost": costs(values),
    }
    return TableView(
        "table1",
        heading(values),
        [LEAD],
        values,
        tables,
        [*(f"{each}." for each in values.get("said", ())), *NOTES],
        error_chart(values),
        remarks={"The paper's orderings": verdicts(values)},
        close_up=_close_up(values, picture) if picture else None,
    )


def _close_up(values: Mapping[str, Any], found: Picture) -> CloseUp:
    """Calibration and confusions of one column."""
    pictures = {
        "reliability": reliability_diagram(found.reliability, found.title),
        "confusion": confusion_matrix(found.confusion, found.names, title="Confusions"),
        "categories": category_errors(found.summary),
    }
    rows = confusions(values, found.key)
    return CloseUp(found.title, pictures, "The strongest confusions", rows)


_DIMENSIONS = ("error, %", "column")


def error_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart with a row a column: its error with the 95 % interval; small dots are its seeds.

    Hollow dots are the paper's figures, on full COCO.

    Args:
        values: result of `experiments.tables.assemble`, or table1.json.
    """
    rows = list(values["rows"])
    heights = places(len(rows))
    found = [row["summary"]["error"] for row in rows]
    bars = [
        (100 * each["low"], place, 100 * each["high"], place)
        for each, place in zip(found, heights, strict=True)
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
        for row, place in zip(rows, heights, strict=True)
        for error in row["summary"]["seeds"]
    ]
    theirs = [(r["paper"], p) for r, p in zip(rows, heights, strict=True) if r["paper"] is not None]
    ours = [(100 * each["mean"], place) for each, place in zip(found, heights, strict=True)]
    return row_chart(
        [
            spans,
            dots(seeds, _DIMENSIONS, BEFORE, BEFORE, (4, 8), "seeds"),
            dots(ours, _DIMENSIONS, AFTER, AFTER, (9, 40), "here"),
            dots(theirs, _DIMENSIONS, "white", AFTER, (9, 40), "the paper, full COCO"),
        ],
        [row["title"] for row in rows],
        xlabel="top-1 error, %",
        padding=0.05,
        pixels=(26, 140),
        inches=(7.6, 0.3, 0.6),
    )
