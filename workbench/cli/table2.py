"""`workbench table2`: the paper's Table 2 and Figure 3, column by column."""

from pathlib import Path

import click

from workbench.cli.table_options import stores_by_column, table_options, write_values
from workbench.evaluation.rendering import Rows, as_text
from workbench.experiments.scenes.columns import COLUMNS, Column, Figures, columns_named
from workbench.experiments.scenes.summary import assemble
from workbench.experiments.scenes.table2 import Table2Request, run_columns
from workbench.training.config import PRECISIONS, Precision
from workbench.views.scenes.figure3 import draw_figure3
from workbench.views.scenes.table2 import to_text, write_table2

WIDTH = max(map(len, COLUMNS))
EPILOG = "\b\nColumns, with the minutes that one seed takes on two cores:\n" + "\n".join(
    f"  {column.name:{WIDTH}} {column.minutes:4.0f}  {column.title}" for column in COLUMNS.values()
)


@click.command(epilog=EPILOG)
@table_options(
    COLUMNS,
    "scenes",
    click.option("--split", default="test", show_default=True),
    click.option(
        "--limit", type=click.IntRange(min=1), help="Evaluate only the first so many scenes."
    ),
    click.option(
        "--precision", type=click.Choice(PRECISIONS), default="32-true", show_default=True,
        help="Of convolutions that are trained; structured layers keep float64.",
    ),
)  # fmt: skip
def table2(
    store: Path | None,
    out: Path | None,
    names: tuple[str, ...],
    seeds: int,
    only_seeds: tuple[int, ...],
    split: str,
    limit: int | None,
    precision: Precision,
    frozen: bool,
    features: tuple[str, ...],
    passes: int | None,
    device: str,
    only_list: bool,
    only_assemble: bool,
) -> None:
    """Train and evaluate the columns of the paper's Table 2, and those beyond it.

    What is done stays in the folder: the same command goes on where it was stopped, and says what
    it skips. Commands on different columns or seeds may fill one folder at the same time. Writes
    table2.{json,md,html,png} and figure3.{html,jpg}.

    \b
    Example:
      workbench table2 --store stores/bsds.zarr --out runs/table2 --column ncuts-multiscale
    """
    columns = columns_named(names, frozen, passes)
    if only_list:
        click.echo(as_text(_listed(columns)))
        click.echo(f"One of them alone: {columns[0].command}")
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    if not only_assemble:
        if store is None:
            raise click.UsageError("Missing option '--store'.")
        wanted = only_seeds or tuple(range(seeds))
        request = Table2Request(
            store, out, wanted, split, limit, stores_by_column(features, COLUMNS), device, precision
        )
        run_columns(request, columns)
    known = [variant for column in COLUMNS.values() for variant in (column, column.frozen())]
    listed = list({column.name: column for column in known}.values())
    values = assemble(out, listed)
    figure = draw_figure3(out, listed)
    paths = [
        write_values(values, out / "table2.json"),
        *write_table2(values, out, figure[0].name),
        *figure,
    ]
    click.echo(to_text(values))
    for path in paths:
        click.echo(f"wrote {path}", err=True)


def _listed(columns: list[Column]) -> Rows:
    """Columns with the paper's figures, best (average) covering, those to expect, and minutes."""

    def pair(figures: Figures | None) -> str:
        return "–" if figures is None else f"{figures.best:.2f} ({figures.average:.2f})"

    header = ["column", "the paper's", "expected here", "minutes a seed"]
    rows = [[c.name, pair(c.paper), pair(c.expected), f"{c.minutes}"] for c in columns]
    return [header, *rows]
