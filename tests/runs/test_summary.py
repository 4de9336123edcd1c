"""A run's summary says what its log says, however it came about, and is kept beside it."""

import math
import os
from pathlib import Path

import numpy as np
import pytest

from workbench.runs import Run, Status
from workbench.runs.alarms import alarms
from workbench.runs.progress import progress
from workbench.runs.summary import KEPT, Summary, summary


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def grow(run: Run, rng: np.random.Generator, step: int) -> int:
    """Append what a training does; the new last step."""
    if rng.random() < 0.1 and step > 5:
        step = int(rng.integers(0, step))
        run.resume(step)
    for step in range(step + 1, step + int(rng.integers(2, 30))):
        gradient = math.nan if rng.random() < 0.02 else rng.random()
        run.log(step, loss=rng.random(), gradient_norm=gradient, learning_rate=0.1)
    if rng.random() < 0.3:
        run.append("control", step, command=str(rng.choice(["pause", "resume"])), id="x")
    run.log(step, covering_best=rng.random(), covering_average=0.1)
    run.append("vitals", step, samples_per_second=2.0, memory=7, memory_of="GPU")
    return step


def test_the_summary_of_a_log_that_grows_is_that_of_a_fresh_reader(run: Run) -> None:
    rng = np.random.default_rng(1)
    run.append("plan", 0, steps=900, steps_per_pass=30, samples=60)
    reader, known, step = Run.open(run.path), None, 0
    for _ in range(30):
        step = grow(run, rng, step)
        known = summary(reader, known)
        fresh = Run.open(run.path)
        assert known == summary(fresh)
        assert summary(reader, known) is known, "nothing is read where nothing has changed"
        table = fresh.metrics()
        last = table.ffill().iloc[-1]
        assert {name: each.last for name, each in known.measures.items()} == last.to_dict()
        for name, each in known.measures.items():
            column = table[name].dropna()
            assert (each.lowest, each.highest) == (column.min(), column.max())
            assert each.count == len(column)
            assert np.mean(each.shape) == pytest.approx(column.mean(), rel=0.3)
        assert list(known.alarms) == alarms(table)
        assert known.progress(2e9) == progress(fresh, 2e9)
    assert known is not None
    assert known.main == "covering_best"
    assert known.best("loss") == table["loss"].min()
    assert any("no finite number" in alarm.what for alarm in known.alarms)
    assert not (run.path / KEPT).exists(), "of a run that goes on nothing is kept"


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def _age(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"summary 1", b"summary 0"))


def test_a_kept_summary_is_used_as_long_as_it_fits(run: Run) -> None:
    run.log(1, loss=3.0)
    run.append("finished", 1)
    first = summary(Run.open(run.path))
    state = run.log_path.stat()
    content = run.log_path.read_bytes()
    run.log_path.write_bytes(b"#" * len(content))
    os.utime(run.log_path, ns=(1, state.st_mtime_ns))
    assert summary(Run.open(run.path)) == first, "the log is not read"
    run.log_path.write_bytes(content.replace(b"3.0", b"4.0"))
    assert summary(Run.open(run.path)).measures["loss"].last == 4.0
    for harm in (_flip, _age, Path.unlink):
        kept = (run.path / KEPT).read_bytes()
        harm(run.path / KEPT)
        assert summary(Run.open(run.path)).measures["loss"].last == 4.0
        assert (run.path / KEPT).read_bytes() == kept


def test_a_run_that_was_killed_is_lost_and_its_rest_is_no_duration(run: Run) -> None:
    run.log(1, loss=1.0)
    lines = run.log_path.read_bytes().splitlines(keepends=True)
    first = lines[0].replace(f'"pid": {os.getpid()}'.encode(), b'"pid": 4194303')
    run.log_path.write_bytes(first + lines[1])
    found = summary(Run.open(run.path))
    assert found.progress().status is Status.INTERRUPTED
    assert found.is_lost(found.progress())
    assert (run.path / KEPT).is_file()
    again = Run.open(run.path)
    again.resume(1)
    idle = again.events()[-1].time - again.events()[-2].time
    resumed = summary(again)
    assert not resumed.is_lost(resumed.progress())
    assert resumed.facts.idle == idle
    assert resumed.facts.duration == pytest.approx(again.events()[1].time - again.events()[0].time)
