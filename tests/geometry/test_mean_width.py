"""Widths of clouds: the design's reference values, kinds of arrays, merging, bad input."""

import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr

from tests.geometry.clouds import of_subspace, sphere, units
from workbench.errors import WorkbenchError
from workbench.geometry import (
    CeilingWarning,
    LeftSpanError,
    WidthStream,
    certified_bound,
    draw,
    known_sets,
    mean_width,
)
from workbench.geometry.cloud_figures import cloud_figures
from workbench.geometry.gram import inner_products

pytestmark = pytest.mark.filterwarnings("ignore::workbench.geometry.CeilingWarning")


def plain_width(x: torch.Tensor, directions: int = 4000, seed: int = 9) -> tuple[float, float]:
    """Oracle: the mean over normal directions, with its standard error."""
    g = torch.randn(
        x.shape[1], directions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    products = x.double() @ g
    widths = products.amax(0) - products.amin(0)
    return float(widths.mean()), float(widths.std()) / math.sqrt(directions)


@pytest.mark.parametrize(
    ("points", "width", "ceiling"),
    [
        (sphere(100, 100), 4.95, 5.02),
        (sphere(1000, 100), 6.33, 6.48),
        (sphere(10_000, 100), 7.45, 7.70),
        (sphere(100, 3), 3.129, 5.02),
        (sphere(1000, 3), 3.185, 6.48),
        (sphere(10_000, 3), 3.191, 7.70),
    ],
)
def test_spheres_meet_their_ceilings(points: torch.Tensor, width: float, ceiling: float) -> None:
    found = mean_width(points)
    assert found.value == pytest.approx(width, abs=0.045)
    assert found.ceiling == pytest.approx(ceiling, rel=0.02)
    assert found.near_ceiling == (points.shape[1] == 100)
    counts = found.by_count
    assert counts.points[-1] == len(points)
    assert counts.value[-1] == found.value
    assert (np.diff(counts.value) > -0.05).all()
    assert counts.points.tolist() == sorted({-(-len(points) // 2**k) for k in range(14)} - {1})


@pytest.mark.parametrize(
    ("points", "known"),
    [
        (torch.tensor([[1.0, 2.0], [4.0, 6.0]]), known_sets.segment(5.0)),
        (torch.eye(1000), known_sets.orthonormal_points(1000)),
        (torch.cat([torch.eye(100), -torch.eye(100)]), known_sets.cross_polytope(100)),
        (of_subspace(20_000, 2, 30), known_sets.sphere_of_subspace(2)),
    ],
)
def test_known_sets_lie_within_the_interval(
    points: torch.Tensor, known: known_sets.KnownWidth
) -> None:
    found = mean_width(points, level=0.999)
    assert found.low - 1e-5 * known.value <= known.value <= found.high + 1e-5 * known.value
    assert found.high - found.low < 0.03 * known.value
    assert found.ceiling >= 0.999 * known.value


def test_two_points_and_coinciding_points_need_no_luck() -> None:
    found = mean_width(torch.tensor([[0.0, 0.0, 7.0], [3.0, 4.0, 7.0]]))
    assert found.value == pytest.approx(5 * 0.797885, rel=1e-6)
    assert found.stable_dimension == pytest.approx(2 / math.pi, rel=1e-6)
    same = mean_width(torch.ones(50, 3))
    assert (same.value, same.diameter, same.stable_dimension, same.ratio) == (0, 0, 0, 0)


def test_estimates_and_intervals_agree_with_plain_directions() -> None:
    generator = torch.Generator().manual_seed(3)
    points = torch.randn(1500, 40, generator=generator) * torch.arange(1, 41).rsqrt() + 5
    truth, error = plain_width(points, 10_000)
    found = [mean_width(points, directions=128, seed=seed) for seed in range(40)]
    values = np.array([each.value for each in found])
    assert values.mean() == pytest.approx(truth, abs=4 * error + 4 * values.std() / 40**0.5)
    assert np.mean([each.low <= truth <= each.high for each in found]) >= 0.85
    plain = [plain_width(points, 128, seed)[0] for seed in range(40)]
    assert np.var(plain) > 5 * np.var(values)  # the directions' worth
    by_hand = plain_width(points[::4], 10_000)
    at = found[0].by_count.points.tolist().index(375)
    halves = [(each.by_count.low[at], each.by_count.high[at]) for each in found]
    assert np.mean([a <= by_hand[0] <= b for a, b in halves]) >= 0.8


def test_intervals_cover_as_often_as_they_say() -> None:
    """Design: 95 % intervals covered .97 and .945 of 400 trials; plain directions are the truth."""
    draws = torch.Generator().manual_seed(3)
    clouds = {
        "ball": torch.randn(80, 12, generator=draws),
        "ellipsoid": torch.randn(80, 12, generator=draws) / torch.arange(1, 13),
    }
    for name, x in clouds.items():
        products = torch.randn(200_000, 12, generator=draws) @ x.T
        truth = float((products.amax(1) - products.amin(1)).mean())
        found = [mean_width(x, directions=48, seed=seed) for seed in range(120)]
        share = np.mean([each.low <= truth <= each.high for each in found])
        assert share >= 0.89, name  # 3 standard errors of 120 trials below .95


@pytest.mark.parametrize(
    ("kind", "squared", "stable", "ranks"),
    [
        ("relu", [16.8, 14.6, 12.1, 10.3, 8.3], [4.2, 6.6, 7.8, 8.8, 9.4], [5, 11.9, 19, 26, 34]),
        ("linear", [16.8, 13.3, 11.4, 10.1, 9.2], [4.2, 4.5, 4.5, 4.7, 4.7],
         [5, 6.1, 6.7, 7.1, 7.4]),
    ],
)  # fmt: skip
def test_layers_have_the_dimensions_of_the_design(
    kind: str, squared: list[float], stable: list[float], ranks: list[float]
) -> None:
    """Five dimensions through four random layers: ω² falls, and ReLU lets the spectrum grow."""
    draws = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(800, 5, generator=draws), dim=1)
    units = 2048
    z = x @ torch.linalg.qr(torch.randn(units, 5, generator=draws)).Q.T
    rows = []
    for _ in range(5):
        of_layer = cloud_figures(inner_products(z))
        rows.append((of_layer.squared_width, of_layer.stable_dimension, of_layer.effective_rank))
        weight = torch.randn(units, units, generator=draws)
        z = z @ (weight * ((2 if kind == "relu" else 1) / units) ** 0.5).T
        z = z.relu() if kind == "relu" else z.clamp(-0.03, 0.03)
    found = np.array(rows).T
    np.testing.assert_allclose(found[0], squared, rtol=0.08)
    np.testing.assert_allclose(found[1], stable, rtol=0.1)
    np.testing.assert_allclose(found[2], ranks, rtol=0.06)


@pytest.mark.parametrize("rows", [7, 64, 1000])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_parts_merge_exactly_in_any_order(rows: int, offset: float) -> None:
    points = sphere(1000, 12) + offset
    drawn = draw(points[:200], 64, seed=1)
    parts = []
    for start in reversed(range(0, 1000, rows)):
        stream = WidthStream(drawn).update(points[start : start + rows].numpy(), start)
        parts.append(pickle.loads(pickle.dumps(stream)))
    first, *others = parts
    for other in others:
        first.directions.columns.copy_(drawn.columns)
        first.merge(other)
    merged, whole = first.result(), WidthStream(drawn).update(points).result()
    assert merged.value == pytest.approx(whole.value, rel=1e-9)
    assert merged.by_count.points.tolist() == whole.by_count.points.tolist()
    np.testing.assert_allclose(merged.by_count.value, whole.by_count.value, rtol=1e-9)
    assert merged.diameter == pytest.approx(whole.diameter, rel=1e-12)
    assert merged.diameter <= torch.pdist(points).max() * (1 + 1e-9) <= 1.001 * merged.diameter_high
    assert whole.value == pytest.approx(plain_width(points)[0], rel=0.02)


def kinds(folder: Path, x: torch.Tensor) -> dict[str, Any]:
    stored = zarr.create_array(str(folder / "x.zarr"), shape=x.shape, chunks=(130, 16), dtype="f4")
    stored[:] = x.numpy()
    readonly = x.numpy().copy()
    readonly.flags.writeable = False
    return {
        "numpy": readonly,
        "zarr": stored,
        "dask": da.from_array(x.numpy(), chunks=(300, 20)),
        "fortran": np.asfortranarray(x.numpy()),
        "double": x.double(),
    }


def test_all_kinds_of_arrays_have_one_width(tmp_path: Path) -> None:
    x = torch.randn(1100, 33, generator=torch.Generator().manual_seed(0))
    whole = mean_width(x)
    for kind, points in kinds(tmp_path, x).items():
        found = mean_width(points)
        # of stored arrays another sample is drawn: the control variate differs, the width does not
        assert abs(found.value - whole.value) < (0.05 if kind in ("zarr", "dask") else 1e-4), kind
        assert found.by_count.points.tolist() == whole.by_count.points.tolist()


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.half(),
        lambda x: x.bfloat16(),
        lambda x: x.requires_grad_(),
        lambda x: (x * 20).to(torch.int8),
        lambda x: (x * 20).long().numpy(),
        lambda x: x * 1e-12,
    ],
)
def test_dtypes_are_computed_exactly(convert: Any) -> None:
    x = convert(torch.randn(1200, 24, generator=torch.Generator().manual_seed(0)))
    exact = x.detach().double() if isinstance(x, torch.Tensor) else torch.from_numpy(x).double()
    assert mean_width(x).value == pytest.approx(mean_width(exact).value, rel=1e-4)


def test_gram_matrices_and_wide_clouds_have_the_width_of_their_features() -> None:
    x = torch.randn(60, 5000, generator=torch.Generator().manual_seed(0)) + 3
    wide = mean_width(x)
    assert wide.dimension == 59
    assert mean_width(gram=x.double() @ x.double().T).value == pytest.approx(wide.value, rel=0.02)
    assert wide.low < plain_width(x)[0] < wide.high
    assert mean_width(da.from_array(x.numpy(), chunks=(20, 1000))).value == pytest.approx(
        wide.value, rel=1e-6
    )


def test_points_that_leave_the_samples_span_are_found() -> None:
    x = torch.zeros(4000, 20)
    x[:, :3] = sphere(4000, 3).float()
    x[1::2, 10] = 3.0  # rows that the sample, every fourth one, does not see
    assert mean_width(x).value == pytest.approx(plain_width(x)[0], rel=0.03)
    with pytest.raises(LeftSpanError, match="whole_space"):
        WidthStream(draw(x[::4])).update(x).result()


def test_a_width_says_what_it_is() -> None:
    with pytest.warns(CeilingWarning, match="number of points"):
        found = mean_width(sphere(300, 200))
    assert "near: take more points" in str(found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mean_width(sphere(5000, 3))
    assert "to " in repr(found)  # of a diameter between two bounds
    assert not found.diameter_is_exact
    assert found.diameter <= 2.0 <= found.diameter_high * 1.001
    assert found.stable_dimension == pytest.approx(3.19154**2 / 4, rel=0.02)


@pytest.mark.parametrize("slope", [0.0, -1.0])
def test_the_certified_bound_holds_for_layers(slope: float) -> None:
    x = of_subspace(300, 5, 64).float()
    generator = torch.Generator().manual_seed(4)
    for _ in range(4):
        weight = torch.randn(256, x.shape[1], generator=generator) * (2 / 256) ** 0.5
        after = torch.nn.functional.leaky_relu(x @ weight.T, slope)
        bound = certified_bound(x, after)
        i, j = bound.pair
        ratio = (after[i] - after[j]).norm() / (x[i] - x[j]).norm()
        assert bound.lipschitz == pytest.approx(float(ratio), rel=1e-4)
        pairs = torch.pdist(after.double()) / torch.pdist(x.double())
        assert bound.lipschitz == pytest.approx(float(pairs.max()), rel=1e-4)
        assert mean_width(after).value <= bound.high
        x = after


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_width(), "either points or gram"),
        (lambda: mean_width([[1.0]]), "tensor, a numpy"),
        (lambda: mean_width(torch.ones(5)), "two axes"),
        (lambda: mean_width(torch.ones(2, 3, 4)), "two axes"),
        (lambda: mean_width(torch.ones(1, 5)), "at least 2 points"),
        (lambda: mean_width(torch.ones(0, 5)), "at least 2 points"),
        (lambda: mean_width(torch.ones(5, 0)), "one feature"),
        (lambda: mean_width(torch.ones(5, 2, dtype=torch.complex64)), "real numbers"),
        (lambda: mean_width(np.array([["a"], ["b"]])), "real numbers"),
        (lambda: mean_width(torch.eye(3).index_fill(0, torch.tensor(1), torch.nan)), "NaN"),
        (lambda: mean_width(with_one(torch.inf)), "rows 0 to 1999"),
        (lambda: mean_width(da.from_array(with_one(torch.nan).numpy(), chunks=(500, 4))), "NaN"),
        (lambda: mean_width(torch.eye(3), directions=4), "at least 8 directions"),
        (lambda: mean_width(torch.eye(3), level=1.0), "level"),
        (lambda: mean_width(gram=torch.ones(3, 4)), "square"),
        (lambda: mean_width(gram=torch.tensor([[1.0, 0.5], [0.1, 1.0]])), "symmetric"),
        (lambda: mean_width(gram=torch.tensor([[1.0, 2.0], [2.0, 1.0]])), "semidefinite"),
        (lambda: certified_bound(torch.eye(3), torch.eye(4)), "same 3 points"),
        (lambda: certified_bound(torch.ones(2, 2), torch.eye(2)), "the map separates"),
    ],
)
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        call()


def with_one(value: float) -> torch.Tensor:
    x = units(torch.ones(2000, 4))
    x[3, 1] = value  # not in the sample
    return x
