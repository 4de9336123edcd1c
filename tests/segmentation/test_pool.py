"""From an affinity to eight segmentations at full size."""

import numpy as np
import pytest
import torch
from skimage.measure import label

from workbench.linalg import Affinity
from workbench.segmentation import Grid, PoolConfig, Prediction, cut

SIZE = (96, 128)
GRID = Grid(8.0, 3.5)
SHAPE = (12, 16)


def quarters() -> torch.Tensor:
    """One-hot features of the image's four quarters, with a little of everything."""
    maps = torch.full((4, *SHAPE), 0.02)
    maps[0, :6, :8] = maps[1, :6, 8:] = maps[2, 6:, :8] = maps[3, 6:, 8:] = 1
    return maps


def found_in(maps: torch.Tensor, **config: object) -> list[np.ndarray]:
    prediction = Prediction(Affinity(maps.flatten(1).T), SHAPE, GRID, SIZE)
    return list(cut(prediction, PoolConfig(**config)).segmentations)


def test_four_quarters_are_found_at_full_resolution() -> None:
    truth = np.zeros(SIZE, int)
    truth[48:] += 2
    truth[:, 64:] += 1
    (found,) = found_in(quarters(), counts=(4,))
    assert found.max() == 4
    for quarter in range(4):
        names, sizes = np.unique(found[truth == quarter], return_counts=True)
        assert sizes.max() == (truth == quarter).sum(), names


def test_eight_segmentations_of_the_images_size() -> None:
    pool = found_in(quarters())
    assert [s.shape for s in pool] == [SIZE] * 8
    assert all(s.min() == 1 and s.dtype == np.int32 for s in pool)


def test_every_segment_is_connected_and_large_enough() -> None:
    for found in found_in(torch.rand(6, *SHAPE), min_fraction=0.01):
        assert label(found, background=-1, connectivity=2).max() == found.max()
        assert np.bincount(found.ravel())[1:].min() >= 0.01 * 96 * 128


def test_same_input_same_segmentations() -> None:
    maps = torch.rand(6, *SHAPE)
    for one, two in zip(found_in(maps), found_in(maps), strict=True):
        assert (one == two).all()


@pytest.mark.parametrize("maps", [torch.zeros(3, *SHAPE), torch.ones(3, *SHAPE)])
def test_features_that_tell_nothing_give_one_segment(maps: torch.Tensor) -> None:
    assert [s.max() for s in found_in(maps)] == [1] * 8


def test_dead_cells_do_not_disturb() -> None:
    maps = quarters()
    maps[:, 3, 3] = 0
    assert all(s.min() == 1 for s in found_in(maps))
