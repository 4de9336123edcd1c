"""Table and picture of metric criteria on few labels, from `experiments.images.few_labels`."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd

from workbench.evaluation.cells import MISSING, difference
from workbench.evaluation.rendering import Rows, as_markdown
from workbench.experiments.images.few_labels import ALONE, FewLabels
from workbench.runs.files import to_json
from workbench.runs.provenance import commit_in_words, machine_in_words
from workbench.views import inline
from workbench.views.style import BEFORE, COLOURS, MUTED, as_chart, line, styled

NAME = "few-labels"
MEASURES = {"test_error": "error, %", "map": "mAP of the embedding, %"}
_APART = 0.06
"""Distance of the criteria's marks in a chart, as a logarithm of the labels to base 2."""


def files(found: FewLabels, started: Mapping[str, Any]) -> dict[str, bytes]:
    """Contents of the files of a result by name: md, json, csv and png.

    Args:
        found: the result.
        started: provenance of the command.
    """
    tables = {"table": found.table(), "differences": found.differences(),
              "equivalents": found.equivalents()}  # fmt: skip
    values = {name: table.to_dict("records") for name, table in tables.items()}
    values |= {"settings": found.settings.question, "weights": found.settings.weights,
               "provenance": dict(started)}  # fmt: skip
    return {
        f"{NAME}.json": (to_json(values, indent=1) + "\n").encode(),
        "cells.csv": found.cells.to_csv(index=False, float_format="%.6g").encode(),
        "choices.csv": found.choices.to_csv(index=False, float_format="%.6g").encode(),
        f"{NAME}.md": text(found, started).encode(),
        f"{NAME}.png": inline.png(hv.Layout(charts(found))),
    }


def text(found: FewLabels, started: Mapping[str, Any]) -> str:
    """Markdown page of a result; arguments as in `files`."""
    config, settings = found.settings.config, found.settings
    draws = found.cells.groupby("criterion")["draw"].nunique().max()
    seconds = found.cells["seconds"].sum() + found.choices["seconds"].sum()
    parts = [
        "# A metric criterion in the objective on few labels",
        f"Cross-entropy alone, and with λ × a metric criterion of the embedding; "
        f"{draws} draws of the labels (with the weights and the order), {found.test} test images, "
        "looked at once by each network of the tables. Width "
        f"{config.width}, at least {settings.steps} steps and {config.passes} passes in batches of "
        f"{config.batch}, mirrored and shifted by up to {config.jitter} pixels. Intervals are 95 % "
        "of Student's t over draws, for one comparison each.",
        "## Error of the class, %",
        as_markdown(measured(found, "test_error")),
        f"Mean average precision of the embedding of length 1, {settings.queries} queries a class, "
        "all other test images ranked, %:",
        as_markdown(measured(found, "map")),
        "## Differences from cross-entropy alone, paired by draw, points",
        as_markdown(differences_table(found)),
        "## Labels a class with which cross-entropy alone has the same error",
        "What a criterion saves is this less its own labels. The mean error of cross-entropy alone "
        "is interpolated linearly in the logarithm of the labels a class; the interval is that of "
        "the paired difference, read off the same curve (whose own uncertainty is not in it). "
        "The number of steps is not tuned, and where the passes ask for more of them, more labels "
        "mean a longer training, on the curve too.",
        as_markdown(equivalents_table(found)),
        "## Settings, chosen on held-out training images",
        f"Held out: {config.holdout:.0%} of the training images. Of each number of labels, with "
        "one draw that is none of the above: cross-entropy alone tried "
        f"{_trials(found)} settings, the first {_trials(found) - len(settings.weights)} of which "
        f"all criteria share; each criterion tried {len(settings.weights)} λ at the best of these. "
        "In brackets: held-out error of the choice, %.",
        as_markdown(choices_table(found)),
        f"![Error, mAP and their differences by labels a class]({NAME}.png)",
        f"Command: `{started['command']}`. Commit {commit_in_words(started)}; "
        f"{machine_in_words(started['machine'], threads=True)}; {seconds / 60:.0f} minutes of "
        "training and measuring, by the clock.",
    ]
    return "\n\n".join(parts) + "\n"


def measured(found: FewLabels, measure: str) -> Rows:
    """Rows of the criteria, a column a number of labels: mean ± half of the interval."""
    table = found.table()
    table = table[table.measure == measure].set_index(["criterion", "labels"])
    numbers = sorted(set(found.cells.labels))
    body = []
    for criterion in found.criteria:
        cells = []
        for number in numbers:
            if (criterion, number) not in table.index:
                cells.append(MISSING)
                continue
            row = table.loc[(criterion, number)]
            half = "" if np.isnan(row["high"]) else f" ± {row['high'] - row['mean']:.1f}"
            cells.append(f"{row['mean']:.1f}{half}")
        body.append([_words(criterion), *cells])
    return [["labels a class", *map(str, numbers)], *body]


