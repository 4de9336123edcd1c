"""The benchmark of the explorers at a tiny size; nothing here is timed."""

import pytest

from workbench.bench.live import LiveSizes, bench_live, live_snapshot
from workbench.bench.report import Report
from workbench.evaluation.recut import Recut
from workbench.views.probe import AffinityProbe


@pytest.fixture(scope="module")
def report() -> Report:
    return bench_live(LiveSizes((48, 64), features=(4,), clusters=(2,), steps=50, repeats=1))


def test_every_case_is_measured(report: Report) -> None:
    cases = list(dict.fromkeys(row.case.split(",")[0] for row in report.rows))
    assert cases == ["click to heat map", "slider to segments and coverings", "opening a run"]
    assert all(row.seconds is not None and row.seconds > 0 for row in report.rows)
    assert report.targets == ()  # promises are judged at their own sizes only


def test_the_drawn_snapshot_is_one_that_explorers_take() -> None:
    snapshot = live_snapshot((48, 64), 4, stride=8)
    assert not AffinityProbe(snapshot).dead
    assert Recut(snapshot).flat(3, seed=1).shape == (48, 64)
