"""The intervening-contour affinity against its definition, pair by pair."""

import math
from fractions import Fraction

import numpy as np
import pytest

from workbench.segmentation.contour_affinity import LEAST, contour_affinity, line

SCALES = {"edge_scale": 0.4, "feature_scale": 0.7, "floor": 0.01}


def by_definition(
    edges: np.ndarray, features: np.ndarray, cell: int, radius: int, scales: dict[str, float | None]
) -> np.ndarray:
    """W by a walk along every line, beyond the image as at its edge."""
    rows, columns = features.shape[:2]
    places = [(i, j) for i in range(rows) for j in range(columns)]
    w = np.zeros((len(places), len(places)))
    for a, one in enumerate(places):
        for b, other in enumerate(places[a + 1 :], a + 1):
            if math.dist(one, other) > radius:
                continue
            start = [p * cell + cell // 2 for p in one]
            way = [(q - p) * cell for p, q in zip(one, other, strict=True)]
            steps = max(map(abs, way))
            strongest = 0.0
            for t in range(steps + 1):
                at = [
                    s + math.floor(Fraction(t * d, steps) + Fraction(1, 2))
                    for s, d in zip(start, way, strict=True)
                ]
                y, x = (min(p, n - 1) for p, n in zip(at, edges.shape, strict=True))
                strongest = max(strongest, edges[y, x])
            value = math.exp(-strongest / scales["edge_scale"]) + scales["floor"]
            if scales["feature_scale"] is not None:
                apart = np.square(features[one] - features[other]).sum()
                value *= math.exp(-apart / scales["feature_scale"] ** 2)
            w[a, b] = w[b, a] = value
    return w


@pytest.mark.parametrize(("cell", "shape"), [(1, (7, 9)), (3, (19, 25)), (3, (21, 4))])
@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("colour", [True, False])
def test_every_pair(cell: int, shape: tuple[int, int], radius: int, colour: bool) -> None:
    random = np.random.default_rng(0)
    edges = random.random(shape)
    features = random.random((-(-shape[0] // cell), -(-shape[1] // cell), 2))
    scales = SCALES | ({} if colour else {"feature_scale": None})
    found = contour_affinity(edges, features, cell=cell, radius=radius, **scales)
    np.testing.assert_allclose(
        found.toarray(), by_definition(edges, features, cell, radius, scales), rtol=1e-12
    )


def test_a_wall_separates_and_a_gap_lets_through() -> None:
    edges = np.zeros((9, 9))
    edges[:, 4] = 1
    edges[4, 4] = 0  # the gap
    w = contour_affinity(
        edges, np.zeros((9, 9, 1)), cell=1, radius=4,
        edge_scale=0.1, feature_scale=None, floor=0.0,
    ).toarray().reshape(9, 9, 9, 9)  # fmt: skip
    assert w[0, 3, 0, 5] == pytest.approx(np.exp(-10.0))
    assert w[4, 3, 4, 5] == 1
    assert w[0, 0, 0, 3] == 1


def test_a_line_steps_along_its_longer_side() -> None:
    assert line(2, -4) == [(0, 0), (1, -1), (1, -2), (2, -3), (2, -4)]


def test_a_single_cell_has_no_neighbours() -> None:
    w = contour_affinity(np.ones((1, 1)), np.ones((1, 1, 3)), cell=1, radius=3, **SCALES)
    assert w.shape == (1, 1)
    assert w.nnz == 0


def test_a_cell_that_nothing_resembles_keeps_a_degree() -> None:
    features = np.zeros((3, 3, 1))
    features[1, 1] = 1e6
    w = contour_affinity(np.zeros((3, 3)), features, cell=1, radius=1, **SCALES)
    assert w.sum(1)[4] == pytest.approx(4 * LEAST)
