"""Command of any table: its options, and running, assembling and writing it."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import Decorator, decorated
from workbench.evaluation.rendering import Rows, as_text
from workbench.experiments.tables.assemble import assemble
from workbench.experiments.tables.run import run_columns
from workbench.experiments.tables.table import C, Q, R, Table
from workbench.runs.files import write_files
from workbench.views.tables import TableView

Look = Callable[..., tuple[TableView, list[Path]]]
"""Function from the folder of a table, its values and the options that are not its request's to the
view and the files with further pictures that it wrote."""


def table_command(
    table: Table[C, R, Q], *own: Decorator, text: str,
    listed: Callable[[Sequence[C]], Rows], look: Look,
) -> click.Command:  # fmt: skip
    """Command that runs a table, assembles it and writes it.

    Args:
        table: the table.
        own: options beside those of every table, named as in its request or as `look` takes them.
        text: help text of the command.
        listed: rows that --list shows of columns, the header first.
        look: function that makes the view of the table.
    """

    def command(
        store: Path | None,
        out: Path | None,
        names: tuple[str, ...],
        seeds: int,
        only_seeds: tuple[int, ...],
        only_list: bool,
        only_assemble: bool,
        frozen: bool = False,
        features: tuple[str, ...] = (),
        **options: Any,
    ) -> None:
        columns = table.columns_named(names, frozen)
        if only_list:
            click.echo(as_text(listed(columns)))
            click.echo(f"One of them alone: {columns[0].command}")
            return
        if out is None:
            raise click.UsageError("Missing option '--out'.")
        asked = {each.name for each in fields(table.request)} & options.keys()
        settings = {name: options.pop(name) for name in asked}
        if not only_assemble:
            if store is None:
                raise click.UsageError("Missing option '--store'.")
            request = table.request(
                store=store,
                out=out,
                seeds=only_seeds or tuple(range(seeds)),
                features=_stores_by_column(features, table.columns),
                **settings,
            )
            run_columns(table, request, columns)
        values = assemble(table, out)
        view, pictures = look(out, values, **options)
        paths = [*write_table(table.name, values, view, out), *pictures]
        click.echo(view.to_text())
        for path in paths:
            click.echo(f"wrote {path}", err=True)

    width = max(map(len, table.columns))
    epilog = "\b\nColumns, with the minutes that one seed takes on two cores:\n" + "\n".join(
        f"  {column.name:{width}} {column.minutes:4.0f}  {column.title}"
        for column in table.columns.values()
    )
    if table.learns_weights:
        own = (_training_options(table.items), *own)
    decorate = _options(table.columns, table.items, *own)
    return click.command(table.name, help=text, epilog=epilog)(decorate(command))


def write_table(name: str, values: Mapping[str, Any], view: TableView, out: Path) -> list[Path]:
    """Write the values of a table and its view; the files that were written.

    Args:
        name: name of the table.
        values: result of `experiments.tables.assemble`.
        view: view of them.
        out: folder.
    """
    content = json.dumps(values, indent=1, ensure_ascii=False) + "\n"
    return [*write_files(out, {f"{name}.json": content.encode()}), *view.write(out)]


def _options(columns: Collection[str], items: str, *own: Decorator) -> Decorator:
    """Options of every table, with a table's own between them.

    Args:
        columns: names of the columns.
        items: name of a store's items: scenes or regions.
        own: further options.
    """
    option, count = click.option, click.IntRange(min=1)
    return decorated(
        option("--store", type=Path, help=f"Zarr store of {items}, from `python -m pipelines`."),
        option("--out", type=Path, help="Folder of the table, new or begun."),
        option("--column", "names", multiple=True, type=click.Choice(list(columns)),
               help="Only this column; repeatable."),
        option("--seeds", type=count, default=3, show_default=True,
               help="Trainings of every column that is trained, seeds counted from 0."),
        option("--seed", "only_seeds", type=click.IntRange(min=0), multiple=True,
               help="Only this seed's training; repeatable."),
        *own,
        option("--list", "only_list", is_flag=True,
               help="Run nothing: what columns have in the paper, and cost."),
        option("--assemble", "only_assemble", is_flag=True,
               help="Run nothing: tables and pictures of what is there."),
    )  # fmt: skip


def _training_options(items: str) -> Decorator:
    """Options of tables whose columns are networks with backbones."""
    option = click.option
    return decorated(
        option("--frozen/--end-to-end", default=False, show_default=True,
               help="Backbones keep their weights, or all parameters are trained."),
        option("--features", multiple=True, metavar="COLUMN=STORE",
               help="Store of a frozen backbone's features, to train a column on."),
        option("--passes", type=click.IntRange(min=1),
               help=f"Over the training {items}. [default: each column's own]"),
        option("--threads", type=click.IntRange(min=1),
               help="Of torch on the CPU. [default: one where small matrices take the time]"),
        option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
               show_default=True),
    )  # fmt: skip


def _stores_by_column(
    features: tuple[str, ...], known: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Stores by column, from the values of --features.

    Raises:
        click.UsageError: a value is not COLUMN=STORE, or there is no such column.
    """
    pairs = []
    for each in features:
        name, equals, store = each.partition("=")
        if not equals or name not in known:
            raise click.UsageError(f"--features takes COLUMN=STORE, got {each!r}.")
        pairs.append((name, store))
    return tuple(pairs)
