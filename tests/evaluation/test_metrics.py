"""The measures: cases worked out by hand, an oracle of pixel sets, and invariances."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from workbench.errors import WorkbenchError
from workbench.evaluation import covering, rand_index, variation_of_information

HALVES = np.array([[1, 1, 2, 2]])
ONE = np.ones((1, 4), np.int64)
SINGLES = np.array([[4, 5, 6, 7]])


@st.composite
def pairs_of_maps(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two label maps of one size, of any integer dtype, with labels near and far apart."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    dtypes = st.sampled_from([np.uint8, np.uint16, np.int8, np.int32, np.int64])
    maps = []
    for dtype in draw(st.tuples(dtypes, dtypes)):
        limits = np.iinfo(dtype)
        labels = st.one_of(st.integers(0, 3), st.integers(int(limits.min), int(limits.max)))
        maps.append(draw(hnp.arrays(dtype, shape, elements=labels)))
    return maps[0], maps[1]


def regions(labels: np.ndarray) -> list[set[int]]:
    flat = labels.ravel().tolist()
    return [{i for i, label in enumerate(flat) if label == value} for value in set(flat)]


def covering_of_sets(truth: np.ndarray, segmentation: np.ndarray) -> float:
    total = 0.0
    for r in regions(truth):
        total += len(r) * max(len(r & s) / len(r | s) for s in regions(segmentation))
    return total / truth.size


def rand_index_of_pairs(truth: np.ndarray, segmentation: np.ndarray) -> float:
    a, b = truth.ravel().tolist(), segmentation.ravel().tolist()
    pairs = list(combinations(range(len(a)), 2))
    agreed = sum((a[i] == a[j]) == (b[i] == b[j]) for i, j in pairs)
    return agreed / len(pairs) if pairs else 1.0


def variation_of_entropies(truth: np.ndarray, segmentation: np.ndarray) -> float:
    """2 H(G, S) − H(G) − H(S): another form than the one implemented."""

    def entropy(sets: list[set[int]]) -> float:
        return -sum(len(s) / truth.size * math.log2(len(s) / truth.size) for s in sets if s)

    g, s = regions(truth), regions(segmentation)
    return 2 * entropy([r & t for r in g for t in s]) - entropy(g) - entropy(s)


@pytest.mark.parametrize(
    ("truth", "segmentation", "expected"),
    [
        (HALVES, HALVES, (1, 1, 0)),
        (HALVES, ONE, (1 / 2, 2 / 6, 1)),
        (ONE, HALVES, (1 / 2, 2 / 6, 1)),
        (HALVES, SINGLES, (1 / 2, 4 / 6, 1)),
        (SINGLES, ONE, (1 / 4, 0, 2)),
        # {a,b,c},{d} by {a,b},{c,d}: (3·2/3 + 1·1/2)/4; pairs ab, ad, bd agree of six.
        (np.array([[0, 0, 0, 9]]), HALVES, (5 / 8, 3 / 6, 0.5 + 0.75 * math.log2(3) - 0.5)),
        (np.array([[3]]), np.array([[8]]), (1, 1, 0)),
    ],
)
def test_cases_by_hand(truth, segmentation, expected) -> None:
    found = tuple(f(truth, segmentation) for f in (covering, rand_index, variation_of_information))
    assert found == pytest.approx(expected, abs=1e-12)


def test_covering_weighs_by_the_truth_and_is_not_symmetric() -> None:
    truth, segmentation = np.array([[0, 0, 0, 9]]), HALVES
    assert covering(truth, segmentation) == pytest.approx(5 / 8)
    assert covering(segmentation, truth) == pytest.approx((2 * 2 / 3 + 2 * 1 / 2) / 4)


@given(pairs_of_maps())
def test_agrees_with_sets_of_pixels(maps) -> None:
    assert covering(*maps) == pytest.approx(covering_of_sets(*maps), abs=1e-12)
    assert rand_index(*maps) == pytest.approx(rand_index_of_pairs(*maps), abs=1e-12)
    oracle = variation_of_entropies(*maps)
    assert variation_of_information(*maps) == pytest.approx(oracle, abs=1e-9)


@given(pairs_of_maps(), st.randoms(use_true_random=False))
def test_names_of_labels_do_not_matter(maps, random) -> None:
    truth, segmentation = maps
    _, index = np.unique(segmentation, return_inverse=True)
    names = random.sample(range(1000), int(index.max()) + 1)
    renamed = np.array(names)[index].reshape(segmentation.shape)
    for measure in (covering, rand_index, variation_of_information):
        assert measure(truth, renamed) == pytest.approx(measure(truth, segmentation), abs=1e-12)


@given(pairs_of_maps())
def test_ranges_identity_and_symmetry(maps) -> None:
    truth, segmentation = maps
    assert covering(truth, truth) == 1
    assert rand_index(truth, truth) == 1
    assert variation_of_information(truth, truth) == 0
    assert 0 < covering(truth, segmentation) <= 1 + 1e-12
    assert 0 <= rand_index(truth, segmentation) <= 1
    assert 0 <= variation_of_information(truth, segmentation) <= math.log2(truth.size) + 1e-9
    assert rand_index(truth, segmentation) == rand_index(segmentation, truth)
    there, back = (variation_of_information(*m) for m in (maps, maps[::-1]))
    assert there == pytest.approx(back, abs=1e-12)


def test_every_pixel_its_own_segment_needs_no_dense_table() -> None:
    truth = np.arange(400 * 300).reshape(400, 300)
    segmentation = truth[::-1, ::-1]
    assert covering(truth, segmentation) == 1


def test_maps_of_different_size_are_refused() -> None:
    with pytest.raises(WorkbenchError, match=r"truth's size \(1, 4\), found size \(4, 1\)"):
        covering(HALVES, HALVES.T)


def test_an_empty_map_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="with pixels"):
        covering(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64))
