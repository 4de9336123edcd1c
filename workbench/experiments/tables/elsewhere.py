"""Tables on another store: the trainings of a table's folder, evaluated on what they never saw.

The results make a folder of a table of their own, below the first one's: its columns, seeds, tests
and pictures are those of any table. What is done is kept, as in `experiments.tables.run`.
"""

from collections.abc import Iterable
from pathlib import Path

from tqdm.auto import tqdm

from workbench.experiments.other_store import OtherStore
from workbench.experiments.tables.assemble import finished
from workbench.experiments.tables.run import result_path
from workbench.experiments.tables.table import C, Q, R, Table
from workbench.runs.questions import QUESTION, agree_on_question


def is_table(folder: Path) -> bool:
    """Whether a folder is one of a table with results."""
    return (folder / QUESTION).is_file() and (folder / "results").is_dir()


def evaluate_table(
    table: Table[C, R, Q], folder: Path, other: OtherStore, columns: Iterable[C] | None = None
) -> Path:
    """Evaluate all finished columns of a table on another store.

    Args:
        table: table of the folder.
        folder: folder of the table; its own results stay as they are.
        other: what is evaluated.
        columns: columns that may be in it; None: all of the table's.

    Returns:
        Folder of the new table.

    Raises:
        PipelineError, WorkbenchError: the table, a run, the store or its split is not there, or
            the columns cannot be evaluated on it.
    """
    found = finished(table, folder, columns)
    out = other.place(folder)
    agree_on_question(out, table.question_elsewhere(found, other), "the table")
    wanted = {
        result_path(out, each.column.name, result.question["seed"]): (each.column, result)
        for each in found
        for result in each.results
    }
    missing = {path: work for path, work in wanted.items() if not path.exists()}
    for path in wanted.keys() - missing.keys():
        tqdm.write(f"done before: {path}")
    paths = {(c.name, result.question["seed"]): path for path, (c, result) in missing.items()}
    for column, result in table.evaluate_elsewhere(folder, list(missing.values()), other):
        seed = result.question["seed"]
        result.write(paths[column.name, seed])
        words = filter(None, (result.said, str(paths[column.name, seed])))
        tqdm.write(f"{column.name}, seed {seed}: {', '.join(words)}")
    return out
