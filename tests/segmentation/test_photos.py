"""Label maps brought to full size: the same segments, with smooth borders."""

import numpy as np
import pytest
from skimage.measure import perimeter

from workbench.segmentation.photos import enlarge_labels, nearest


def disc(rows: int, columns: int, radius: float) -> np.ndarray:
    """1 outside, 2 inside a disc in the middle."""
    y, x = np.mgrid[:rows, :columns]
    inside = (y + 0.5 - rows / 2) ** 2 + (x + 0.5 - columns / 2) ** 2 < radius**2
    return inside.astype(np.int32) + 1


@pytest.mark.parametrize("factor", [1.7, 2, 3, 7.3])
def test_a_disc_stays_a_disc_where_it_was(factor: float) -> None:
    small = disc(60, 80, 22)
    size = round(60 * factor), round(80 * factor)
    large = enlarge_labels(small, size)
    true = disc(*size, 22 * factor)
    assert large.shape == size
    assert large.dtype == np.int32
    assert (large == true).mean() > 0.99


def test_stairs_become_curves() -> None:
    large = enlarge_labels(disc(60, 80, 22), (180, 240))
    stairs = nearest(disc(60, 80, 22), (180, 240))
    circle = perimeter(disc(180, 240, 66) == 2)
    assert perimeter(large == 2) == pytest.approx(circle, rel=0.02)
    assert perimeter(stairs == 2) > 1.05 * circle


def test_straight_borders_stay_where_they_are_up_to_the_edge() -> None:
    labels = np.ones((40, 60), np.int32)
    labels[:, 20:] = 2
    labels[25:, 20:] = 3
    large = enlarge_labels(labels, (120, 180))
    assert (large == nearest(labels, (120, 180))).mean() > 0.998
    assert (large[:, :59] == 1).all()
    assert (large[77:, 62:] == 3).all()


def test_nothing_to_do_changes_nothing_and_lost_segments_leave_no_gap() -> None:
    labels = disc(40, 40, 10)
    assert (enlarge_labels(labels, (40, 40)) == labels).all()
    labels[labels == 2] = 3
    labels[5, 5] = 2  # a single pixel is smoothed away
    assert np.unique(enlarge_labels(labels, (120, 120))).tolist() == [1, 2]
    assert (enlarge_labels(np.ones((9, 9), np.int32), (30, 31)) == 1).all()
