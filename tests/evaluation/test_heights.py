"""Curves of coverings against the measure itself, and the choice of complementary heights."""

import numpy as np
import pytest

from workbench.evaluation.scenes.cut_heights import (
    candidate_heights,
    choose_heights,
    covering_curve,
    pool_coverings,
)
from workbench.evaluation.scenes.pool import evaluate_pool
from workbench.segmentation.hierarchical import full_size
from workbench.segmentation.hierarchy import Hierarchy, Price, build_hierarchy
from workbench.segmentation.watershed import basins

SIZE = (35, 46)


def hierarchy(seed: int) -> Hierarchy:
    rng = np.random.default_rng(seed)
    strength = rng.random((18, 23))
    return build_hierarchy(basins(strength, 0.0), strength, rng.normal(size=(2, 18, 23)), Price())


def truths(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.kron(rng.integers(1, 5, (5, 6)), np.ones((7, 8), int))[:35, :46] for _ in range(3)]


def test_curves_are_the_coverings_of_the_cuts() -> None:
    found, drawn = hierarchy(0), truths(1)
    heights = candidate_heights([found], count=7)
    curve = covering_curve(found, drawn, heights)
    cuts = [full_size(found.cut(height), SIZE) for height in heights]
    assert curve == pytest.approx(evaluate_pool(cuts, drawn).coverings)


def test_the_choice_is_the_best_of_all_small_pools() -> None:
    rng = np.random.default_rng(5)
    curves = [rng.random((6, 3)) for _ in range(4)]
    chosen = choose_heights(curves, count=2)
    values = {
        (a, b): sum(pool_coverings(curves, np.array([a, b]))) for a in range(6) for b in range(a)
    }
    assert sum(pool_coverings(curves, chosen)) >= sorted(values.values())[-2]
    assert (np.diff(chosen) > 0).all()


def test_more_heights_than_there_are() -> None:
    assert choose_heights([np.ones((3, 2))], count=8).tolist().count(0) >= 1
