"""Regions against patterns sampled densely, arrangements of lines, and networks made to fold."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from workbench.errors import WorkbenchError
from workbench.geometry import linear_regions
from workbench.geometry.linear_regions import (
    PlaneRegions,
    count_on_line,
    regions_on_plane,
)
from workbench.geometry.region_growth import growth


def connected(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    modules: list[nn.Module] = []
    for before, after in pairwise(sizes):
        modules += [nn.Linear(before, after), activation()]
    return nn.Sequential(*modules[:-1]).double()


def convolutional() -> nn.Sequential:
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1),
        nn.BatchNorm2d(6), nn.LeakyReLU(0.1), nn.MaxPool2d(3, 2, 1),
    )  # fmt: skip
    body[4].running_mean.normal_()
    return nn.Sequential(body, nn.Flatten(), nn.Linear(24, 3)).double().eval()


@torch.no_grad()
def patterns(model: nn.Module, x: Tensor) -> np.ndarray:
    """All choices at each of many inputs, by running the network."""
    found = []

    def keep(module: nn.Module, args: tuple[Tensor]) -> None:
        if isinstance(module, nn.MaxPool2d):
            options = module.kernel_size, module.stride, module.padding
            found.append(max_pool2d(*args, *options, return_indices=True)[1].flatten(1))
        else:
            found.append((args[0] <= 0).flatten(1))

    kinds = nn.ReLU | nn.LeakyReLU | nn.MaxPool2d
    hooks = [m.register_forward_pre_hook(keep) for m in model.modules() if isinstance(m, kinds)]
    model(x)
    for each in hooks:
        each.remove()
    return torch.cat([each.long() for each in found], 1).numpy()


class Residual(nn.Module):
    """Sums of branches, one ReLU called three times, a concatenation, a scale, a reshape."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 3, 3, padding=1)
        self.branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.relu = nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.rand(3, 1, 1))
        self.end = nn.Linear(6 * 9, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        out = self.branch(x) * self.scale
        out += x
        again = torch.cat([self.relu(out), 0.5 - x], 1)
        again = nn.functional.avg_pool2d(again, 2)
        return self.end(self.relu(again).view(again.size(0), -1))


def residual() -> nn.Module:
    return Residual().double().eval()


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class Deciding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


CASES = {"convolutional": (convolutional, (1, 8, 8)), "residual": (residual, (1, 6, 6))}


@pytest.mark.parametrize("kind", ["relu", "leaky", "convolutional", "residual"])
@pytest.mark.parametrize("block", [4_000_000, 3000])
def test_a_segment_has_the_regions_that_dense_sampling_finds(
    kind: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_regions, "BLOCK", block)
    if kind in CASES:
        make, shape = CASES[kind]
        model = make()
    else:
        activation = nn.LeakyReLU if kind == "leaky" else nn.ReLU
        model, shape = connected(6, 20, 20, 20, 2, activation=activation), (6,)
    a, b = torch.randn(2, *shape, dtype=torch.float64)
    found = count_on_line(model, a, b)
    t = torch.linspace(0, 1, 40_001, dtype=torch.float64).reshape(-1, *[1] * len(shape))
    rows = patterns(model, a + t * (b - a))
    changes = np.flatnonzero((rows[1:] != rows[:-1]).any(1))
    # two breakpoints closer than the grid look like one
    assert 0.93 * found.count <= len(changes) + 1 <= found.count
    assert np.isin(changes, np.floor(found.breakpoints * 40_000)).all()
    assert sum(found.by_layer().values()) == found.count - 1
    # between two breakpoints the network is affine
    ends = torch.from_numpy(np.r_[0, found.breakpoints, 1]).reshape(-1, *t.shape[1:])
    at = lambda s: model(a + s * (b - a)).detach()  # noqa: E731
    middle = at((ends[1:] + ends[:-1]) / 2)
    assert torch.allclose(middle, (at(ends[1:]) + at(ends[:-1])) / 2, atol=1e-10)


def test_blocks_of_memory_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = connected(4, 12, 12, 2), torch.randn(3, 4)
    whole = regions_on_plane(model, *inputs)
    monkeypatch.setattr("workbench.geometry.division.BLOCK", 200)
    parts = regions_on_plane(model, *inputs)
    assert whole.count == parts.count > 20
    assert np.sort(parts.areas) == pytest.approx(np.sort(whole.areas))
    edges = [sum(len(each.neighbours(i)) for i in range(each.count)) for each in (whole, parts)]
    assert edges[0] == edges[1]


def samples(found: PlaneRegions, count: int) -> tuple[np.ndarray, Tensor]:
    plane = found.anchors.mean(0) + found.extent * np.random.default_rng(0).uniform(
        -1, 1, (count, 2)
    )
    return plane, torch.stack([found.input_at(*point) for point in plane])


@pytest.mark.parametrize("kind", ["relu", "leaky", "convolutional", "residual"])
def test_a_plane_is_divided_as_samples_say(kind: str) -> None:
    if kind in CASES:
        make, shape = CASES[kind]
        model, inputs = make(), torch.randn(3, *shape)
        inputs = inputs[0] + 0.07 * (inputs - inputs[0])
    else:
        activation = nn.LeakyReLU if kind == "leaky" else nn.ReLU
        model, inputs = connected(6, 16, 16, 16, 2, activation=activation), torch.randn(3, 6)
    found = regions_on_plane(model, *inputs)
    assert found.areas.sum() == pytest.approx((2 * found.extent) ** 2)
    assert len(np.unique(found.patterns, axis=0)) == found.count  # convex: no pattern comes twice
    assert sum(size for _, size in found.layers) == found.patterns.shape[1]
    plane, x = samples(found, 3000)
    rows = patterns(model, x)
    regions = np.array([found.region_at(*point) for point in plane])
    assert len(np.unique(rows, axis=0)) == len(np.unique(regions))
    if (
        kind != "convolutional"
    ):  # elsewhere torch numbers a window's entries by their place in the map
        assert np.array_equal(found.patterns[regions], rows)
    # the network is affine on each region, by the coefficients that are kept
    values = np.einsum("nok,nk->no", found.maps[regions], np.c_[plane, np.ones(len(plane))])
    assert values == pytest.approx(model(x).detach().numpy(), abs=1e-8)
    for place, point in enumerate(found.anchors):
        assert torch.allclose(found.input_at(*point), inputs[place].double())
    # a step across the middle of a border lands in a neighbour, and nowhere else
    for region in range(0, found.count, max(1, found.count // 50)):
        corners, others = found.polygons[region].corners, set(found.neighbours(region).tolist())
        seen = set()
        for start, stop in zip(corners, np.roll(corners, -1, 0), strict=True):
            for share in (0.003, 0.1, 0.3, 0.5, 0.7, 0.9, 0.997):
                out = np.array([stop[1] - start[1], start[0] - stop[0]])
                point = start + share * (stop - start) + 1e-7 * out / np.hypot(*out)
                if np.abs(point - found.anchors.mean(0)).max() < found.extent:
                    seen.add(found.region_at(*point))
        assert seen - {region} <= others
        assert len(others - seen) <= 1  # across a very short border
        for other in others:
            assert region in found.neighbours(other)
            if kind not in CASES:  # with pooling, two choices may change at once
                assert len(found.changed(region, other)) == 1


@pytest.mark.parametrize("units", [1, 7, 30])
def test_one_layer_is_an_arrangement_of_lines(units: int) -> None:
    """Regions of a convex set: 1 + lines that meet it + crossings in it, in general position."""
    model = connected(4, units, 1)
    found = regions_on_plane(model, *torch.randn(3, 4))
    basis = found.basis.numpy()
    weight, bias = (each.detach().numpy() for each in model[0].parameters())
    normals, offsets = weight @ basis.T, weight @ found.origin.numpy() + bias
    centre, half = found.anchors.mean(0), found.extent
    reach = half * np.abs(normals).sum(1)
    meeting = np.abs(normals @ centre + offsets) < reach
    crossings = sum(
        np.abs(np.linalg.solve(normals[[i, j]], -offsets[[i, j]]) - centre).max() < half
        for i, j in combinations(range(units), 2)
    )
    assert found.count == 1 + meeting.sum() + crossings


@pytest.mark.parametrize("depth", [1, 2, 5, 10])
def test_folding_networks_have_exponentially_many(depth: int) -> None:
    """Telgarsky's sawtooth: two units a layer, the tent map, 2^depth pieces on [0, 1]."""
    layers: list[nn.Module] = []
    for index in range(depth):
        inner = nn.Linear(1 if index == 0 else 2, 2).double()
        tent = torch.tensor([[2.0, -4.0]], dtype=torch.float64)  # 2 relu(x) − 4 relu(x − ½)
        inner.weight.data = torch.ones(2, 1).double() @ (tent if index else tent[:, :1] / 2)
        inner.bias.data = torch.tensor([0.0, -0.5], dtype=torch.float64)
        layers += [inner, nn.ReLU()]
    model = nn.Sequential(*layers)
    found = count_on_line(model, torch.tensor([0.0]), torch.tensor([1.0]))
    assert found.count == 2**depth
    grid = np.arange(1, 2**depth) / 2**depth
    assert found.breakpoints == pytest.approx(grid, abs=1e-12)


def test_random_networks_have_not() -> None:
    """At equal parameters regions follow the number of units, deeper networks have no more."""
    rows = growth([1, 2, 4, 8], parameters=4000, inputs=16, networks=3)
    assert all(abs(row.parameters / 4000 - 1) < 0.05 for row in rows)
    assert all(0.2 < row.regions / row.units < 1.2 for row in rows)
    assert rows[-1].regions < rows[0].regions
    assert rows == growth([1, 2, 4, 8], parameters=4000, inputs=16, networks=3)

    def fit(model: nn.Sequential) -> None:
        x = torch.randn(64, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        optimiser = torch.optim.Adam(model.parameters(), 3e-3)
        for _ in range(50):
            optimiser.zero_grad()
            ((model(x)[:, 0] - torch.sign(x[:, 0] * x[:, 1])) ** 2).mean().backward()
            optimiser.step()

    random, trained = (
        growth([4], parameters=3000, inputs=16, networks=2, prepare=each)[0] for each in (None, fit)
    )
    assert random.regions != trained.regions
    assert 0.3 < trained.regions / random.regions < 3  # not another order of growth


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda m, x: count_on_line(m, x[0], x[0]), "two different ends"),
        (lambda m, x: count_on_line(m, x[0], x[1] * float("nan")), "NaN"),
        (lambda m, x: count_on_line(m, x[0], x[1, :3]), "one shape"),
        (lambda m, x: count_on_line(nn.Sequential(m, nn.Tanh()), x[0], x[1]), "1, a Tanh"),
        (lambda m, x: count_on_line(Squared(), x[0], x[1]), "mul"),
        (lambda m, x: count_on_line(Deciding(), x[0], x[1]), "without decisions on values"),
        (lambda m, x: count_on_line(nn.MaxPool2d(2, ceil_mode=True), x[0], x[1]), "ceil_mode"),
        (lambda m, x: regions_on_plane(m, x[0], x[1], 2 * x[1] - x[0]), "not on one line"),
        (lambda m, x: regions_on_plane(m, x[0], x[1], x[0]), "not on one line"),
        (lambda m, x: regions_on_plane(m, *x, limit=5), "at most 5 regions"),
        (lambda m, x: regions_on_plane(m, *x).region_at(1e9, 0.0), "a point of the square"),
        (lambda m, x: growth([9], parameters=20), "allow more parameters"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: object, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        call(connected(4, 20, 20, 1), torch.randn(3, 4, dtype=torch.float64))  # type: ignore[operator]
