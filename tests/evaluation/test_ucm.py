"""Cutting an ultrametric contour map."""

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation import cut_ucm


def ucm_of_columns() -> np.ndarray:
    """2×3 pixels in three columns: the first two merge at .2, the third joins at .5."""
    ucm2 = np.zeros((5, 7))
    ucm2[:, 2], ucm2[:, 4] = 0.2, 0.5
    return ucm2


@pytest.mark.parametrize(
    ("threshold", "row"), [(0.1, [1, 2, 3]), (0.2, [1, 1, 2]), (0.4, [1, 1, 2]), (0.5, [1, 1, 1])]
)
def test_regions_merge_up_to_the_threshold(threshold: float, row: list[int]) -> None:
    assert cut_ucm(ucm_of_columns(), threshold).tolist() == [row, row]


def test_pixels_that_touch_at_a_corner_are_connected() -> None:
    ucm2 = np.zeros((5, 5))
    ucm2[1, 2] = ucm2[3, 2] = ucm2[2, 1] = ucm2[2, 3] = 1  # the corner itself is open
    assert cut_ucm(ucm2, 0.5).tolist() == [[1, 1], [1, 1]]


def test_a_map_of_single_size_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="double size"):
        cut_ucm(np.zeros((4, 6)), 0.1)


def test_a_negative_threshold_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="at least 0"):
        cut_ucm(np.zeros((5, 5)), -0.1)
