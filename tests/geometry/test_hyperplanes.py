"""Codes against their signs one by one, distortion against the binomial, cells against counting."""

from math import pi

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.geometry.hyperplanes import (
    Codes,
    cell_count,
    cell_diameters,
    cells,
    cells_seen,
    circle_cells,
    distortion,
    distortion_curve,
    embed,
    normals,
    pack,
    widest_on_circle,
)


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("bits", [1, 63, 64, 65, 700])
def test_codes_are_the_signs(bits: int) -> None:
    x = gaussian(50, 7)
    codes = embed(x, bits, seed=3)
    a = np.concatenate(list(normals(7, bits, seed=3)))
    signs = x @ a.T > 0
    assert codes.words.shape == (50, -(-bits // 64))
    assert np.array_equal(codes.signs, signs)
    assert np.array_equal(codes.signs, np.maximum(x @ a.T, 0) > 0)  # where a ReLU layer is active
    assert np.array_equal(codes.hamming(codes[:9]), (signs[:, None] != signs[None, :9]).sum(2))
    again = embed(torch.from_numpy(50 * x), bits, seed=3, chunk=11)
    assert np.array_equal(again.words, codes.words)
    assert np.array_equal(pack(torch.from_numpy(signs)).words, codes.words)
    assert np.array_equal(embed(x, max(1, bits // 2), seed=3).signs, signs[:, : max(1, bits // 2)])


def sets() -> dict[str, np.ndarray]:
    circle = np.linspace(0, 2 * pi, 200, endpoint=False) + gaussian(200) / 100
    sparse = np.zeros((200, 60))
    np.put_along_axis(sparse, np.argsort(gaussian(200, 60), 1)[:, :4], gaussian(200, 4), 1)
    return {
        "circle": np.stack([np.cos(circle), np.sin(circle)], 1),
        "subspace": gaussian(200, 10) @ gaussian(10, 60, seed=1),
        "sparse": sparse,
        "clusters": np.repeat(gaussian(20, 60), 10, 0) + 0.1 * gaussian(200, 60, seed=1),
    }


@pytest.mark.parametrize("name", ["circle", "subspace", "sparse", "clusters"])
def test_distortion_falls_like_the_root_of_bits(name: str) -> None:
    x = sets()[name]
    curves = [distortion_curve(x, [2**k for k in range(5, 13)], seed=seed) for seed in range(4)]
    assert np.mean([each.slope for each in curves]) == pytest.approx(-0.5, abs=0.05)
    curve = curves[0]
    ratios = [[p.maximum / p.bound for p in each.points] for each in curves]
    assert np.mean(ratios) < 1
    assert np.max(ratios) < 1.2
    rms = np.mean([[p.rms / p.predicted for p in each.points] for each in curves])
    assert rms == pytest.approx(1, abs=0.15)  # the few bits of a circle vary more
    # −1/6 of the uniform theorem is far above: its constant would have to fall with m
    constants = curve.uniform_constant(width=4.0)
    assert constants[-1] < constants[0] / 3
    assert curve.line(-1 / 6)[-1] > 3 * curve.maximum[-1]
    assert curve.line(-0.5)[-1] == pytest.approx(curve.maximum[0] / np.sqrt(128))


def test_distortion_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    x = gaussian(60, 5)
    x[7] = 3 * x[3]  # the same direction
    codes = embed(x, 100)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    angles = np.arccos(np.clip(unit @ unit.T, -1, 1))[np.triu_indices(60, 1)]
    share = (codes.signs[:, None] != codes.signs).mean(2)[np.triu_indices(60, 1)]
    for block in (10**6, 200):
        monkeypatch.setattr("workbench.geometry.hyperplanes.BLOCK_OF_PAIRS", block)
        found = distortion(x, codes)
        assert found.maximum == pytest.approx(np.abs(share - angles / pi).max())
        assert found.rms == pytest.approx(np.sqrt(((share - angles / pi) ** 2).mean()))
        assert found.pairs == 1770
        assert found.bound == pytest.approx(np.sqrt(np.log(3540) / 200))
    # in radians, as if Hamming/m estimated the angle itself, nothing is an isometry
    assert np.abs(share - angles).max() > 5 * found.maximum
    assert distortion(x[[3, 7]], codes[np.array([3, 7])]).maximum == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("dimension", "bits", "count"),
    [(2, 16, 32), (2, 64, 128), (3, 8, 58), (3, 16, 242), (4, 10, 260)],
)
def test_cells_are_as_many_as_the_formula_says(dimension: int, bits: int, count: int) -> None:
    assert cell_count(dimension, bits) == count
    seen = max(cells_seen(dimension, bits, 40_000, seed) for seed in range(2))
    assert 0.9 * count <= seen <= count
    if count in (32, 58):
        assert seen == count


def test_widths_on_a_circle_are_exact() -> None:
    a = gaussian(20, 2)
    found = np.sort(circle_cells(a))
    t = np.linspace(0, 2 * pi, 400_000, endpoint=False)
    codes = embed_by(np.stack([np.cos(t), np.sin(t)], 1), a)
    runs = np.diff(np.flatnonzero(np.diff(cells(codes), prepend=-1)))  # lengths of whole cells
    counted = np.sort(runs)[-20:][::2]
    assert np.concatenate([found, found]).sum() == pytest.approx(2)
    assert counted[-1] / 200_000 == pytest.approx(found[-1], abs=2e-5)
    for bits, expected in ((16, 0.2110), (64, 0.0740), (256, 0.02394), (1024, 0.00729)):
        widest = [circle_cells(gaussian(bits, 2, seed=draw)).max() for draw in range(1000)]
        error = 4 * np.std(widest) / np.sqrt(1000)
        assert np.mean(widest) == pytest.approx(widest_on_circle(bits), abs=error)
        assert widest_on_circle(bits) == pytest.approx(expected, rel=0.008)


def embed_by(x: np.ndarray, a: np.ndarray) -> Codes:
    return pack(x @ a.T > 0)


def test_diameters_of_cells() -> None:
    """On the circle the samples' diameters are the exact widths; on S² they fall as measured."""
    a = gaussian(6, 2)
    t = np.linspace(0, 2 * pi, 5000, endpoint=False)
    x = np.stack([np.cos(t), np.sin(t)], 1)
    found = np.sort(cell_diameters(x, embed_by(x, a)))
    exact = np.sort(np.repeat(circle_cells(a), 2))
    assert found == pytest.approx(exact, abs=2e-3)
    assert (found <= exact).all()
    for bits, expected in ((8, 0.58), (16, 0.35), (32, 0.23), (64, 0.14)):
        widest = []
        for seed in range(6):
            points = gaussian(4000, 3, seed=seed)
            widest.append(cell_diameters(points, embed(points, bits, seed)).max())
        assert np.mean(widest) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: embed(x, 0), "at least one bit"),
        (
            lambda x: embed(np.vstack([x, 0 * x[:1]]), 8),
            "1 of 6 points whose features are all zero",
        ),
        (lambda x: embed(np.where(x > 9, x, np.nan), 8), "NaN"),
        (lambda x: distortion(x[:1], embed(x[:1], 8)), "at least 2 points"),
        (lambda x: distortion(x, embed(x[:3], 8)), "5 points, 3 codes"),
        (lambda x: embed(x, 8).hamming(embed(x, 9)), "8 and 9 bits"),
        (lambda x: distortion_curve(x, [32]), "a slope needs two"),
        (lambda x: embed(x[0], 8), r"shape \(3,\)"),
        (lambda x: circle_cells(x), "normals in a plane"),
        (lambda x: cell_count(0, 4), "dimension"),
    ],
)
def test_bad_input_is_named(call: object, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        call(gaussian(5, 3))  # type: ignore[operator]
