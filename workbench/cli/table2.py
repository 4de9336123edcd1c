"""`workbench table2`: the paper's Table 2 and Figure 3, column by column."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from workbench.cli.tables import table_command
from workbench.evaluation.cells import pair
from workbench.evaluation.rendering import Rows
from workbench.experiments.scenes.columns import Column, Figures
from workbench.experiments.scenes.table2 import TABLE2
from workbench.training.config import PRECISIONS
from workbench.views.scenes.figure3 import draw_figure3
from workbench.views.scenes.table2 import table_view
from workbench.views.tables import TableView

TEXT = """Train and evaluate the columns of the paper's Table 2, and those beyond it.

What is done stays in the folder: the same command goes on where it was stopped, and says what
it skips. Commands on different columns or seeds may fill one folder at the same time. Writes
table2.{json,md,html,png} and figure3.{html,jpg}.

\b
Example:
  workbench table2 --store stores/bsds.zarr --out runs/table2 --column ncuts-multiscale
"""


def _listed(columns: Sequence[Column]) -> Rows:
    """List of the columns with the paper's best (average) covering, that to expect, and minutes."""

    def cell(figures: Figures | None) -> str:
        return pair(asdict(figures) if figures else None)

    header = ["column", "the paper's", "expected here", "minutes a seed"]
    return [header, *([c.name, cell(c.paper), cell(c.expected), f"{c.minutes}"] for c in columns)]


def _look(out: Path, values: dict[str, Any]) -> tuple[TableView, list[Path]]:
    figure = draw_figure3(out, TABLE2.with_variants())
    return table_view(values, figure[0].name), figure


table2 = table_command(
    TABLE2,
    click.option("--split", default="test", show_default=True),
    click.option("--limit", type=click.IntRange(min=1),
                 help="Evaluate only the first so many scenes."),
    click.option("--precision", type=click.Choice(PRECISIONS), default="32-true",
                 show_default=True,
                 help="Of convolutions that are trained; structured layers keep float64."),
    text=TEXT, listed=_listed, look=_look,
)  # fmt: skip
