"""`workbench table1`: the paper's Table 1, column by column."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.cli.tables import table_command
from workbench.data.region_split import PROTOCOLS
from workbench.evaluation.cells import number
from workbench.evaluation.rendering import Rows
from workbench.experiments.regions.columns import RegionColumn
from workbench.experiments.regions.summary import picture_of
from workbench.experiments.regions.table1 import TABLE1
from workbench.experiments.tables.assemble import finished
from workbench.training.config import PRECISIONS
from workbench.views.regions.table1 import table_view
from workbench.views.tables import TableView

TEXT = """Train and evaluate the columns of the paper's Table 1, and those beyond it.

What is done stays in the folder: the same command goes on where it was stopped, and says what
it skips. Commands on different columns or seeds may fill one folder at the same time. Writes
table1.{json,md,html,png} and pictures of one column.

\b
Example, with backbones that keep their weights and features that are computed once:
  workbench table1 --store stores/coco.zarr --out runs/table1 --frozen \\
    --column sift-o2p --column alexnet --column deep-o2p \\
    --features alexnet=stores/coco-relu5.zarr --features deep-o2p=stores/coco-relu5.zarr
"""


def _listed(columns: Sequence[RegionColumn]) -> Rows:
    """List of the columns with the paper's errors and minutes."""
    plain = [TABLE1.columns[column.family] for column in columns]
    rows = [[c.name, c.title, number(c.paper, ".1f"), f"{c.minutes}"] for c in plain]
    return [["column", "", "the paper's error, %", "minutes a seed"], *rows]


def _look(out: Path, values: dict[str, Any], picture: str | None) -> tuple[TableView, list[Path]]:
    return table_view(values, picture_of(finished(TABLE1, out), picture)), []


table1 = table_command(
    TABLE1,
    click.option("--head-first", is_flag=True,
                 help="Pretrained networks train frozen first; few --passes then do."),
    click.option("--protocol", type=click.Choice(PROTOCOLS), default="pooled", show_default=True,
                 help="A fifth of all images for testing, or COCO's own val."),
    click.option("--limit", type=click.IntRange(min=1),
                 help="Only so many regions of every part, to see whether all runs."),
    click.option("--precision", type=click.Choice(PRECISIONS), default="32-true",
                 show_default=True, help="Of the convolutions; structured layers keep float64."),
    click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True,
                 help="Processes that compute dense SIFT."),
    click.option("--picture", metavar="COLUMN",
                 help="Whose confusions and calibration are drawn. [default: the best]"),
    text=TEXT, listed=_listed, look=_look,
)  # fmt: skip
