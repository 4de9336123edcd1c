"""The columns of measurements say what the log says, resumptions included, kept or read anew."""

import math
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import WorkbenchError
from workbench.runs import Run, events
from workbench.runs.decimate import levels_of
from workbench.runs.events import COLUMNS


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def expected(run: Run) -> pd.DataFrame:
    """The table of a run's measurements, from its events one by one."""
    rows: dict[int, dict[str, float]] = {}
    for event in run.events("metrics"):
        assert event.step is not None
        rows.setdefault(event.step, {}).update(event.fields)
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float).rename_axis("step")
    return table.sort_index().sort_index(axis=1)


def same(run: Run, table: pd.DataFrame) -> bool:
    """Whether a run has this table, by rows, by columns and to draw."""
    series, curves = run.series(), run.curves()
    return (
        run.metrics().sort_index(axis=1).equals(table)
        and set(series) == set(curves) == set(table)
        and all(series[name].dropna().equals(table[name].dropna()) for name in table)
        and all(curves[name].equals(table[name].dropna()) for name in table)
    )


@pytest.mark.parametrize("worth", [100, 10**9], ids=["kept", "not kept"])
def test_a_table_polled_at_any_moment_is_that_of_a_fresh_reader(
    run: Run, worth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_WORTH", worth)
    monkeypatch.setattr(events, "_CHUNK", 400)
    rng = np.random.default_rng(0)
    reader, step = Run.open(run.path), 0
    for turn in range(60):
        if turn % 17 == 16:
            step = int(rng.integers(0, step + 1))
            run.resume(step)
        for _ in range(int(rng.integers(0, 4))):
            step += 1
            names = rng.choice(["a", "b", "c"], size=2, replace=False)
            values = rng.choice([rng.random(), math.nan, math.inf], size=2, p=[0.8, 0.1, 0.1])
            at = step if rng.random() < 0.9 else int(rng.integers(1, step + 1))
            run.log(at, **dict(zip(map(str, names), values, strict=True)))
        fresh = Run.open(run.path)
        table = expected(fresh)
        assert same(reader, table)
        assert same(fresh, table)
        assert reader.step == fresh.step == max((e.step or 0 for e in fresh.events()), default=0)
        assert [e.seq for e in reader.events()] == [e.seq for e in fresh.events()]
    assert (run.path / COLUMNS).exists() == (worth == 100)


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


def test_a_frame_is_the_readers_own_and_a_series_cannot_be_changed(run: Run) -> None:
    run.log(1, loss=1.0)
    mine = run.metrics()
    mine.loc[1, "loss"] = 7.0
    assert run.metrics().loc[1, "loss"] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        run.series()["loss"].to_numpy()[0] = 7.0


@pytest.mark.parametrize("value", ["small", None, [1.0]])
def test_a_measurement_that_is_no_number_is_damage(run: Run, value: object) -> None:
    run.log(1, loss=1.0)
    run.append("metrics", 2, loss=value)
    for _ in range(2):
        with pytest.raises(WorkbenchError, match="a damaged line"):
            run.metrics()


@pytest.fixture
def kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of 300 steps, read once and so kept."""
    monkeypatch.setattr(events, "_WORTH", 100)
    for step in range(1, 301):
        run.log(step, loss=1 / step)
    assert len(Run.open(run.path).metrics()) == 300
    assert (run.path / COLUMNS).is_file()
    return run


def test_what_is_kept_is_read_in_place_of_the_log(kept: Run) -> None:
    log = kept.log_path
    state, content = log.stat(), log.read_bytes()
    at = content.index(b'"step": 150,')  # far from both ends, by which the log is recognised
    log.write_bytes(content[: at + 8] + b"#" + content[at + 9 :])
    os.utime(log, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert len(Run.open(kept.path).metrics()) == 300
    os.utime(log, ns=(1, 1))
    with pytest.raises(WorkbenchError, match="a damaged line"):
        Run.open(kept.path).metrics()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _age(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"columns 1", b"columns 0"))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [_cut, _flip, _age, _empty, Path.unlink])
def test_what_is_kept_is_made_again_where_it_is_wrong(kept: Run, harm: object) -> None:
    file = kept.path / COLUMNS
    content, table = file.read_bytes(), kept.metrics()
    harm(file)  # type: ignore[operator]
    assert Run.open(kept.path).metrics().equals(table)
    assert file.read_bytes() == content


def test_a_log_that_was_replaced_or_shortened_is_read_anew(kept: Run) -> None:
    lines = kept.log_path.read_bytes().splitlines(keepends=True)
    for changed in (lines[:100], [*lines[:200], *lines[201:], *lines[-1:] * 3], lines[:1]):
        kept.log_path.write_bytes(b"".join(changed))
        fresh = Run.open(kept.path)
        assert same(fresh, expected(fresh)) or len(changed) == 1
        assert len(fresh.events()) == len(changed)


def test_a_folder_that_cannot_be_written_to_is_read_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_WORTH", 100)
    for step in range(1, 301):
        run.log(step, loss=1 / step)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    with monkeypatch.context() as patch:  # root, as whom tests may run, can write everywhere
        patch.setattr("workbench.runs.kept.atomic_write", refuse)
        assert len(Run.open(run.path).metrics()) == 300
    assert not list(run.path.glob("*.cache"))
    reader = Run.open(run.path)
    shutil.rmtree(run.path)
    with pytest.raises(FileNotFoundError):
        reader.metrics()
    assert not run.path.exists(), "a deleted run does not come back"


def test_curves_of_a_long_run_keep_every_spike_at_every_zoom(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_WORTH", 10**5)
    rng = np.random.default_rng(0)
    values = rng.standard_normal(20_000)
    values[[77, 12_345]] = 50, -50
    lines = (
        events.Event(i + 2, 1.0, i + 1, "metrics", {"loss": float(value), "other": 0.0})
        for i, value in enumerate(values)
    )
    with run.log_path.open("ab") as file:
        file.writelines(event.to_line() for event in lines)
    assert Run.open(run.path).step == 20_000
    assert [len(level) for level in levels_of(values)] == [1250 + 2]
    run.log(20_001, loss=60.0)
    fresh = Run.open(run.path)
    for start, stop, most in ((None, None, 2000), (None, None, 500), (70, 90, 500),
                              (5000, 15_000, 300), (12_000, 12_400, 100)):  # fmt: skip
        found = fresh.curves(["loss"], start, stop, most)["loss"]
        assert len(found) <= most
        assert found.index.is_monotonic_increasing
        assert found.equals(fresh.series()["loss"].loc[found.index])
        assert start is None or found.index[0] == start - 1, "a line reaches the edge"
        spikes = {78, 12_346, 20_001} & set(range(start or 0, (stop or 20_001) + 1))
        assert spikes <= set(found.index)
    assert fresh.curves(["none"])["none"].empty
