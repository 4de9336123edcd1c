"""`workbench evaluate TABLE --store OTHER`: a whole table on another store."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.cli.tables import write_table
from workbench.errors import WorkbenchError
from workbench.experiments.other_store import OtherStore
from workbench.experiments.regions.summary import picture_of
from workbench.experiments.regions.table1 import TABLE1
from workbench.experiments.scenes.table2 import TABLE2
from workbench.experiments.tables.assemble import assemble, finished
from workbench.experiments.tables.elsewhere import evaluate_table
from workbench.experiments.tables.table import Table
from workbench.views.regions.table1 import table_view as regions_view
from workbench.views.scenes.table2 import table_view as scenes_view


def show_table(paths: Sequence[Path], other: OtherStore | None, as_json: bool) -> None:
    """Evaluate the columns of a table on another store, write the table of these and print it.

    Args:
        paths: folders that the command was given.
        other: what is evaluated; None: no store was given.
        as_json: whether the values are printed as JSON.

    Raises:
        PipelineError, WorkbenchError: there is not one folder of a table and a store, or something
            is missing in them.
    """
    if len(paths) > 1 or other is None:
        raise WorkbenchError(
            "one folder of a table with --store, the store to evaluate it on",
            "several folders" if len(paths) > 1 else "no store",
            "its own test figures are in its files; give one folder and --store",
        )
    folder = paths[0]
    names = {path.name for path in (folder / "results").iterdir()}
    tables: tuple[Table[Any, Any, Any], ...] = (TABLE1, TABLE2)
    table = next((t for t in tables if names & {c.name for c in t.with_variants()}), None)
    if table is None:
        raise WorkbenchError(
            f"a folder of table1 or table2 with results in {folder}",
            f"results of {', '.join(sorted(names)) or 'no column'}",
            "give the folder that --out had",
        )
    out = evaluate_table(table, folder, other)
    values = assemble(table, out)
    if table is TABLE1:
        view = regions_view(values, picture_of(finished(TABLE1, out)))
    else:
        view = scenes_view(values)
    written = write_table(table.name, values, view, out)
    click.echo(json.dumps(values, indent=1) if as_json else view.to_text(tests=True))
    for path in written:
        click.echo(f"wrote {path}", err=True)
