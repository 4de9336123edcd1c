"""`workbench table1`: the paper's Table 1, column by column."""

from pathlib import Path
from typing import Any

import click

from workbench.cli.table_options import stores_by_column, table_options, write_values
from workbench.data.region_split import PROTOCOLS, Protocol
from workbench.evaluation.rendering import Rows, as_text
from workbench.experiments.regions.columns import (
    REGION_COLUMNS,
    RegionColumn,
    region_columns_named,
)
from workbench.experiments.regions.summary import Picture, assemble, picture_of
from workbench.experiments.regions.table1 import Table1Request, run_columns
from workbench.training.config import PRECISIONS, Precision
from workbench.views.regions.recognition import (
    category_errors,
    confusion_matrix,
    reliability_diagram,
)
from workbench.views.regions.table1 import to_text, write_table1

WIDTH = max(map(len, REGION_COLUMNS))
EPILOG = "\b\nColumns, with the minutes that one seed takes on two cores:\n" + "\n".join(
    f"  {column.name:{WIDTH}} {column.minutes:4.0f}  {column.title}"
    for column in REGION_COLUMNS.values()
)


@click.command(epilog=EPILOG)
@table_options(
    REGION_COLUMNS,
    "regions",
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
)  # fmt: skip
def table1(
    store: Path | None,
    out: Path | None,
    names: tuple[str, ...],
    seeds: int,
    only_seeds: tuple[int, ...],
    frozen: bool,
    head_first: bool,
    features: tuple[str, ...],
    passes: int | None,
    protocol: Protocol,
    limit: int | None,
    precision: Precision,
    workers: int,
    device: str,
    picture: str | None,
    only_list: bool,
    only_assemble: bool,
) -> None:
    """Train and evaluate the columns of the paper's Table 1, and those beyond it.

    What is done stays in the folder: the same command goes on where it was stopped, and says what
    it skips. Commands on different columns or seeds may fill one folder at the same time. Writes
    table1.{json,md,html,png} and pictures of one column.

    \b
    Example, with backbones that keep their weights and features that are computed once:
      workbench table1 --store stores/coco.zarr --out runs/table1 --frozen \\
        --column sift-o2p --column alexnet --column deep-o2p \\
        --features alexnet=stores/coco-relu5.zarr --features deep-o2p=stores/coco-relu5.zarr
    """
    columns = region_columns_named(names)
    if frozen and not names:
        columns = [c for c in columns if c.training is None or c.pretrained]
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
        request = Table1Request(
            store,
            out,
            wanted,
            frozen,
            head_first,
            stores_by_column(features, REGION_COLUMNS),
            passes,
            protocol,
            limit,
            device,
            precision,
            workers,
        )
        run_columns(request, columns)
    known = list(REGION_COLUMNS.values())
    values = assemble(out, known)
    pictured = picture_of(out, known, picture)
    paths = [
        write_values(values, out / "table1.json"),
        *write_table1(values, out, pictured.key, _pictures(pictured)),
    ]
    click.echo(to_text(values))
    for path in paths:
        click.echo(f"wrote {path}", err=True)


def _pictures(found: Picture) -> dict[str, Any]:
    """By the name of their file."""
    return {
        "reliability": reliability_diagram(found.reliability, found.title),
        "confusion": confusion_matrix(found.confusion, found.names, title="Confusions"),
        "categories": category_errors(found.summary),
    }


def _listed(columns: list[RegionColumn]) -> Rows:
    """Columns with the paper's errors and minutes."""
    header = ["column", "", "the paper's error, %", "minutes a seed"]
    rows = [
        [c.name, c.title, "–" if c.paper is None else f"{c.paper:.1f}", f"{c.minutes}"]
        for c in columns
    ]
    return [header, *rows]
