"""The monitor without a browser: its traits follow a run that grows, and orders reach it."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation.rendering import duration
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Event, Run
from workbench.runs.control import Inbox
from workbench.runs.status import this_process
from workbench.views.training.live import CHARTS, POINTS, SMOOTH, live_lines, measured_charts
from workbench.widgets import pacing
from workbench.widgets.monitor.figures import document_of, lines_as_bytes
from workbench.widgets.monitor.monitor import Monitor, watch
from workbench.widgets.pacing import Poller

LIMIT = 60.0


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", {})
    run.append("plan", 0, steps=10, steps_per_pass=5, samples=5)
    run.log(0, covering_best=0.4, covering_average=0.3)
    return run


@pytest.fixture
def monitor(run: Run) -> Iterator[Monitor]:
    made = watch(run)
    yield made
    made.close()
    assert not made.alive


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert not [t for t in threading.enumerate() if t.name.startswith("watching") and t.is_alive()]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def line(monitor: Monitor, name: str) -> tuple[list[float], list[float]]:
    steps, values = (np.frombuffer(part, "<f4").tolist() for part in monitor.lines[name])
    return steps, values


def step(run: Run, number: int, loss: float = 1.0) -> None:
    run.log(number, loss=loss, gradient_norm=2.0, learning_rate=0.01)


def test_it_follows_a_run_that_grows(run: Run, monitor: Monitor) -> None:
    until(lambda: monitor.status == "running" and "covering_best" in monitor.lines)
    assert "loss" not in monitor.lines
    step(run, 1, 0.5)
    run.append("vitals", 1, samples_per_second=12.0, memory=2_000_000_000, memory_of="GPU")
    until(lambda: monitor.last == 1)
    assert line(monitor, "loss") == ([1.0], [0.5])
    facts = dict(monitor.facts)
    assert facts["step"] == "1 of 10"
    assert facts["pass"] == "0.2 of 2"
    assert facts["samples/s"] == "12"
    assert facts["memory, GPU"] == "2.00 GB"
    assert facts["learning rate"] == "1.00e-02"
    assert monitor.fraction == 0.1
    run.append("finished", 1)
    until(lambda: not monitor.alive)
    assert monitor.status == "finished"


def test_orders_reach_the_run_and_answers_come_back(run: Run, monitor: Monitor) -> None:
    inbox = Inbox(run)
    for order, value in (("pause", 1.0), ("resume", 1.0), ("save", 1.0), ("rate", 0.5)):
        monitor._on_message(monitor, {"order": order, "value": value}, [])
        (command,) = inbox.take()
        assert (command.name, command.value) == (order, value)
        assert monitor.message.startswith("Told it to ")
        more = {"value": value} if order == "rate" else {}
        run.append("control", 3, command=order, id=command.id, **more)
        until(lambda: "step 3" in monitor.message)
        assert monitor.status == ("paused" if order == "pause" else "running")
    assert monitor.factor == 0.5
    monitor.order("rate", -1.0)
    assert "a positive factor" in monitor.message
    monitor.order("stop")
    run.append("control", 3, command="stop", id="x")
    run.append("interrupted", 3)
    until(lambda: not monitor.alive)
    assert monitor.status == "interrupted"
    assert "Stopped after step 3" in monitor.message
    assert "resume=True" in monitor.message
    monitor.order("pause")
    assert "a running training" in monitor.message


def test_a_run_that_is_over_is_shown_whole_and_left_alone(run: Run) -> None:
    for number in range(1, 11):
        step(run, number)
    run.append("failed", None, error="Diverged: at step 10")
    monitor = watch(run.path)
    until(lambda: not monitor.alive)
    assert monitor.status == "failed"
    assert "Diverged" in monitor.message
    assert line(monitor, "loss")[0] == list(range(1, 11))
    monitor.close()


def test_a_page_that_comes_back_wakes_it_if_the_run_goes_on(run: Run) -> None:
    run.append("interrupted", 0)
    monitor = watch(run)
    until(lambda: not monitor.alive)
    run.resume(0)
    monitor._on_message(monitor, {"kind": "here"}, [])
    assert monitor.status == "running"
    assert monitor.alive
    monitor.close()


def test_a_writer_that_was_killed_is_noticed(run: Run, monitor: Monitor) -> None:
    until(lambda: monitor.status == "running")
    (event,) = run.events("started")
    dead = {**event.fields, "process": this_process() | {"born": 0.0}}
    lines = run.log_path.read_bytes().splitlines(keepends=True)
    lines[0] = Event(1, event.time, 0, "started", dead).to_line()
    other = run.log_path.with_suffix(".new")
    other.write_bytes(b"".join(lines))
    other.replace(run.log_path)  # as if another run had taken the place, and died
    until(lambda: not monitor.alive)
    assert monitor.status == "interrupted"


def test_what_is_damaged_or_gone_is_a_message(run: Run, monitor: Monitor) -> None:
    until(lambda: monitor.status == "running")
    with run.log_path.open("ab") as file:
        file.write(b"no event\n")
    until(lambda: "damaged line" in monitor.message)
    run.log_path.unlink()
    until(lambda: not monitor.alive)
    assert "The run has gone" in monitor.message


def test_no_run_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a run folder"):
        watch(tmp_path / "none")


class Launch:
    """A training that has not begun."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.alive, self.begun = True, False
        self.error: BaseException | None = None


