"""Cells to pixels and back."""

import pytest
import torch

from workbench.segmentation import Grid


def test_interpolation_is_exact_for_what_is_linear_in_the_image() -> None:
    grid = Grid(8.0, 5.0)
    y, x = grid.centres(6), grid.centres(9)
    maps = torch.stack([y[:, None] + 0 * x, x + 0 * y[:, None]]).float()
    fine = grid.interpolate(maps, 48, 70)
    inside = slice(5, 45), slice(5, 69)
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(70.0), indexing="ij")
    torch.testing.assert_close(fine[0][inside], rows[inside], rtol=0, atol=1e-4)
    torch.testing.assert_close(fine[1][inside], columns[inside], rtol=0, atol=1e-4)
    assert (fine[0][:5] == fine[0][0]).all()  # constant beyond the outermost centres


@pytest.mark.parametrize("step", [1, 3, 4])
def test_blocks_cover_the_image(step: int) -> None:
    fine = Grid(8.0, 3.0).interpolate(torch.rand(2, 5, 5), 37, 41, step)
    assert fine.shape == (2, -(-37 // step), -(-41 // step))


def test_labels_are_those_under_the_centres() -> None:
    labels = torch.arange(20 * 30).view(1, 20, 30)
    found = Grid(8.0, 3.0).sample_labels(labels, 3, 4)  # the last row's centre is at 19
    rows, columns = torch.tensor([3, 11, 19]), torch.tensor([3, 11, 19, 27])
    assert (found.view(3, 4) == labels[0][rows[:, None], columns]).all()


def test_shrinking_keeps_the_place_in_the_image() -> None:
    # the centre of pixel 3 of an image enlarged twice lies at 1.25 in the image itself
    assert Grid(16.0, 3.0).shrunk(2.0) == Grid(8.0, 1.25)
