"""The benchmark of the explorers at a tiny size; nothing here is timed."""

import shutil

import pytest

from workbench.bench.live.browser import LIMITS, PAGE, PageSizes
from workbench.bench.live.records import RecordSizes
from workbench.bench.live.run import LiveSizes, bench_live, live_snapshot
from workbench.bench.live.training import TrainingSizes, training_targets
from workbench.bench.records import Row
from workbench.bench.report import Report
from workbench.evaluation.scenes.recut import Recut
from workbench.views.scenes.probe import AffinityProbe


@pytest.fixture(scope="module")
def report() -> Report:
    training = TrainingSizes(("thread",), spans=1, seconds=2.0, stops=1)
    return bench_live(
        LiveSizes(
            (48, 64),
            (4,),
            clusters=(2,),
            steps=50,
            repeats=1,
            records=RecordSizes(3000, 3, 20, 2, 3000, repeats=1),
            page=PageSizes(steps=3, repeats=2) if shutil.which("chromium") else None,
            training=training,
        )
    )


def test_every_case_is_measured(report: Report) -> None:
    cases = list(dict.fromkeys(row.case.split(",")[0] for row in report.rows))
    if shutil.which("chromium"):
        cases.remove(PAGE)
        assert {row.method for row in report.rows if row.case == PAGE} == set(LIMITS)
    assert cases == [
        "click to heat map",
        "slider to segments and coverings",
        "opening a run",
        "a long run of 3",
        "a table of runs",
        "curves of many runs",
        "a step",
        "cell round trip",
        "stop after the current step",
    ]
    assert all(row.seconds is not None and row.seconds > 0 for row in report.rows)


def test_promises_are_judged_at_their_own_sizes_only(report: Report) -> None:
    assert [target.name.split(",")[0] for target in report.targets] == [
        "a step",
        "cell round trip",
        "stop after the current step",
    ]
    rows = [
        Row("a step, x", "watched", 1.04),
        Row("a step, x", "alone", 1.0),
        Row("stop after the current step, x", "slowest tenth", 0.3),
        Row("cell round trip, x", "slowest tenth", 0.1),
    ]
    assert [target.met for target in training_targets(rows)] == [True, False, True]


def test_the_drawn_snapshot_is_one_that_explorers_take() -> None:
    snapshot = live_snapshot((48, 64), 4, stride=8)
    assert not AffinityProbe(snapshot).dead
    assert Recut(snapshot).flat(3, seed=1).shape == (48, 64)