def test_a_training_that_has_not_begun_is_waited_for(tmp_path: Path) -> None:
    launch = Launch(tmp_path / "run")
    monitor = watch(launch)
    assert monitor.status == "about to begin"
    monitor.order("stop")
    assert "none yet" in monitor.message
    run = Run.create(launch.path, {})
    launch.begun = True
    until(lambda: monitor.status == "running")
    step(run, 1)
    run.append("failed", None, error="x")
    launch.alive, launch.error = False, RuntimeError("the disk is full")
    until(lambda: not monitor.alive)
    assert "the disk is full" in monitor.message
    monitor.close()


def test_a_training_that_never_begins_says_why(tmp_path: Path) -> None:
    launch = Launch(tmp_path / "run")
    launch.alive, launch.error = False, RuntimeError("no such store")
    monitor = watch(launch)
    until(lambda: not monitor.alive)
    assert (monitor.status, monitor.message) == ("failed", "no such store")
    monitor.close()
    with pytest.raises(RuntimeError, match="no such store"):
        watch(launch, scenes=True)


def test_scenes_follow_from_snapshot_to_snapshot(run: Run, snapshot: Snapshot) -> None:
    monitor = watch(run, scenes=True)
    try:
        assert monitor.scenes is not None
        assert monitor.scenes.message
        run.snapshot(0, "a", snapshot.to_arrays())
        until(lambda: monitor.scenes.snapshot is not None)
        run.snapshot(5, "a", snapshot.to_arrays())
        until(lambda: monitor.scenes.step == 5)
    finally:
        monitor.close()


def test_zooming_draws_the_visible_steps_in_full(run: Run, monitor: Monitor) -> None:
    start = run.events("started")[0].time
    with run.log_path.open("ab") as file:
        for number in range(1, 5001):
            fields = {"loss": float(number % 7), "learning_rate": 0.1}
            file.write(Event(number + 3, start, number, "metrics", fields).to_line())
    until(lambda: monitor.last == 5000)
    assert len(line(monitor, "loss")[0]) <= POINTS
    monitor.window = [100.0, 200.0]
    assert line(monitor, "loss")[0] == list(range(99, 202))
    monitor.window = []
    assert len(line(monitor, "loss")[0]) > 300


def test_every_line_of_every_chart_has_its_source() -> None:
    found = document_of(CHARTS)
    document = json.loads(found["document"])
    assert len(document["roots"]) == len(CHARTS)
    names = {name for chart in CHARTS for name in chart.lines}
    smooth = {name + SMOOTH for chart in CHARTS if chart.every_step for name in chart.lines}
    assert set(found["sources"].values()) == names | smooth
    text = found["document"]
    assert all(f'"{id}"' in text for id in [*found["sources"], found["range"]])


def test_lines_leave_out_what_cannot_be_drawn(run: Run) -> None:
    for number, norm in enumerate((1.0, float("nan"), float("inf"), 0.0, 4.0), 1):
        run.log(number, gradient_norm=norm)
    metrics = run.metrics()
    charts = measured_charts(metrics.columns)
    assert [chart.title for chart in charts] == ["Covering of held-out scenes", "Gradient"]
    lines = live_lines(metrics, charts)
    assert lines["gradient_norm"].to_dict() == {1: 1.0, 5: 4.0}
    assert [len(part) for part in lines_as_bytes(lines)["gradient_norm"]] == [8, 8]


def test_a_poller_ends_when_stopped_or_when_its_function_returns_false() -> None:
    polls: list[int] = []
    first = Poller(lambda: bool(polls.append(1)), "watching: once")
    first.start()
    until(lambda: not first.alive)
    assert polls == [1]
    second = Poller(lambda: True, "watching: for ever")
    second.start()
    second.start()
    assert second.alive
    second.stop()
    assert not second.alive


AT_EXIT = """
import atexit
from pacing import Poller  # by itself: importing all widgets takes seconds

poller = Poller(lambda: True, "watching: to the end")
atexit.register(lambda: print("at the end:", poller.alive))
poller.start()
print("before:", poller.alive)
"""


def test_a_poller_ends_before_earlier_exit_handlers_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_EXIT],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
        cwd=Path(pacing.__file__).parent,
    )
    assert done.stdout.splitlines() == ["before: True", "at the end: False"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.0, "59 s"), (61.0, "1 min"), (3590.0, "1 h 00 min"), (7500.0, "2 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
