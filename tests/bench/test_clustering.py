"""The benchmark of clusterings at a tiny size; nothing here is timed."""

import pytest
import torch

from workbench.bench.clustering import (
    ALONE,
    FOUR,
    OURS,
    ClusteringSizes,
    bench_clustering,
    scene_features,
)
from workbench.bench.report import Report


@pytest.fixture(scope="module")
def report() -> Report:
    return bench_clustering(ClusteringSizes((80, 112), 24, 1), torch.device("cpu"))


def test_costs_are_compared_with_scikit_learns(report: Report) -> None:
    errors = {row.method: row.error for row in report.rows if row.error is not None}
    assert {OURS, ALONE, FOUR} <= set(errors)
    assert min(errors.values()) >= 0
    assert errors[OURS] < 0.05


def test_stages_are_parts_of_the_whole(report: Report) -> None:
    cases = list(dict.fromkeys(row.case for row in report.rows))
    assert cases == [
        "eight clusterings, 80×112",
        "features to eight segmentations, 80×112",
    ]
    assert sum(row.method.startswith("of it") for row in report.rows) == 4


def test_promises_are_judged_at_their_own_size_only(report: Report) -> None:
    assert report.targets == ()


def test_features_are_nonnegative_and_the_same_every_time() -> None:
    x = scene_features((9, 13), 8)
    assert x.shape == (117, 8)
    assert (x >= 0).all()
    assert torch.equal(x, scene_features((9, 13), 8))
