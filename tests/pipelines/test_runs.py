"""Run lengths: columns cut out of them are those of the whole mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco_mask

from pipelines.sources import run_lengths as runs

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))
masks = arrays.arrays(np.uint8, sizes, elements=st.integers(0, 1))


@settings(max_examples=200, deadline=None)
@given(mask=masks, data=st.data())
def test_columns_are_those_of_the_whole_mask(mask: np.ndarray, data: st.DataObject) -> None:
    height, width = mask.shape
    left = data.draw(st.integers(0, width - 1))
    right = data.draw(st.integers(left + 1, width))
    compressed = coco_mask.encode(np.asfortranarray(mask))
    lengths = runs.uncompressed(compressed["counts"]).tolist()
    for counts in (compressed["counts"], compressed["counts"].decode(), lengths):
        found = runs.decode({"size": [height, width], "counts": counts}, left, right)
        np.testing.assert_array_equal(found, mask[:, left:right])


def test_long_runs_survive_their_compression() -> None:
    mask = np.zeros((2000, 3000), np.uint8, order="F")
    mask[1900:, 5:2990] = 1
    compressed = coco_mask.encode(mask)
    np.testing.assert_array_equal(runs.decode(compressed, 0, 3000), mask)


@pytest.mark.parametrize("counts", [b"", b"o", b"\x01", [3, 2], [9, -5], []])
def test_what_is_no_mask_is_refused(counts: object) -> None:
    with pytest.raises(ValueError, match="run lengths"):
        runs.decode({"size": [2, 2], "counts": counts}, 0, 2)
