"""The table of measurements grows with the log, and says what it says, resumptions included."""

import math
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.runs.measurements import Measurements


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def test_a_table_polled_at_any_moment_is_that_of_a_fresh_reader(run: Run) -> None:
    rng = np.random.default_rng(0)
    reader, step = Run.open(run.path), 0
    for turn in range(60):
        if turn % 17 == 16:
            step = int(rng.integers(0, step + 1))
            run.resume(step)
        for _ in range(int(rng.integers(0, 4))):
            step += 1
            names = rng.choice(["a", "b", "c"], size=2, replace=False)
            run.log(step, **{str(name): float(rng.random()) for name in names})
        polled, fresh = reader.metrics(), Run.open(run.path).metrics()
        assert polled.sort_index(axis=1).equals(fresh.sort_index(axis=1))
        assert polled.index.max() <= step if len(polled) else True
        assert reader.step == Run.open(run.path).step


def test_only_new_lines_are_read(run: Run) -> None:
    run.log(1, loss=1.0)
    reader = Run.open(run.path)
    assert len(reader.metrics()) == 1
    log = run.path / "events.jsonl"
    content = log.read_bytes()
    log.write_bytes(b"#" * len(content))  # what was read before is not looked at again
    with log.open("ab") as file:
        file.write(content.splitlines()[-1].replace(b'"step": 1', b'"step": 2') + b"\n")
    assert reader.metrics().index.tolist() == [1, 2]


def test_columns_that_come_late_or_stop_early_are_filled() -> None:
    table = Measurements()
    table.add(1, {"a": 1.0})
    table.add(2, {})
    table.add(3, {"a": 3, "b": math.inf})
    table.add(4, {"c": 4.0})
    frame = table.frame()
    assert frame["a"].fillna(-1).tolist() == [1, -1, 3, -1]
    assert frame["b"].fillna(-1).tolist() == [-1, -1, math.inf, -1]
    table.rewind(2)
    assert table.frame().columns.tolist() == ["a"]
    assert len(table) == 2


def test_a_frame_is_the_readers_own() -> None:
    table = Measurements()
    table.add(1, {"a": 1.0})
    mine = table.frame()
    mine.loc[1, "a"] = 7.0
    assert table.frame().loc[1, "a"] == 1.0


def test_a_measurement_that_is_no_number_is_damage(run: Run) -> None:
    run.append("metrics", 1, loss="small")
    with pytest.raises(WorkbenchError, match="a damaged line"):
        Run.open(run.path).metrics()
