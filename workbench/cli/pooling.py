"""`workbench pooling`: second-order, average and AlexNet-like pooling from scratch on CIFAR-10."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.cli.tables import table_command
from workbench.evaluation.rendering import Rows
from workbench.experiments.images.pooling import POOLING, PoolingColumn
from workbench.runs.files import write_files
from workbench.training.config import PRECISIONS
from workbench.views.images.pooling import figures_frame, table_view
from workbench.views.tables import TableView

TEXT = """Train small networks that differ in their last pooling, and compare their errors.

Second-order pooling (DeepO2P), average pooling and AlexNet-like pooling have equally many
parameters and equally many passes, from random weights. The learning rate of each is chosen among
the same three on held-out training images, in short trainings with seed 0; test images are
looked at after the last pass alone. Intervals resample test images, or concern other seeds.

What is done stays in the folder: the same command goes on where it was stopped, and says what it
skips. Commands on different columns may fill one folder at the same time; on different seeds, once
the short trainings are done. Writes pooling.{json,md,html,csv,png} and
pooling-passes.png; run folders of all trainings lie in OUT/runs (`workbench lab --app OUT/runs`).

\b
Example:
  python -m pipelines run cifar10 --store stores/cifar10.zarr
  workbench pooling --store stores/cifar10.zarr --out runs/pooling --precision bf16-mixed
"""


def _listed(columns: Sequence[PoolingColumn]) -> Rows:
    """List of the columns with images, passes and minutes."""
    rows = [
        [c.name, c.title, "all" if c.images is None else f"{c.images:,}", f"{c.passes}",
         f"{c.minutes}"]
        for c in columns
    ]  # fmt: skip
    return [["column", "", "training images", "passes", "minutes a seed"], *rows]


def _look(out: Path, values: dict[str, Any]) -> tuple[TableView, list[Path]]:
    figures = figures_frame(values).to_csv(index=False, float_format="%.5g").encode()
    return table_view(values), write_files(out, {"pooling.csv": figures})


pooling = table_command(
    POOLING,
    click.option("--width", type=click.IntRange(min=1), default=16, show_default=True,
                 help="Channels of the first block; DeepO2P pools twice as many."),
    click.option("--passes", type=click.IntRange(min=1),
                 help="Over the training images. [default: each column's own]"),
    click.option("--precision", type=click.Choice(PRECISIONS), default="32-true",
                 show_default=True, help="Of the convolutions; DeepO2P's pooling keeps float64."),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
                 show_default=True),
    text=TEXT, listed=_listed, look=_look,
)  # fmt: skip
