"""Long and many runs: time and memory until a page can draw them, at first and with what is kept.

Runs are written line by line as a training writes them, and opened as the app opens them.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from workbench.bench.measure import medians, peak_bytes
from workbench.bench.records import Row, Target
from workbench.bench.report import at_most, find
from workbench.runs import Run
from workbench.runs.summary import KEPT, summary
from workbench.widgets.page.library import Library
from workbench.widgets.page.runs import RunTable
from workbench.widgets.workspace import State

LONG, MANY, CURVES = "a long run", "a table of runs", "curves of many runs"
FIRST, AGAIN = "at first", "again"
NAMES = ("loss", "j2", "alignment", "rank", "condition", "gradient_norm", "learning_rate")
"""Measurements of every step."""
LONG_LIMIT, LONG_MEMORY, MANY_LIMIT, CURVES_LIMIT = 2.0, 200e6, 1.0, 1.0
"""Promised seconds, and bytes."""
_POINTS = 2000


@dataclass(frozen=True)
class RecordSizes:
    """Sizes of the measurement.

    Attributes:
        steps: steps of the long run.
        runs: number of runs in the table.
        run_steps: steps of each of them.
        curves: number of runs whose curves are read together.
        curve_steps: steps of each of them.
        repeats: number of rounds.
    """

    steps: int = 1_000_000
    runs: int = 500
    run_steps: int = 1000
    curves: int = 50
    curve_steps: int = 100_000
    repeats: int = 5


def record_rows(sizes: RecordSizes, folder: Path) -> Iterator[Row]:
    """Rows of the measurement.

    Args:
        sizes: sizes of the measurement.
        folder: folder for the runs.
    """
    path = folder / "longest"
    write_run(path, sizes.steps)
    yield from _rows(_long(sizes), lambda: _open(path), [path], sizes.repeats)
    many = folder / "many"
    paths = _copies(many, sizes.runs, sizes.run_steps)
    yield from _rows(_many(sizes), lambda: RunTable(Library([many]), State()), paths, sizes.repeats)
    paths = _copies(folder / "curves", sizes.curves, sizes.curve_steps)
    yield from _rows(_curves(sizes), lambda: list(map(_curve, paths)), paths, sizes.repeats)


def record_targets(rows: list[Row]) -> Iterator[Target]:
    """Targets of the measurement; only sizes for which they are promised are judged."""
    sizes = RecordSizes()
    for case, limit in (
        (_long(sizes), LONG_LIMIT), (_many(sizes), MANY_LIMIT), (_curves(sizes), CURVES_LIMIT),
    ):  # fmt: skip
        if (row := find(rows, case, AGAIN)) is None:
            continue
        yield at_most(f"{case} within {limit:.0f} s", row.seconds, limit, "{} s")
        if case == _long(sizes):
            megabytes = None if row.peak is None else row.peak / 1e6
            bound = LONG_MEMORY / 1e6
            yield at_most(f"{case} in {bound:.0f} MB", megabytes, bound, "{} MB")


def write_run(path: Path, steps: int) -> None:
    """Write a run with `NAMES` at every step, which was finished."""
    Run.create(path, {"kind": "scenes"})
    values = np.random.default_rng(0).random((steps, len(NAMES)))
    with (path / "events.jsonl").open("a") as file:
        for step, row in enumerate(values.tolist(), 1):
            fields = ", ".join(f'"{n}": {v!r}' for n, v in zip(NAMES, row, strict=True))
            own = f'"seq": {step + 1}, "time": {1.7e9 + step}, "step": {step}, "kind": "metrics"'
            file.write(f"{{{own}, {fields}}}\n")
    Run.open(path).append("finished", steps)


def _copies(folder: Path, count: int, steps: int) -> list[Path]:
    """Runs with one and the same record."""
    write_run(folder / "0", steps)
    paths = [folder / f"{number}" for number in range(count)]
    for path in paths[1:]:
        path.mkdir()
        for name in ("config.json", "provenance.json", "events.jsonl"):
            os.link(paths[0] / name, path / name)
    return paths


def _open(path: Path) -> object:
    run = Run.open(path)
    return summary(run), run.curves(most=_POINTS)


def _curve(path: Path) -> object:
    return Run.open(path).curves(["loss"], most=_POINTS)


def _rows(case: str, task: Callable[[], object], paths: list[Path], repeats: int) -> Iterator[Row]:
    """Time and peak memory of a task, without what it keeps and with it."""

    def at_first() -> object:
        for path in paths:
            for kept in path.glob(".*.cache"):
                kept.unlink()
        return task()

    seconds = medians({FIRST: at_first}, 1)
    peak = peak_bytes(at_first, torch.device("cpu"))
    yield Row(case, FIRST, seconds[FIRST], peak=peak)
    task()
    assert all((path / KEPT).exists() for path in paths) or case.startswith(CURVES)
    seconds = medians({AGAIN: task}, repeats)
    yield Row(case, AGAIN, seconds[AGAIN], peak=peak_bytes(task, torch.device("cpu")))


def _long(sizes: RecordSizes) -> str:
    return f"{LONG} of {sizes.steps:,} steps"


def _many(sizes: RecordSizes) -> str:
    return f"{MANY}, {sizes.runs} of {sizes.run_steps:,} steps"


def _curves(sizes: RecordSizes) -> str:
    return f"{CURVES}, {sizes.curves} of {sizes.curve_steps:,} steps"
