"""Region classifiers: what they pool, over which cells, at which scale, and what they cost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg import unvectorise
from workbench.models import Backbone
from workbench.models.region_masks import cells_inside, coverage
from workbench.models.regions import POOLINGS, RegionArchitecture, RegionNetwork
from workbench.models.scaling import Standardised
from workbench.models.sizes import describe
from workbench.runs.plain import from_plain, plain
from workbench.segmentation.grid import Grid

TINY = RegionArchitecture("tiny", "relu3", classes=5)


def masks_of(*boxes: tuple[int, int, int, int], side: int = 32) -> Tensor:
    masks = torch.zeros(len(boxes), side, side, dtype=torch.bool)
    for mask, (top, bottom, left, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks


def logarithm(x: Tensor, epsilon: float) -> Tensor:
    """log(XᵀX/rows + εI) in float64, by eigenvectors."""
    gram = x.double().T @ x.double() / len(x)
    values, vectors = torch.linalg.eigh(gram + epsilon * torch.eye(len(gram), dtype=torch.float64))
    return vectors @ values.log().diag() @ vectors.T


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("reduce", [None, 6])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_classifies_frames_and_is_trained(
    pooling: Any, reduce: int | None, masked: bool
) -> None:
    config = replace(TINY, pooling=pooling, reduce=reduce, masked=masked, fully_connected=(7,))
    network = RegionNetwork(config)
    channels = reduce or 48
    entries = {"average": channels, "none": channels * 36}
    assert network.entries == entries.get(pooling, channels * (channels + 1) // 2)
    images, masks = torch.rand(3, 3, 32, 32), masks_of((4, 30, 2, 20), (0, 9, 0, 9), (5, 6, 0, 32))
    found = network(images, masks)
    assert found.logits.shape == (3, 5)
    assert (found.pooled is None) == (pooling in ("average", "none"))
    found.logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_mask_pools_the_features_of_its_cells_alone() -> None:
    network = RegionNetwork(replace(TINY, masked=True, scaling="none"))
    maps = torch.rand(2, 48, 8, 8)
    # Cells of the tiny backbone lie four pixels apart, the first one's centre at pixel 0.
    masks = masks_of((0, 17, 6, 15), (9, 32, 0, 32))
    inside = [(slice(0, 5), slice(2, 4)), (slice(3, 8), slice(0, 8))]
    vectors, pooled = network.pool(maps, masks)
    assert pooled is not None
    for each, vector, (rows, columns) in zip(maps, vectors, inside, strict=True):
        expected = logarithm(each[:, rows, columns].flatten(1).T, 1e-3)
        torch.testing.assert_close(unvectorise(vector.double()), expected, rtol=1e-5, atol=1e-5)
    average = RegionNetwork(replace(TINY, masked=True, pooling="average"))
    for each, vector, (rows, columns) in zip(
        maps, average.pool(maps, masks)[0], inside, strict=True
    ):
        torch.testing.assert_close(vector, each[:, rows, columns].mean((1, 2)))


def test_without_masks_the_whole_frame_is_pooled() -> None:
    network = RegionNetwork(replace(TINY, scaling="none"))
    maps = torch.rand(1, 48, 8, 8)
    expected = logarithm(maps[0].flatten(1).T, 1e-3)
    found = unvectorise(network.pool(maps, masks_of((0, 3, 0, 3)))[0][0].double())
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_masks_on_the_grid_of_a_map() -> None:
    grid = Backbone("alexnet", "relu5").grids[0]
    rng = np.random.default_rng(0)
    masks = torch.from_numpy(rng.random((4, 227, 227)) < [[[0.1]], [[0.4]], [[0.6]], [[1.0]]])
    covered = coverage(masks, grid, 13, 13)
    # Every pixel has its cell, those beside the outermost blocks too.
    torch.testing.assert_close(covered.sum((1, 2)), masks.sum((1, 2)).float())
    inside = cells_inside(masks, grid, 13, 13)
    assert inside[3].all()
    assert not inside[0].all()
    # Cell (1, 2) is centred at pixel (31, 47): its block begins and ends in the middle of pixels.
    rows, columns = torch.zeros(227), torch.zeros(227)
    rows[24:39] = columns[40:55] = 1.0
    rows[[23, 39]] = columns[[39, 55]] = 0.5
    torch.testing.assert_close(covered[2, 1, 2], rows @ masks[2].float() @ columns)


def test_thin_masks_have_one_cell_and_empty_ones_none() -> None:
    grid = Grid(4.0, 1.5)
    masks = masks_of((9, 10, 0, 30), (0, 0, 0, 0), (13, 14, 25, 26))
    inside = cells_inside(masks, grid, 8, 8)
    assert inside.sum((1, 2)).tolist() == [1, 0, 1]
    assert inside[0, 2, 0]
    assert inside[2, 3, 6]
    for pooling in POOLINGS:
        network = RegionNetwork(replace(TINY, pooling=pooling, masked=True))
        assert network.pool(torch.rand(3, 48, 8, 8), masks)[0].isfinite().all()


def test_a_reduction_projects_the_matrix() -> None:
    network = RegionNetwork(replace(TINY, reduce=4, scaling="none"))
    weight = network.reduce.weight.flatten(1).double()  # type: ignore[union-attr]
    torch.testing.assert_close(
        weight @ weight.T, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-5
    )
    maps = torch.rand(1, 48, 6, 6)
    expected = logarithm(maps[0].flatten(1).T.double() @ weight.T, 1e-3)
    found = unvectorise(network.pool(maps)[0][0].double())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_in_float64(pooling: Any) -> None:
    config = replace(TINY, pooling=pooling, reduce=3, masked=True, epsilon=1e-2)
    network = RegionNetwork(config).double().eval()
    maps = torch.rand(2, 48, 4, 4, dtype=torch.float64, requires_grad=True)
    masks = masks_of((0, 16, 0, 12), (5, 16, 0, 16), side=16)
    assert torch.autograd.gradcheck(
        lambda x: network.classify(x, masks).logits, (maps,), fast_mode=True
    )


def test_mixed_precision_leaves_the_structured_layer_alone() -> None:
    network = RegionNetwork(TINY)
    maps = torch.rand(2, 48, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        vectors, pooled = network.pool(maps)
    assert pooled is not None
    assert torch.equal(vectors, network.pool(maps.float())[0])
    for each, value in zip(maps, pooled.value, strict=True):
        expected = logarithm(each.flatten(1).T, 1e-3)
        torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("each", [False, True])
def test_scaling_takes_the_offset_off(each: bool) -> None:
    vectors = torch.randn(200, 12) * torch.linspace(0.5, 2, 12) + 30
    layer = Standardised(12, energy=4.0, each=each)
    assert torch.equal(layer(vectors), vectors)
    layer.calibrate(vectors.split(70))
    found = layer(vectors)
    assert found.mean(0).abs().max() < 1e-4
    assert found.square().sum(1).mean().item() == pytest.approx(4.0, rel=1e-4)
    spread = found.std(0)
    if each:
        assert spread.max() / spread.min() < 1.4 < vectors.std(0).max() / vectors.std(0).min()
    else:  # distances keep their proportions
        before, after = torch.pdist(vectors), torch.pdist(found)
        torch.testing.assert_close(after / after[0], before / before[0], rtol=1e-4, atol=1e-4)


def test_scaling_needs_vectors_that_differ() -> None:
    with pytest.raises(WorkbenchError, match="vectors that differ"):
        Standardised(3, 1.0, each=False).calibrate([torch.ones(4, 3)])


def test_calibration_is_of_what_the_network_pools() -> None:
    network = RegionNetwork(replace(TINY, masked=True))
    maps, masks = torch.rand(6, 48, 8, 8), masks_of(*[(0, 8 + 4 * i, 0, 32) for i in range(6)])
    network.calibrate([(maps[:4], masks[:4]), (maps[4:], masks[4:])])
    scaled = network.scaling(network.pool(maps, masks)[0])
    assert scaled.mean(0).abs().max() < 1e-3
    assert scaled.square().sum(1).mean().item() == pytest.approx(48, rel=1e-3)


def test_sizes_are_those_of_the_paper() -> None:
    deep = describe(RegionArchitecture(fully_connected=(4096, 4096)), batch=10)
    entries = 256 * 257 // 2
    classifier = (entries + 1) * 4096 + 4097 * 4096 + 4097 * 80
    assert deep.entries == entries == 32_896
    assert {part.name: part.parameters for part in deep.parts} == {
        "backbone": 2_469_696,
        "reduce": 0,
        "pooling": 0,
        "classifier": classifier,
    }
    assert f"{deep.parameters:,}" in str(deep)
    assert deep.state == 3 * 4 * deep.parameters


def test_activations_grow_with_the_batch_and_shrink_with_a_frozen_backbone() -> None:
    ten, twenty = (describe(TINY, batch=batch, side=64) for batch in (10, 20))
    frozen = describe(TINY, batch=10, side=64, frozen=True)
    # relu1 has 24 maps of 32×32, relu2 32 of 16×16, relu3 48 of 16×16.
    maps = 4 * (24 * 32 * 32 + 32 * 16 * 16 + 48 * 16 * 16)
    assert twenty.activations - ten.activations > 10 * maps
    assert frozen.activations < ten.activations - 9 * maps
    assert not frozen.parts[0].trained


def test_a_configuration_survives_json() -> None:
    config = replace(TINY, fully_connected=(4, 3), epsilon=0.1)
    values = plain(config) | {"fully_connected": [4, 3]}
    assert from_plain(RegionArchitecture, values) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": 0}, "layers of at least one unit"),
        ({"fully_connected": (0,)}, "layers of at least one unit"),
        ({"classes": 0}, "layers of at least one unit"),
        ({"backbone": "resnet"}, "a backbone out of alexnet"),
        ({"tap": "relu9"}, "taps of tiny"),
        ({"epsilon": -1.0}, "epsilon > 0"),
    ],
)
def test_what_cannot_be_built_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        RegionNetwork(replace(TINY, **options))(torch.rand(1, 3, 32, 32))


def test_masks_are_asked_for() -> None:
    with pytest.raises(WorkbenchError, match="masks, to pool over free-form regions"):
        RegionNetwork(replace(TINY, masked=True))(torch.rand(1, 3, 32, 32))
