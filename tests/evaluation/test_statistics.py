"""Means over images with their uncertainty, and paired comparison."""

import numpy as np
import pytest
from scipy import stats

from workbench.errors import WorkbenchError
from workbench.evaluation.statistics import (
    RESAMPLES,
    differences,
    estimate,
    paired_difference,
    student,
)


def test_the_interval_of_many_images_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(0.6, 0.15, 200)
    found = estimate(values)
    assert found.mean == values.mean()
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(200))
    normal = found.mean + 1.96 * found.standard_error * np.array([-1, 1])
    assert [found.low, found.high] == pytest.approx(normal, abs=0.002)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        found = estimate(rng.uniform(size=60))
        held += found.low <= 0.5 <= found.high
    assert 88 <= held <= 99


def test_a_seed_gives_the_same_interval_again() -> None:
    values = np.linspace(0, 1, 30) ** 2
    assert estimate(values, seed=3) == estimate(values, seed=3)
    assert estimate(values, seed=3) != estimate(values, seed=4)


def test_a_single_image_has_no_uncertainty_to_report() -> None:
    found = estimate(np.array([0.7]))
    assert found.mean == 0.7
    assert np.isnan([found.standard_error, found.low, found.high]).all()


def test_a_small_lead_on_every_image_is_significant_though_images_vary_widely() -> None:
    rng = np.random.default_rng(2)
    baseline = rng.uniform(0.2, 1, 100)
    lead = paired_difference(baseline + rng.normal(0.02, 0.02, 100), baseline)
    assert lead.p == pytest.approx(1 / (RESAMPLES + 1))
    assert 0.01 < lead.low < lead.mean < lead.high < 0.03
    assert lead.images == 100


def test_the_same_values_do_not_differ() -> None:
    values = np.linspace(0.3, 0.9, 20)
    same = paired_difference(values, values)
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_p_is_near_that_of_the_t_test() -> None:
    drawn = np.random.default_rng(5).normal(0.01, 0.06, 100)
    found = paired_difference(drawn, np.zeros(100))
    assert found.p == pytest.approx(stats.ttest_1samp(drawn, 0).pvalue, abs=0.02)


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="same images"):
        paired_difference(np.ones(3), np.ones(4))


def test_columns_of_differences_are_those_of_each_alone() -> None:
    values = np.random.default_rng(2).normal([0.0, 0.02, 5.0], 0.1, (80, 3))
    for column, found in zip(values.T, differences(values), strict=True):
        alone = paired_difference(column, np.zeros(80))
        assert (found.mean, found.standard_error) == (alone.mean, alone.standard_error)
        assert [found.low, found.high, found.p] == pytest.approx(
            [alone.low, alone.high, alone.p], abs=2e-2
        )


def test_the_interval_over_seeds_is_that_of_the_t_test() -> None:
    values = np.array([1.0, 2.0, 4.0])
    found = student(values)
    ends = stats.ttest_1samp(values, 0.0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    assert np.isnan(student(values[:1]).high)
