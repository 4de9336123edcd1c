"""What the commands of whole tables share."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from workbench.cli.options import Decorator, decorated
from workbench.runs.files import atomic_write


def table_options(columns: Collection[str], items: str, *own: Decorator) -> Decorator:
    """The options of every table, with a table's own between them.

    Args:
        columns: their names.
        items: what a store has: scenes or regions.
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
        option("--frozen/--end-to-end", default=False, show_default=True,
               help="Backbones keep their weights, or all parameters are trained."),
        option("--features", multiple=True, metavar="COLUMN=STORE",
               help="Store of a frozen backbone's features, to train a column on."),
        option("--passes", type=count,
               help=f"Over the training {items}. [default: each column's own]"),
        *own,
        option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto",
               show_default=True),
        option("--list", "only_list", is_flag=True,
               help="Run nothing: what columns have in the paper, and cost."),
        option("--assemble", "only_assemble", is_flag=True,
               help="Run nothing: tables and pictures of what is there."),
    )  # fmt: skip


def stores_by_column(
    features: tuple[str, ...], known: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """The values of --features: columns with their stores.

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


def write_values(values: dict[str, Any], path: Path) -> Path:
    """A table's values as JSON, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    return path
