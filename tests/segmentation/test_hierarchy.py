"""Basins, merges and cuts: against the definitions, spelled out."""

import itertools

import numpy as np
import pytest
from skimage.measure import label

from workbench.segmentation.hierarchy import Hierarchy, Price, build_hierarchy
from workbench.segmentation.watershed import basins


def quarters() -> tuple[np.ndarray, np.ndarray]:
    """Four rooms of 8×10 behind walls of strength .2 (left and right) and .6 (up and down)."""
    base = np.ones((16, 20), np.int32)
    base[8:] += 2
    base[:, 10:] += 1
    strength = np.zeros((16, 20))
    strength[:, 9:11] = 0.2
    strength[7:9] = 0.6
    return base, strength


def plain(base: np.ndarray, strength: np.ndarray, **price: float) -> Hierarchy:
    nowhere = np.zeros((1, *base.shape))
    local = Price(**{"coherence": 0.0, "area_exponent": 0.0} | price)
    return build_hierarchy(base, strength, nowhere, local)


def test_basins_are_the_rooms_between_walls() -> None:
    truth, strength = quarters()
    found = basins(strength, 0.1)
    assert found.max() == 4
    assert found.dtype == np.int32
    inside = strength == 0
    pairs = set(zip(found[inside].tolist(), truth[inside].tolist(), strict=True))
    assert len(pairs) == 4


def test_shallow_minima_flow_over() -> None:
    _, strength = quarters()
    assert basins(strength, 0.3).max() == 2  # only the wall of .6 holds
    assert basins(strength, 0.7).max() == 1
    assert basins(np.zeros((4, 5)), 0.0).max() == 1


def test_the_weakest_wall_falls_first() -> None:
    base, strength = quarters()
    found = plain(base, strength)
    assert found.heights == pytest.approx([0.22, 0.22, 0.6], abs=0.03)
    assert {tuple(sorted(pair)) for pair in found.pairs[:2].tolist()} == {(1, 2), (3, 4)}
    halves = found.cut(0.4)
    assert halves.max() == 2
    assert (halves[:8] == halves[0, 0]).all()
    assert (halves[8:] == halves[15, 0]).all()


def test_cuts_nest_and_count() -> None:
    rng = np.random.default_rng(0)
    strength = rng.random((24, 30))
    found = plain(basins(strength, 0.0), strength)
    assert len(found.pairs) == found.regions - 1
    assert (np.diff(found.heights) >= 0).all()
    for segments in (1, 2, 7, found.regions):
        assert found.cut_into(segments).max() == segments
    fine, coarse = found.cut_into(12), found.cut_into(5)
    assert len(np.unique(np.stack([fine.ravel(), coarse.ravel()]), axis=1).T) == 12
    for each in (fine, coarse):
        assert label(each, background=0, connectivity=1).max() == each.max()


def test_the_embedding_keeps_apart_what_no_contour_does() -> None:
    base, strength = quarters()
    apart = np.zeros((2, *base.shape))
    apart[0, :, :10] = apart[1, :, 10:] = 1  # left and right point different ways
    found = build_hierarchy(base, strength, apart, Price(coherence=1.0, area_exponent=0.0))
    halves = found.cut_into(2)
    assert (halves[:, :10] == halves[0, 0]).all()
    assert (halves[:, 10:] == halves[0, 19]).all()
    assert found.heights[-1] == pytest.approx(0.25 + 2.0, abs=0.05)


def test_small_regions_go_first_where_area_counts() -> None:
    base = np.ones((10, 20), np.int32)
    base[:, 8:16] = 2
    base[4:6, 16:] = 3
    base[:4, 16:] = base[6:, 16:] = 2
    strength = np.where(base == 3, 0.5, 0.4)
    assert plain(base, strength).pairs[0].tolist() in ([1, 2], [2, 1])
    assert 3 in plain(base, strength, area_exponent=0.5).pairs[0]


def test_a_brute_force_merger_agrees() -> None:
    """Every step searched anew over all borders, from the pixels."""
    rng = np.random.default_rng(3)
    strength = rng.random((9, 11))
    directions = rng.normal(size=(3, 9, 11))
    base = basins(strength, 0.0)
    price = Price(coherence=0.2, area_exponent=0.15)
    found = build_hierarchy(base, strength, directions, price)

    labels, heights = base.copy(), []
    while labels.min() != labels.max():
        costs = {}
        for a, b in itertools.combinations(np.unique(labels), 2):
            border = []
            for here, there in (
                (np.s_[:, :-1], np.s_[:, 1:]),
                (np.s_[:-1], np.s_[1:]),
            ):
                one, two = labels[here], labels[there]
                touch = ((one == a) & (two == b)) | ((one == b) & (two == a))
                border += np.maximum(strength[here], strength[there])[touch].tolist()
            if border:
                means = [directions[:, labels == each].mean(axis=1) for each in (a, b)]
                area = min((labels == a).mean(), (labels == b).mean())
                distance = ((means[0] - means[1]) ** 2).sum()
                costs[a, b] = (np.mean(border) + 0.2 * distance) * area**0.15
        (a, b), cost = min(costs.items(), key=lambda item: item[1])
        heights.append(max(cost, heights[-1] if heights else 0.0))
        labels[labels == b] = a
    assert found.heights == pytest.approx(heights)


def test_contours_fall_at_their_height() -> None:
    base, strength = quarters()
    found = plain(base, strength)
    for height in (0.1, 0.4, 0.7):
        labels = found.cut(height)
        between = np.zeros(base.shape, bool)
        between[:, :-1] |= labels[:, :-1] != labels[:, 1:]
        between[:-1] |= labels[:-1] != labels[1:]
        assert np.array_equal(between, found.contours >= height)


def test_one_basin_is_its_own_hierarchy() -> None:
    found = plain(np.ones((3, 4), np.int32), np.zeros((3, 4)))
    assert len(found.pairs) == 0
    assert found.cut(0.5).max() == 1
    assert not found.contours.any()
