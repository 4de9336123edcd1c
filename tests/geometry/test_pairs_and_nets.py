"""Angles, distances and nets: in blocks as at once, near and far, and what a width allows."""

import math
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch

from tests.geometry.clouds import of_subspace, sphere, units
from workbench.errors import WorkbenchError
from workbench.geometry import (
    farthest_first,
    known_sets,
    mean_width,
    pair_blocks,
    pair_statistics,
    pairwise,
)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-3, 0.14, 1.0, math.pi / 2, math.pi - 1e-3])
def test_angles_are_exact_at_every_size(dtype: torch.dtype, angle: float) -> None:
    axes = torch.linalg.qr(sphere(30, 2)).Q
    u = torch.tensor(
        [[3.0, 0.0], [0.2 * math.cos(angle), 0.2 * math.sin(angle)]], dtype=torch.float64
    )
    points = (u @ axes.T if dtype == torch.float64 else u).to(dtype)
    found = float(pairwise(points)[0, 1])
    eps = torch.finfo(dtype).eps
    assert found == pytest.approx(angle, rel=1e3 * eps, abs=4 * eps)
    away = 1e3 * axes[:, 0] if dtype == torch.float64 else torch.tensor([1e3, 0.0])
    distance = float(pairwise(points + away.to(dtype), "distance")[0, 1])
    exact = float((points[0] + away.to(dtype) - points[1] - away.to(dtype)).norm())
    assert distance == pytest.approx(exact, rel=1e3 * eps)


@pytest.mark.parametrize("measure", ["angle", "distance"])
@pytest.mark.parametrize("block", [40, 1024])
def test_statistics_of_blocks_are_those_of_all_pairs(measure: Any, block: int) -> None:
    x = sphere(150, 6) + 0.2
    x[40] = x[90]  # duplicates
    dead = torch.cat([x, torch.zeros(2, 6, dtype=x.dtype)])
    found = pair_statistics(da.from_array(dead.numpy(), chunks=(33, 4)), measure, block=block)
    if measure == "angle":
        all_pairs = torch.acos((units(x) @ units(x).T).clamp(-1, 1))
        pairs = all_pairs[torch.ones(150, 150).triu(1).bool()]
        assert found.undefined == 150 * 2 + 1
        assert "zero point left out" in str(found)
    else:
        pairs = torch.pdist(dead)
        assert found.undefined == 0
    assert found.count == len(pairs) == found.histogram.sum()
    assert found.mean == pytest.approx(float(pairs.mean()), rel=1e-6)
    assert found.maximum == pytest.approx(float(pairs.max()), rel=1e-6)
    assert found.minimum == 0.0
    assert found.closest in ((40, 90), (150, 151))
    for share in (0.05, 0.5, 0.95):
        assert found.quantile(share) == pytest.approx(float(pairs.quantile(share)), abs=3e-3)
    rows = [each.rows.stop - each.rows.start for each in pair_blocks(dead, measure, block)]
    assert max(rows) <= block


def test_nets_are_nested_coverings_and_packings() -> None:
    x = sphere(600, 4).float()
    net = farthest_first(da.from_array(x.numpy(), chunks=(100, 2)), 40)
    for n in (2, 10, 40):
        centres = x[net.indices[:n]]
        assert float(torch.cdist(x, centres).amin(1).max()) == pytest.approx(
            net.radii[n - 1], rel=1e-5
        )
        assert float(torch.pdist(centres).min()) >= net.radii[n - 2] * (1 - 1e-5)
    held_out = net.coverage(sphere(400, 4, seed=8))
    assert held_out.share.min() > 0.9
    assert (held_out.radius > 0.5 * net.radii).all()
    own = net.coverage(x)
    np.testing.assert_allclose(own.radius, net.radii, rtol=1e-5)
    few = farthest_first(x[:3].repeat(5, 1), 10)
    assert (len(few.radii), few.radii[-1]) == (3, 0.0)


@pytest.mark.parametrize(
    ("points", "width", "count", "ratio"),
    [
        (torch.eye(1000), known_sets.orthonormal_points(1000), 1000, 1.0),
        (of_subspace(5000, 2, 20), known_sets.ball(2), 10, 0.34),
        (sphere(5000, 3), known_sets.ball(3), 10, 0.65),
        (sphere(5000, 3), known_sets.ball(3), 100, 0.32),
        (sphere(20_000, 10), None, 100, 0.59),
    ],
)
def test_sudakovs_bound_holds_and_is_as_loose_as_measured(
    points: torch.Tensor, width: known_sets.KnownWidth | None, count: int, ratio: float
) -> None:
    """The design's ratios √2εM_n/ω; for orthonormal points the bound is sharp."""
    bound = farthest_first(points, count).sudakov(float(width or mean_width(points)))
    assert (bound.ratio <= 1 + 1e-6).all()
    assert bound.ratio[-1] == pytest.approx(ratio, abs=0.04)
    assert (bound.log_bound >= np.log(bound.count) - 1e-5).all()
    if ratio == 1.0:
        assert bound.log_bound[-1] == pytest.approx(math.log(1000), abs=1e-4)


def test_a_width_measured_from_the_cloud_bounds_its_own_net() -> None:
    x = sphere(2000, 8)
    net = farthest_first(x, 50)
    bound = net.sudakov(mean_width(x))
    assert (bound.ratio < 1).all()
    assert "net of 50 centres" in str(net)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pair_statistics(torch.zeros(4, 3)), "not 0"),
        (lambda: pair_statistics(torch.full((4, 3), torch.nan)), "NaN"),
        (lambda: pairwise(torch.ones(1, 3)), "at least 2 points"),
        (lambda: farthest_first(torch.eye(3), 4), "no more centres"),
        (lambda: farthest_first(torch.eye(3) * torch.inf, 2), "NaN"),
        (lambda: farthest_first(torch.eye(3), 2).coverage(torch.eye(4)), "3 features"),
        (lambda: farthest_first(torch.eye(3), 2).sudakov(0.0), "positive width"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        call()
