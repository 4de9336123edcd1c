"""The layer: masks, ragged regions, centring, vectors; every form against a loop over regions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.layers import SecondOrderPooling
from workbench.linalg.gram_log import gram_log
from workbench.linalg.vectorise import unvectorise

SETTINGS = [
    {"epsilon": 0.1},
    {"epsilon": 0.1, "normalisation": "sum"},
    {"epsilon": 0.1, "centre": True},
    {"function": "power", "centre": True},
    {"function": "power", "power": 0.3, "epsilon": 0.01, "normalisation": "sum"},
]


def by_definition(layer: SecondOrderPooling, x: Tensor) -> Tensor:
    """f(XᵀX + εI) of one region (pixels, features), by eigh."""
    if layer.centre and len(x):
        x = x - x.mean(0)
    a = x.mT @ x / (max(len(x), 1) if layer.normalisation == "mean" else 1)
    values, vectors = torch.linalg.eigh(a + layer.epsilon * torch.eye(x.shape[1]).to(x))
    values = values.clamp(min=0)
    f = values.log() if layer.function == "log" else values.pow(layer.power)
    return (vectors * f) @ vectors.mT


def close(found: Tensor, expected: Tensor) -> None:
    # a root of rounding at a zero eigenvalue: √(1e-16)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_maps_and_masks(options: dict) -> None:
    layer = SecondOrderPooling(**options)
    maps = torch.rand(3, 6, 4, 5, dtype=torch.float64)
    masks = torch.rand(3, 4, 5) < 0.4
    masks[2] = False
    rows = maps.flatten(2).mT
    close(layer(maps), torch.stack([by_definition(layer, x) for x in rows]))
    inside = [x[mask.flatten()] for x, mask in zip(rows, masks, strict=True)]
    close(layer(maps, masks), torch.stack([by_definition(layer, x) for x in inside]))


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_ragged_regions(options: dict) -> None:
    layer = SecondOrderPooling(**options)
    lengths = [3, 0, 40, 1, 6, 5, 2, 17]
    flat = torch.rand(sum(lengths), 6, dtype=torch.float64)
    regions = list(flat.split(lengths))
    expected = torch.stack([by_definition(layer, x) for x in regions])
    close(layer.regions(regions), expected)
    close(layer.regions(flat, lengths), expected)


def test_gradients_of_ragged_regions_are_those_of_a_loop() -> None:
    layer = SecondOrderPooling(epsilon=0.1)
    regions = [torch.rand(n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 9, 5, 1)]
    upstream = torch.randn(4, 4, 4, dtype=torch.float64)
    together = torch.autograd.grad(layer.regions(regions), regions, upstream)
    for region, gradient, u in zip(regions, together, upstream, strict=True):
        value = gram_log(region, 0.1, "mean").value
        torch.testing.assert_close(gradient, torch.autograd.grad(value, region, u)[0])


def test_what_lies_outside_the_mask_does_not_matter() -> None:
    layer = SecondOrderPooling()
    maps = torch.rand(1, 3, 2, 2)
    maps[0, :, 1, 1] = torch.nan
    masks = torch.tensor([[[True, True], [True, False]]])
    maps.requires_grad_()
    layer(maps, masks).sum().backward()
    assert maps.grad.isfinite().all()
    assert not maps.grad[0, :, 1, 1].any()
    with pytest.raises(WorkbenchError, match="NaN or Inf"):
        layer(maps)


def test_an_empty_region_is_log_epsilon() -> None:
    maps = torch.rand(1, 3, 2, 2)
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    for layer in (SecondOrderPooling(), SecondOrderPooling(centre=True)):
        torch.testing.assert_close(layer(maps, nothing)[0], torch.eye(3) * torch.tensor(1e-3).log())
    assert not SecondOrderPooling("power")(maps, nothing).any()


def test_vectors_keep_inner_products() -> None:
    maps = torch.rand(2, 5, 3, 3)
    matrices, vectors = SecondOrderPooling()(maps), SecondOrderPooling(vectorised=True)(maps)
    assert vectors.shape == (2, 15)
    torch.testing.assert_close(vectors[0] @ vectors[1], (matrices[0] * matrices[1]).sum())
    torch.testing.assert_close(unvectorise(vectors), matrices)


@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    features=st.integers(1, 5),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_outcomes_of_regions(lengths: list[int], features: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    flat = torch.randn(sum(lengths), features, dtype=torch.float64, generator=generator)
    layer = SecondOrderPooling(epsilon=0.1)
    found = layer.pool_regions(flat, lengths)
    assert found.rank.tolist() == [min(n, features) for n in lengths]
    low = torch.linalg.eigvalsh(found.value)
    torch.testing.assert_close(low[:, 0].exp(), found.smallest)
    torch.testing.assert_close(low[:, -1].exp(), found.largest)


def test_trains() -> None:
    """Two textures of equal mean, told apart by their covariance."""
    pool = SecondOrderPooling(vectorised=True)
    maps = torch.randn(20, 4, 6, 6)
    maps[10:, 1] = maps[10:, 0] + 0.3 * maps[10:, 1]
    labels = torch.arange(20) // 10
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 1), pool, torch.nn.Linear(10, 2))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(maps), labels).backward()
        optimizer.step()
    assert (network(maps).argmax(1) == labels).float().mean() > 0.9


def test_one_image_needs_no_batch() -> None:
    layer, maps = SecondOrderPooling(), torch.rand(2, 5, 3, 4)
    inside = torch.rand(2, 3, 4) > 0.3
    torch.testing.assert_close(layer(maps[1], inside[1]), layer(maps, inside)[1])
    with pytest.raises(WorkbenchError, match=r"found shape \(5, 12\)"):
        layer(maps[0].flatten(1))
    with pytest.raises(WorkbenchError, match=r"masks of shape \(2, 3, 4\)"):
        layer(maps, inside[:, :2])


def test_it_says_what_it_is() -> None:
    assert repr(SecondOrderPooling()) == "SecondOrderPooling(log, epsilon=0.001, mean)"
    root = SecondOrderPooling("power", normalisation="sum", centre=True)
    assert repr(root) == "SecondOrderPooling(power=0.5, epsilon=0, sum, centre)"


def test_regions_that_do_not_fit_are_named() -> None:
    layer, flat = SecondOrderPooling(), torch.rand(5, 3)
    with pytest.raises(WorkbenchError, match="sum to the 5 rows"):
        layer.regions(flat, [2, 2])
    with pytest.raises(WorkbenchError, match="no lengths"):
        layer.regions(flat)
    with pytest.raises(WorkbenchError, match="at least one region"):
        layer.regions([])
