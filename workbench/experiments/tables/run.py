"""Training and evaluation of the missing columns of any table, one after the other."""

from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.experiments.tables.table import C, Q, R, Table
from workbench.runs.questions import agree_on_question, refuse_other


def run_columns(table: Table[C, R, Q], request: Q, columns: Sequence[C]) -> None:
    """Train and evaluate columns whose results are missing.

    Args:
        table: table of the columns.
        request: settings that they share.
        columns: columns in the order in which they are run.

    Raises:
        PipelineError, WorkbenchError: store, features or weights do not exist; something was
            asked differently before; a column from scratch is to be frozen; a training diverged.
        KeyboardInterrupt: SIGINT or SIGTERM stopped a training, which has a checkpoint.
    """
    if scratch := [column.family for column in columns if column.varies and not column.freezable]:
        raise WorkbenchError(
            "columns with pretrained backbones, to freeze them",
            ", ".join(scratch),
            "leave these or --frozen out",
        )
    agree_on_question(request.out, table.question(request), "the table")
    for column in columns:
        for seed in request.seeds if column.trained else (0,):
            _run(table, request, column, seed)


def result_path(out: Path, column: str, seed: int) -> Path:
    """File of one seed's result.

    Args:
        out: folder of the table.
        column: name of the column.
        seed: number of the seed, from 0.
    """
    return out / "results" / column / f"seed{seed}.json"


def _run(table: Table[C, R, Q], request: Q, column: C, seed: int) -> None:
    path = result_path(request.out, column.name, seed)
    label = f"{column.name}, seed {seed}"
    asked = table.asked(request, column, seed)
    if path.exists():
        refuse_other(
            table.result.read(path).question,
            asked,
            label,
            f"ask the same, give another --out, or delete {path} (a training that was asked "
            "otherwise too is then refused by its own name)",
        )
        tqdm.write(f"{label}: done before, in {path}")
        return
    result = table.evaluate(request, column, seed, asked)
    result.write(path)
    tqdm.write(f"{label}: " + ", ".join(filter(None, (result.said, str(path)))))
