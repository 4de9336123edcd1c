"""Tables assembled from the results in their folders, as plain values."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import WorkbenchError
from workbench.experiments.tables.run import result_path
from workbench.experiments.tables.table import C, Finished, Q, R, Table
from workbench.runs.files import read_json_object, to_json
from workbench.runs.provenance import commit_in_words, machine_in_words, provenance
from workbench.runs.questions import QUESTION


def assemble(
    table: Table[C, R, Q], out: Path, columns: Iterable[C] | None = None
) -> dict[str, Any]:
    """Values of a table from the results in its folder, for strict JSON.

    Keys: those of the table's own summary, then missing (names of columns without a result),
    commits, machines, provenance.

    Args:
        table: table of the folder.
        out: the folder.
        columns: columns that may be in it, in the order of the table; None: all of the table's.

    Raises:
        WorkbenchError: no column is finished, or a file is damaged.
    """
    columns = list(table.columns.values() if columns is None else columns)
    found = finished(table, out, columns)
    there = {each.column.name for each in found}
    if table.variant_fills:
        there |= {each.column.family for each in found}
    sources = [result.provenance for each in found for result in each.results]
    values = table.summarise(found, read_json_object(out / QUESTION)) | {
        "missing": [c.name for c in columns if not c.varies and c.name not in there],
        "commits": _distinct(commit_in_words(source) for source in sources),
        "machines": _distinct(machine_in_words(s["machine"], table.threads) for s in sources),
        "provenance": provenance(),
    }
    plain: dict[str, Any] = json.loads(to_json(values), parse_constant=lambda _: None)
    return plain


def finished(
    table: Table[C, R, Q], out: Path, columns: Iterable[C] | None = None
) -> list[Finished[C, R]]:
    """Columns of a folder that have results, each followed by its variant.

    Arguments and errors as in `assemble`.
    """
    found = [
        Finished(column, tuple(table.result.read(path) for path in _files(out, column.name)))
        for column in table.with_variants(columns)
    ]
    found = [each for each in found if each.results]
    if not found:
        raise WorkbenchError(
            f"a finished column in {out}",
            "none",
            f"run `workbench {table.name}` without --assemble",
        )
    return found


def mean(values: Sequence[float | None]) -> float:
    """Mean of values; NaN, which becomes None in JSON, where a value is not known."""
    return float(np.mean([np.nan if value is None else value for value in values]))


def _files(out: Path, column: str) -> list[Path]:
    """Files of a column's results, in the order of their seeds."""
    files = result_path(out, column, 0).parent.glob("seed*.json")
    return sorted(files, key=lambda file: int(file.stem.removeprefix("seed")))


def _distinct(words: Iterable[str]) -> list[str]:
    """Words without repetition, in order of appearance."""
    return list(dict.fromkeys(words))
