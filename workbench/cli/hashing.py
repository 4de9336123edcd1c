"""`workbench hashing`: similarity-preserving hashing of a store's images, method by method."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.cli.tables import table_command
from workbench.evaluation.cells import number
from workbench.evaluation.rendering import Rows
from workbench.experiments.hashing.columns import HASHING_COLUMNS, HashingColumn
from workbench.experiments.hashing.evaluate import RankedPictures
from workbench.experiments.hashing.table import HASHING, rankings_path
from workbench.runs.files import write_files
from workbench.views.hashing.ranking import ranking_picture
from workbench.views.hashing.table import figures_frame, table_view
from workbench.views.tables import TableView

TEXT = """Rank images by binary codes of their features, and measure average precision.

A seed is a split into queries, labels and database, the same for all columns. What is done stays in
the folder: the same command goes on where it was stopped, and says what it skips. Commands on
different columns or seeds may fill one folder at the same time. Writes
hashing.{json,md,html,csv,png}
and pictures.

\b
Example:
  python -m pipelines run cifar10 --features gist --store stores/cifar10.zarr
  workbench hashing --store stores/cifar10.zarr --out runs/hashing
"""
SHOWN = ("raw", "lsh", "agh-1", "ksh", "neural-2-seen", "neural-2-unseen")
"""Columns in the pictures of nearest images."""
QUERIES = 3
"""Number of these pictures."""


def _listed(columns: Sequence[HashingColumn]) -> Rows:
    """List of the columns with the seed's mAP and minutes."""
    rows = [
        [c.name, c.title, *(number(c.paper.get(b, c.paper.get(0)), ".2f") for b in (12, 24, 48)),
         f"{c.minutes}"]
        for c in columns
    ]  # fmt: skip
    return [["column", "", "the seed's mAP, %, 12 bits", "24", "48", "minutes a split"], *rows]


def _look(out: Path, values: dict[str, Any], queries_shown: int) -> tuple[TableView, list[Path]]:
    """View of the table, with pictures of the nearest images by the columns that are there."""
    found = {
        HASHING_COLUMNS[name].title: RankedPictures.read(path)
        for name in SHOWN
        if (path := rankings_path(out, name)).exists()
    }
    pictures = []
    if found:
        first = next(iter(found.values()))
        for query in range(min(queries_shown, len(first.names))):
            pictures.append(
                ranking_picture(
                    first.queries[query],
                    [each.found[query] for each in found.values()],
                    [each.relevant[query] for each in found.values()],
                    list(found),
                    first.names[query],
                )
            )
    figures = figures_frame(values).to_csv(index=False, float_format="%.5g").encode()
    return table_view(values, pictures), write_files(out, {"hashing.csv": figures})


hashing = table_command(
    HASHING,
    click.option("--bits", type=click.IntRange(min=1), multiple=True, default=(12, 24, 48),
                 show_default=True, help="Length of the codes; repeatable."),
    click.option("--queries", type=click.IntRange(min=1), default=100, show_default=True,
                 help="Queries of each class."),
    click.option("--labelled", type=click.IntRange(min=1), default=200, show_default=True,
                 help="Labelled images of each class to learn from."),
    click.option("--queries-shown", type=click.IntRange(min=0), default=QUERIES,
                 show_default=True, help="Pictures of a query with its nearest images."),
    text=TEXT, listed=_listed, look=_look,
)  # fmt: skip
