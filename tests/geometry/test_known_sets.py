"""Closed forms beside the design's values and beside Monte Carlo with seeds of its own."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.geometry import known_sets
from workbench.geometry.maxima import expected_maximum, expected_maximum_of_log, log_count_of

AXES = 1 / np.arange(1, 257)
DRAWS = 4000
Support = Callable[[np.ndarray], np.ndarray]


def top(g: np.ndarray, k: int) -> np.ndarray:
    return np.sqrt(np.sort(np.square(g), axis=1)[:, -k:].sum(1))


def of_blocks(g: np.ndarray, count: int) -> np.ndarray:
    return np.linalg.norm(g.reshape(len(g), count, -1), axis=2).max(1)


@pytest.mark.parametrize(
    ("known", "value", "tolerance", "dimension", "support"),
    [
        (known_sets.segment(1.0), 0.797885, 1e-5, 1, lambda g: np.abs(g[:, 0]) / 2),
        (known_sets.cube(7), 14 * 0.7978846, 1e-5, 7, lambda g: np.abs(g).sum(1)),
        (known_sets.ball(1), 1.595769, 1e-5, 1, partial(np.linalg.norm, axis=1)),
        (known_sets.ball(2), 2.506628, 1e-5, 2, partial(np.linalg.norm, axis=1)),
        (known_sets.ball(10), 6.168656, 1e-5, 10, partial(np.linalg.norm, axis=1)),
        (known_sets.ball(1000), 63.229744, 1e-5, 1000, partial(np.linalg.norm, axis=1)),
        (known_sets.sphere_of_subspace(100), 19.950063, 1e-5, 100, partial(np.linalg.norm, axis=1)),
        (known_sets.orthonormal_points(2), 2 * 0.564190, 1e-5, 2, lambda g: g.max(1)),
        (known_sets.orthonormal_points(1000), 2 * 3.241436, 1e-5, 1000, lambda g: g.max(1)),
        (known_sets.cross_polytope(100), 5.493915, 1e-5, 100, lambda g: np.abs(g).max(1)),
        (known_sets.cross_polytope(1000), 6.870820, 1e-5, 1000, lambda g: np.abs(g).max(1)),
        (known_sets.sparse(1000, 10), 18.384, 1e-3, 1000, partial(top, k=10)),
        (known_sets.sparse(1000, 50), 33.413, 1e-3, 1000, partial(top, k=50)),
        (known_sets.sparse(8, 8), 2 * 8**0.5, 1e-5, 8, partial(top, k=8)),
        (known_sets.subspaces(100, 10), 9.933, 1e-3, 1000, partial(of_blocks, count=100)),
        (known_sets.ellipsoid(AXES), 2.372063, 1e-5, 256,
         lambda g: np.linalg.norm(g * AXES, axis=1)),
        (known_sets.ellipsoid([3.0, 1e-9, 0.0]), 6 * 0.7978846, 1e-5, 1,
         lambda g: 3 * np.abs(g[:, 0])),
    ],
)  # fmt: skip
def test_known_sets(
    known: known_sets.KnownWidth, value: float, tolerance: float, dimension: int, support: Support
) -> None:
    assert float(known) == pytest.approx(value, abs=tolerance)
    draws = 2 * support(np.random.default_rng(5).standard_normal((DRAWS, dimension)))
    error = draws.std() / math.sqrt(DRAWS)
    assert known.value > draws.mean() - 4 * error  # an upper bound at least
    independent = known.name.startswith("unit vectors of 100")  # where that bound is reached
    if known.exact or independent:
        assert known.value < draws.mean() + 4 * error
    assert ("=" if known.exact else "≤") in str(known)


@pytest.mark.parametrize(
    ("count", "maximum"),
    [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)), (10, 1.538753),
     (100, 2.507594), (1000, 3.241436), (10_000, 3.851616)],
)  # fmt: skip
def test_expected_maxima(count: int, maximum: float) -> None:
    assert expected_maximum(count) == pytest.approx(maximum, abs=1e-6)
    if count > 1:
        assert log_count_of(maximum) == pytest.approx(math.log(count), abs=1e-5)


def test_expected_maxima_of_counts_past_every_float() -> None:
    logs = [6.9, math.log(1000), 6.92, 50.0, 700.0, 70_000.0]
    maxima = [expected_maximum_of_log(each) for each in logs]
    assert maxima == sorted(maxima)
    assert maxima[-1] == pytest.approx(math.sqrt(2 * 70_000), rel=1e-4)
    assert log_count_of(maxima[-1]) == pytest.approx(70_000, rel=1e-9)
    assert log_count_of(-1.0) == 0.0


def test_many_subspaces_are_as_wide_as_their_logarithm() -> None:
    """Not 10 L, as a slide of the seed has it: the design's k + log L, within a factor of 2."""
    squares = [(float(known_sets.subspaces(count, 10)) / 2) ** 2 for count in (1, 10, 100, 1000)]
    for square, measured in zip(squares, (9.5, 17.2, 23.8, 29.5), strict=True):
        assert measured - 0.1 < square < measured * 1.06


@pytest.mark.parametrize(
    "call",
    [
        lambda: known_sets.ball(0),
        lambda: known_sets.segment(-1.0),
        lambda: known_sets.sparse(10, 11),
        lambda: known_sets.ellipsoid([]),
        lambda: known_sets.ellipsoid([1.0, -1.0]),
        lambda: expected_maximum(0),
        lambda: log_count_of(math.inf),
    ],
)
def test_sets_that_do_not_exist_are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(WorkbenchError):
        call()
