"""How a run stands, from events that are written for it."""

from pathlib import Path

import numpy as np
import pytest

from workbench.evaluation.scenes.monitor import eigengap
from workbench.runs import Event, Run, Status
from workbench.runs.progress import Progress, progress


def write(run: Run, *events: tuple[float, int | None, str, dict]) -> None:
    """Append events at times of their own, seconds after the run's start."""
    start, seq = run.events("started")[0].time, run.events()[-1].seq
    with run.log_path.open("ab") as file:
        for number, (after, step, kind, fields) in enumerate(events, seq + 1):
            file.write(Event(number, start + after, step, kind, fields).to_line())


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {})


PLAN = {"steps": 100, "steps_per_pass": 20, "samples": 40}


def begun(run: Run) -> float:
    return run.events("started")[0].time


def test_before_anything_is_known(run: Run) -> None:
    assert progress(run) == Progress(Status.RUNNING)


def test_in_the_middle(run: Run) -> None:
    write(
        run,
        (0, 0, "plan", PLAN),
        (20, 25, "metrics", {"loss": 1.0, "learning_rate": 0.1}),
        (25, 25, "vitals", {"samples_per_second": 4.0, "memory": 123, "memory_of": "GPU"}),
        (30, 25, "metrics", {"covering_best": 0.5}),
    )
    found = progress(run, begun(run) + 30)
    assert (found.step, found.steps, found.passed, found.passes) == (25, 100, 1.25, 5)
    assert (found.samples_per_second, found.memory, found.memory_of) == (4.0, 123, "GPU")
    assert found.learning_rate == 0.1
    assert found.left == pytest.approx(30 / 25 * 75)


def test_a_pause_is_not_time_that_the_rest_will_take(run: Run) -> None:
    write(
        run,
        (0, 0, "plan", PLAN),
        (10, 50, "control", {"command": "pause", "id": "a"}),
        (110, 50, "control", {"command": "resume", "id": "b"}),
        (110, 50, "control", {"command": "rate", "id": "c", "value": 0.5}),
        (120, 75, "metrics", {"loss": 1.0}),
        (120, 75, "control", {"command": "pause", "id": "d"}),
    )
    found = progress(run, begun(run) + 1000)
    assert found.paused
    assert found.factor == 0.5
    assert found.left == pytest.approx(20 / 75 * 25)


def test_a_resumed_run_is_judged_by_its_new_stretch(run: Run) -> None:
    write(run, (0, 0, "plan", PLAN), (500, 50, "vitals", {"samples_per_second": 0.1}))
    write(run, (600, 50, "control", {"command": "pause", "id": "a"}))
    run.resume(50)
    again = run.latest("resumed")
    assert again is not None
    write(run, (700, 60, "metrics", {"loss": 1.0}))
    found = progress(run, again.time + 10)
    assert not found.paused
    assert found.samples_per_second is None
    assert found.left == pytest.approx(10 / 10 * 40)


def test_a_failure_is_errors_as_message(run: Run) -> None:
    run.append("failed", None, error="Diverged: at step 3")
    found = progress(run)
    assert (found.status, found.error, found.left) == (Status.FAILED, "Diverged: at step 3", None)


def test_the_gap_of_a_scene_is_where_its_typical_annotator_cuts() -> None:
    truths = np.array([[[1, 1, 2, 2]], [[1, 2, 3, 3]], [[1, 2, 3, 4]]], np.uint16)
    values = np.array([1.0, 0.9, 0.8, 0.3, 0.1])
    assert eigengap(values, truths) == pytest.approx(0.5)
    assert eigengap(values[:3], truths) == pytest.approx(0.1)
    assert eigengap(values[:0], truths) == 0.0
