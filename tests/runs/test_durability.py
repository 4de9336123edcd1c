"""Runs under interruption: torn lines, resumption, several readers, a writer that is killed."""

import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status

WRITER = """
import os, sys, time, numpy as np
from workbench.runs import Run
run = Run.create(sys.argv[1], {})
parent = os.getppid()
step = 0
while os.getppid() == parent:  # left alone by tests that were killed, it would fill the disk
    step += 1
    run.log(step, loss=1 / step, padding=1e300)
    time.sleep(1e-4)  # so that a reader on a busy machine keeps up
    if step % 50 == 0:
        run.snapshot(step, "scene", {"labels": np.full((64, 64), step)})
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


def log_of(run: Run) -> Path:
    return run.path / "events.jsonl"


def tear(run: Run) -> None:
    with log_of(run).open("ab") as file:
        file.write(b'{"seq": 99, "time": 1.0, "step": 2, "ki')


def test_a_torn_last_line_is_overlooked_and_cut_off_at_the_next_append(run: Run) -> None:
    run.log(1, loss=1.0)
    reader = Run.open(run.path)
    tear(run)
    assert [e.seq for e in reader.events()] == [1, 2]
    resumed = Run.open(run.path)
    resumed.log(2, loss=0.5)
    assert [e.seq for e in reader.events()] == [1, 2, 3]
    assert reader.metrics()["loss"].tolist() == [1.0, 0.5]
    assert all(json.loads(line) for line in log_of(run).read_text().splitlines())


def test_the_writer_itself_repairs_what_it_tore(run: Run) -> None:
    run.log(1, loss=1.0)
    tear(run)  # as when the disk was full in the middle of a line
    run.log(2, loss=0.5)
    assert run.metrics()["loss"].tolist() == [1.0, 0.5]


def test_a_log_torn_in_its_first_line_starts_anew(run: Run) -> None:
    log_of(run).write_bytes(b'{"seq": 1, "ti')
    run.log(1, loss=1.0)
    assert [e.seq for e in run.events()] == [1]
    assert run.status is Status.INTERRUPTED


def test_a_damaged_line_is_named(run: Run) -> None:
    with log_of(run).open("ab") as file:
        file.write(b"\x00\x00\n")
    with pytest.raises(WorkbenchError, match="damaged line"):
        run.events()


def test_two_writers_by_turns_number_through(run: Run) -> None:
    other = Run.open(run.path)
    for step in range(1, 7):
        (run, other)[step % 2].log(step, loss=0.0)
    assert [e.seq for e in run.events()] == [1, 2, 3, 4, 5, 6, 7]


def test_a_resumed_run_reads_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, broken = (Run.create(tmp_path / name, {}) for name in ("whole", "broken"))
    watching = Run.open(broken.path)

    def train(run: Run, first: int, last: int) -> None:
        for step in range(first, last + 1):
            run.log(step, loss=1 / step)
            if step % 2 == 0:
                run.snapshot(step, "scene", {"step": np.array(step)})

    train(whole, 1, 8)
    train(broken, 1, 6)
    assert watching.metrics().index[-1] == 6
    tear(broken)
    again = Run.open(broken.path)
    again.resume(4)
    for run in (broken, watching, Run.open(broken.path)):
        assert run.metrics().index.tolist() == [1, 2, 3, 4]
        assert run.snapshots("scene") == [2, 4]
        assert run.step == 4
    train(again, 5, 8)
    for run in (broken, watching, Run.open(broken.path)):
        assert run.metrics().equals(whole.metrics())
        assert run.snapshots("scene") == whole.snapshots("scene")
        assert run.load_snapshot(8, "scene")["step"] == 8
    (event,) = watching.events("resumed")
    assert event.fields["provenance"]["command"]
    sequence = [e.seq for e in watching.events()]
    assert sequence == sorted(set(sequence))


def test_a_second_resumption_reaches_behind_the_first(run: Run) -> None:
    for step in range(1, 5):
        run.log(step, loss=float(step))
    run.resume(3)
    run.log(4, loss=40.0)
    run.append("failed", None, error="out of memory")
    run.resume(2)
    run.log(3, loss=300.0)
    assert run.metrics()["loss"].tolist() == [1.0, 2.0, 300.0]
    assert [e.fields["error"] for e in run.events("failed")] == ["out of memory"]


def test_a_reader_beside_a_writer_sees_every_event_once(run: Run) -> None:
    count = 2000
    seen: list[int] = []

    def write() -> None:
        for step in range(1, count + 1):
            run.log(step, loss=1 / step)

    reader = Run.open(run.path)
    writer = threading.Thread(target=write)
    writer.start()
    writing = True
    while writing:
        writing = writer.is_alive()  # what is written after this look is read by the next one
        seen += [e.seq for e in reader.events(since=seen[-1] if seen else 0)]
    writer.join()
    assert seen == list(range(1, count + 2))


def test_a_writer_killed_without_warning_leaves_a_readable_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
        try:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                if path.exists() and Run.open(path).snapshots("scene"):
                    break
                time.sleep(0.05)
            living = Run.open(path)
            assert living.status is Status.RUNNING
            with pytest.raises(WorkbenchError, match=f"found process {writer.pid} on"):
                living.resume(0)
        finally:
            writer.kill()  # it writes as long as this process lives, and the block waits for its end
    dead = Run.open(path)
    assert dead.status is Status.INTERRUPTED
    steps = dead.metrics().index.tolist()
    assert steps == list(range(1, len(steps) + 1))
    for step in dead.snapshots("scene"):
        assert (dead.load_snapshot(step, "scene")["labels"] == step).all()
    last = dead.snapshots("scene")[-1]
    dead.resume(last)
    dead.log(last + 1, loss=0.0)
    assert dead.status is Status.RUNNING
    assert dead.metrics().index.tolist() == list(range(1, last + 2))


def test_a_run_on_another_machine_is_running_while_it_speaks(run: Run) -> None:
    """Its log, as it reads when copied or mounted here."""
    for age, expected in ((5, Status.RUNNING), (5000, Status.INTERRUPTED)):
        event = {
            "seq": 1, "time": time.time() - age, "step": 0, "kind": "started",
            "process": {"host": "elsewhere", "pid": 1, "born": 0.0},
        }  # fmt: skip
        log_of(run).write_text(json.dumps(event) + "\n")
        assert Run.open(run.path).status is expected


def _create(path: str) -> bool:
    try:
        Run.create(path, {})
    except WorkbenchError:
        return False
    return True


def test_of_many_that_create_a_run_at_once_one_does(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        created = pool.map(_create, [str(tmp_path / "run")] * 12, chunksize=1)
    assert sum(created) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_logging_costs_no_more_in_a_long_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No wait for the disk, and of what was logged before not a byte is read again."""
    monkeypatch.setattr(os, "fsync", None)
    process = psutil.Process()

    def read_by(steps: range) -> int:
        before = process.io_counters().read_chars
        for step in steps:
            run.log(step, loss=1.0, rank=12.0, gradient_norm=0.1)
        return int(process.io_counters().read_chars - before)

    first, later = read_by(range(200)), read_by(range(200, 400))
    assert log_of(run).stat().st_size > 20_000
    assert later < first + 10_000
