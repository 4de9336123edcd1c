"""Connected components and the dissolving of small ones."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label

from workbench.segmentation.segments import _border_lengths, connected_segments

MAPS = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3)
)


@given(MAPS)
def test_components_are_those_of_scikit_image(clusters: np.ndarray) -> None:
    found = connected_segments(clusters)
    assert found.max() == label(clusters, background=-1, connectivity=2).max()
    pairs = set(zip(found.ravel().tolist(), clusters.ravel().tolist(), strict=True))
    assert len(pairs) == found.max()  # a segment lies in one cluster


@given(MAPS, st.integers(0, 30))
def test_no_small_segment_is_left_and_all_are_connected(clusters: np.ndarray, area: int) -> None:
    found = connected_segments(clusters, area)
    sizes = np.bincount(found.ravel())[1:]
    assert (sizes > 0).all()
    assert len(sizes) == 1 or sizes.min() >= area
    assert label(found, background=-1, connectivity=2).max() == len(sizes)


def test_a_speck_joins_the_neighbour_with_the_longest_border() -> None:
    clusters = np.zeros((9, 9), int)
    clusters[:, 5:] = 1
    clusters[3:5, 4] = 2  # three sides on cluster 0, one on cluster 1
    found = connected_segments(clusters, 5)
    assert len(np.unique(found)) == 2
    assert found[3, 4] == found[0, 0]


@given(MAPS)
def test_borders_are_those_counted_pixel_by_pixel(clusters: np.ndarray) -> None:
    segments = connected_segments(clusters)
    counted: dict[tuple[int, int], int] = {}
    places = set(np.ndindex(segments.shape))
    for i, j in places:
        for near in ((i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)):
            if near in places and segments[near] != segments[i, j]:
                pair = int(segments[i, j]), int(segments[near])
                counted[pair] = counted.get(pair, 0) + 1
    found = _border_lengths(segments)
    assert {(i, j): n for i, around in found.items() for j, n in around.items()} == counted
    assert set(found) == set(range(1, int(segments.max()) + 1))
