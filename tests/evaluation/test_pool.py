"""A pool of segmentations against several annotators: best, average and the benchmark's best."""

import json

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation import (
    covering,
    evaluate_pool,
    rand_index,
    variation_of_information,
)
from workbench.evaluation.scenes.contingency import Regions


def random_maps(seed: int, count: int, shape=(12, 9), labels: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(labels, size=shape) for _ in range(count)]


def test_entries_are_the_pairwise_measures() -> None:
    pool, truths = random_maps(0, 3), random_maps(1, 2)
    scores = evaluate_pool(pool, truths)
    for i, segmentation in enumerate(pool):
        for j, truth in enumerate(truths):
            assert scores.coverings[i, j] == covering(truth, segmentation)
            assert scores.rand_indices[i, j] == rand_index(truth, segmentation)
            assert scores.variations[i, j] == variation_of_information(truth, segmentation)
    assert scores.pri == pytest.approx(scores.rand_indices.mean(axis=1))
    assert scores.vi == pytest.approx(scores.variations.mean(axis=1))
    assert scores.segments.tolist() == [4, 4, 4]
    assert scores.annotators == 2


def test_best_and_average_are_independent_maxima() -> None:
    """The segmentation that suits one annotator perfectly is not the best on average."""
    left = np.array([[1, 2, 2, 2]])
    right = np.array([[1, 1, 1, 2]])
    middle = np.array([[1, 1, 2, 2]])
    scores = evaluate_pool([left, middle], [left, right, right])
    # By hand: C(left→right) = (3·½ + 1·⅓)/4 = 11/24; C(middle→left) = C(middle→right) = 5/8.
    assert scores.coverings == pytest.approx(np.array([[1, 11 / 24, 11 / 24], [5 / 8] * 3]))
    assert scores.best == 1
    assert scores.average == pytest.approx(np.mean([1, 11 / 24, 11 / 24]))
    without = evaluate_pool([middle], [left, right, right])
    assert (without.best, without.average) == pytest.approx((5 / 8, 5 / 8))


def test_benchmark_best_chooses_the_scale_region_by_region() -> None:
    """Each half is right at one scale only; the benchmark's best takes both halves."""
    truth = np.array([[1, 1, 2, 2, 3, 3, 4, 4]])
    fine_left = np.array([[1, 1, 2, 2, 3, 3, 3, 3]])
    fine_right = np.array([[1, 1, 1, 1, 3, 3, 4, 4]])
    scores = evaluate_pool([fine_left, fine_right], [truth])
    assert scores.best == pytest.approx(3 / 4)
    assert scores.benchmark_best == 1
    both = evaluate_pool([fine_left, fine_right], [truth, np.ones_like(truth)])
    assert both.benchmark_best == pytest.approx((1 + 1 / 2) / 2)


def test_benchmark_best_is_at_least_average() -> None:
    scores = evaluate_pool(random_maps(2, 5), random_maps(3, 4))
    assert scores.average <= scores.benchmark_best <= 1
    one = evaluate_pool(random_maps(2, 1), random_maps(3, 4))
    assert one.benchmark_best == pytest.approx(one.average)


def test_plain_values_are_json() -> None:
    scores = evaluate_pool(random_maps(4, 2), random_maps(5, 3))
    plain = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert plain["average"] == scores.average
    assert np.shape(plain["covering"]) == (2, 3)


@pytest.mark.parametrize(("pool", "truths"), [([], random_maps(0, 1)), (random_maps(0, 1), [])])
def test_nothing_to_evaluate_is_refused(pool, truths) -> None:
    with pytest.raises(WorkbenchError, match="at least one"):
        evaluate_pool(pool, truths)


def test_each_map_is_numbered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting an image's labels is what costs: once a map, not once a pair, or 25 ms are 150."""
    seen: list[int] = []
    number = Regions.of
    monkeypatch.setattr(Regions, "of", lambda labels: seen.append(id(labels)) or number(labels))
    pool, truths = random_maps(0, 8), random_maps(1, 5)
    evaluate_pool(pool, truths)
    assert sorted(seen) == sorted(id(labels) for labels in (*pool, *truths))
