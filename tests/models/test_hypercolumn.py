"""The hypercolumn head: geometry, gradients, and what a mirror does to it."""

import pytest
import torch

from workbench.models import ArchitectureConfig, DeepNCuts
from workbench.models.hypercolumn import coarsened, coarsened_grid
from workbench.segmentation.grid import Grid

TINY = ArchitectureConfig(
    backbone="tiny", taps=("relu1", "relu2", "relu3"), head="hypercolumn", enlarge=1.0, dropout=0.0
)


@pytest.mark.parametrize("size", [(64, 96), (61, 83)])
@pytest.mark.parametrize("enlarge", [1.0, 2.0])
def test_contours_at_half_and_factors_at_quarter_size(
    size: tuple[int, int], enlarge: float
) -> None:
    height, width = size
    model = DeepNCuts(ArchitectureConfig(**vars(TINY) | {"enlarge": enlarge})).eval()
    found = model(torch.rand(3, height, width))
    assert found.contour is not None
    assert found.contour.shape == (-(-height // 2), -(-width // 2))
    assert found.shape == (-(-height // 4), -(-width // 4))
    assert found.affinity.x.shape == (found.shape[0] * found.shape[1], 20)
    assert (found.affinity.x >= 0).all()
    assert model.grid == Grid.of_step(4)


def test_taps_lie_where_their_grids_say() -> None:
    """A ramp over the image is the same ramp at every tap after interpolation."""
    for tap in (Grid(1.0, 0.0), Grid(2.0, 0.5), Grid(4.0, 1.5), Grid(8.0, 3.5)):
        columns = int((95 - tap.offset) // tap.stride) + 1
        maps = tap.centres(columns).float().expand(1, 8, columns)
        maps, grid = coarsened(maps, tap), coarsened_grid(tap)
        found = grid.interpolate(maps, 64, 96, step=2)[0, 0]
        expected = Grid.of_step(2).centres(48).float()
        inside = (expected >= grid.offset) & (
            expected <= grid.offset + grid.stride * (maps.shape[2] - 1)
        )
        torch.testing.assert_close(found[inside], expected[inside])


def test_gradients_reach_every_parameter() -> None:
    model = DeepNCuts(TINY)
    found = model(torch.rand(3, 48, 64))
    assert found.contour is not None
    (found.affinity.x.square().mean() + found.contour.square().mean()).backward()
    for name, parameter in model.named_parameters():
        # The contour branch begins at zero: nothing passes through it on the first step.
        if name.startswith("head.contour"):
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_the_scale_of_a_tap_does_not_matter() -> None:
    model = DeepNCuts(TINY).eval()
    taps = model.features(torch.rand(3, 48, 64))
    found = model.predict(taps, (48, 64))
    scaled = model.predict([37.0 * taps[0], 0.1 * taps[1], taps[2]], (48, 64))
    torch.testing.assert_close(found.affinity.x, scaled.affinity.x)


def test_without_contours() -> None:
    model = DeepNCuts(ArchitectureConfig(**vars(TINY) | {"contour": False}))
    assert model(torch.rand(3, 32, 32)).contour is None