def differences_table(found: FewLabels) -> Rows:
    """Rows of the criteria and measures, a column a number of labels."""
    table = found.differences().set_index(["criterion", "measure", "labels"])
    body = []
    for criterion in found.criteria[1:]:
        for measure, words in (("test_error", "error"), ("map", "mAP")):
            rows = [table.loc[(criterion, measure, number)] for number in found.labels]
            cells = [difference(row.to_dict(), "+.1f").replace("-", "−") for row in rows]
            body.append([f"{_words(criterion)}: {words}", *cells])
    return [["labels a class", *map(str, found.labels)], *body]


def equivalents_table(found: FewLabels) -> Rows:
    """Rows of the criteria, a column a number of labels: equivalent labels and what is saved."""
    table = found.equivalents().set_index(["criterion", "labels"])
    body = []
    for criterion in found.criteria[1:]:
        cells = []
        for number in found.labels:
            row = table.loc[(criterion, number)]
            cells.append(f"{_labels(row['mean'])} [{_labels(row['low'])}, {_labels(row['high'])}]")
        body.append([_words(criterion), *cells])
    least, most = table["fewest"].min(), table["most"].max()
    return [[f"labels a class (–: not within {least} to {most})", *map(str, found.labels)], *body]


def choices_table(found: FewLabels) -> Rows:
    """Rows of the criteria, a column a number of labels: chosen settings with held-out errors."""
    body = []
    for criterion in found.criteria:
        cells = []
        for number in found.labels:
            some = found.choices
            some = some[(some.labels == number) & (some.criterion == criterion)]
            best = some.loc[some.held_out_error.idxmin()]
            weight = "" if criterion == ALONE else f"λ {best.weight:g}, "
            cells.append(
                f"{weight}rate {best.learning_rate:g}, decay {best.weight_decay:g} "
                f"({100 * best.held_out_error:.1f})"
            )
        body.append([_words(criterion), *cells])
    return [["labels a class", *map(str, found.labels)], *body]


def charts(found: FewLabels) -> list[hv.Overlay]:
    """Error and mAP against labels a class, and differences of the error, with intervals."""
    table = found.table()
    drawn = [
        _chart(found, table[table.measure == measure], words, words, legend=measure == "test_error")
        for measure, words in MEASURES.items()
    ]
    differences = found.differences()
    some = differences[differences.measure == "test_error"]
    title = "error minus that of cross-entropy alone, paired"
    return [*drawn, _chart(found, some, title, "points", zero=True)]


def _chart(
    found: FewLabels, table: pd.DataFrame, title: str, axis: str, *,
    legend: bool = False, zero: bool = False,
) -> hv.Overlay:  # fmt: skip
    numbers = sorted(set(table.labels))
    ends = float(np.log2(numbers[0])) - 0.4, float(np.log2(numbers[-1])) + 0.4
    parts: list[hv.Element] = []
    if zero:
        parts.append(line(ends, [0, 0], "labels", MUTED, dash="dotted"))
    for place, criterion in enumerate(found.criteria):
        own = table[table.criterion == criterion].sort_values("labels")
        if not len(own):
            continue
        colour = BEFORE if criterion == ALONE else COLOURS[place - 1]
        x = np.log2(own.labels) + _APART * (place - (len(found.criteria) - 1) / 2)
        half = (own["high"] - own["mean"]).fillna(0)
        parts += [
            line(x, own["mean"], "labels", colour, _words(criterion)),
            styled(hv.ErrorBars(np.column_stack([x, own["mean"], half]), "labels",
                                ["value", "half"]),
                   bokeh={"line_color": colour}, matplotlib={"edgecolor": colour}),
        ]  # fmt: skip
    return as_chart(
        hv.Overlay(parts).relabel(title), xlabel="labels a class", ylabel=axis,
        xticks=[(float(np.log2(each)), str(each)) for each in numbers], xlim=ends,
        show_legend=legend, legend_position="top_right",
    )  # fmt: skip


def _words(criterion: str) -> str:
    return criterion if criterion == ALONE else f"+ {criterion}"


def _labels(number: float) -> str:
    return MISSING if np.isnan(number) else f"{number:.0f}"


def _trials(found: FewLabels) -> int:
    """Number of settings that cross-entropy alone tried at each number of labels."""
    alone = found.choices[found.choices.criterion == ALONE]
    return len(alone) // len(found.labels)
