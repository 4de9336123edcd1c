"""Record of the experiment in markdown: figures by ratio, and what is possible at which."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.evaluation.rendering import as_markdown
from workbench.experiments.compressed.items import (
    COLOUR,
    DISCRIMINATIONS,
    OPERATORS,
    RECONSTRUCTIONS,
    SART_IMAGES,
    TOMOGRAPHY,
)
from workbench.experiments.compressed.study import LOST, RECOVERED, Study
from workbench.models.measuring import SIDE
from workbench.runs.provenance import commit_in_words, machine_in_words

METHODS = RECONSTRUCTIONS | DISCRIMINATIONS


def markdown(study: Study, pictures: Sequence[str], started: Mapping[str, Any]) -> str:
    """Record of the finished items, as markdown.

    Args:
        study: finished items.
        pictures: names of the files of the pictures beside the record.
        started: provenance of the command.
    """
    table, settings = study.table(), study.settings
    seeds = f"{table.seeds.min()} to {table.seeds.max()}" if table.seeds.nunique() > 1 else (
        str(table.seeds.iloc[0])
    )  # fmt: skip
    parts = [
        "# Class and image from the same few measurements",
        f"{settings['train']} training images, {settings['test']} test images, each looked at once "
        f"a row; seeds a figure: {seeds}. Noise of the measurements: {settings['noise']:.1%} of "
        "their root mean square about their means. ± is half of the 95 % interval over test "
        f"images (SART: the first {SART_IMAGES} of them), of means over seeds; "
        "[spread over seeds](compressed.csv) in the table's file.",
    ]
    for words, operators in (("Colour images, n = 3,072", COLOUR), (_disc(table), TOMOGRAPHY)):
        for kind, title in (("psnr", "PSNR, dB"), ("error", "error of the class, %")):
            some = table[table.operator.isin(list(operators)) & (table.kind == kind)]
            if len(some):
                parts += [f"## {words}: {title}", as_markdown(_rows(some))]
    parts += [
        "## Which is possible at which m:n",
        f"Thresholds: an image counts as reconstructed from a mean PSNR of {RECOVERED:.0f} dB; the "
        f"class counts as kept up to {LOST:.0f} points above the least error of the same method "
        "behind the same operator. Stated is the last ratio that passes. "
        "Chance is 90 % at ten equal categories; ridge regression has the errors of a linear "
        "classifier, which are large from all pixels too.",
        as_markdown(_possible(study.possible())),
        *(f"![{name.removesuffix('.png')}]({name})" for name in pictures),
    ]
    if study.missing:
        counted = pd.Series([f"{key.operator}, seed {key.seed}" for key in study.missing])
        listed = "; ".join(f"{name}: {n}" for name, n in counted.value_counts(sort=False).items())
        parts += [f"Not finished, in ratios: {listed}."]
    seconds = sum(item.seconds for item in study.items)
    parts += [
        f"Command: `{started['command']}`. Commit {commit_in_words(started)}; "
        f"{machine_in_words(started['machine'], threads=True)}; {seconds / 60:.0f} minutes."
    ]
    return "\n\n".join(parts) + "\n"


def _disc(table: pd.DataFrame) -> str:
    found = table[table.operator.isin(list(TOMOGRAPHY))]
    pixels = f", n = {found.pixels.iloc[0]}" if len(found) else ""
    return f"Grey discs{pixels}, few views"


def _rows(some: pd.DataFrame) -> list[list[str]]:
    columns = some.drop_duplicates("ratio").sort_values("ratio")
    tomography = some.operator.iloc[0] in TOMOGRAPHY
    header = [
        f"1:{ratio}, m = {m}" + (f", views: {m // SIDE}" if tomography else "")
        for ratio, m in zip(columns.ratio, columns.measurements, strict=True)
    ]
    rows = [["", *header]]
    for (operator, method), found in some.groupby(["operator", "method"], sort=False):
        by_ratio = found.set_index("ratio")
        cells = [
            f"{by_ratio['mean'][ratio]:.1f} ± {by_ratio.high[ratio] - by_ratio['mean'][ratio]:.1f}"
            if ratio in by_ratio.index else "–"
            for ratio in columns.ratio
        ]  # fmt: skip
        rows.append([f"{OPERATORS[str(operator)]}: {METHODS[str(method)]}", *cells])
    return rows


def _possible(found: pd.DataFrame) -> list[list[str]]:
    rows = [["operator", "reconstruction", "discrimination"]]
    for operator, some in found.groupby("operator", sort=False):
        cells = [
            "; ".join(
                f"{METHODS[row.method]}: {_reach(row.ratio, row.most)}"
                for row in some[some.kind == kind].itertuples()
            )
            for kind in ("psnr", "error")
        ]
        rows.append([OPERATORS[str(operator)], *cells])
    return rows


def _reach(ratio: float, most: int) -> str:
    if np.isnan(ratio):
        return "at none"
    return f"up to 1:{ratio:.0f}" + (", the last measured" if ratio == most else "")
