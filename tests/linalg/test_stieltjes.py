"""Divided differences by quadrature against mpmath with 200 digits, at ties, gaps and zeros."""

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.linalg.stieltjes import Shifted

FUNCTIONS = [
    pytest.param(Shifted(1e-3), 5e-15, id="log"),
    pytest.param(Shifted(1.0), 5e-15, id="log, ε = 1"),
    pytest.param(Shifted(1e-10), 2e-13, id="log, condition 4e13"),
    pytest.param(Shifted(1e-3, 0.5), 5e-15, id="sqrt"),
    pytest.param(Shifted(1e-3, 0.2), 5e-15, id="p = 0.2"),
    pytest.param(Shifted(1e-3, 0.8), 5e-15, id="p = 0.8"),
]
POINTS = [0.0, 1e-9, 1e-3, 1e-3 * (1 + 1e-10), 0.5, 30.0, 30.0, 4e3]


def exact(f: Shifted, points: list[float]) -> float:
    """f[points] from Newton's table, ties pulled apart by 1e-60."""
    with mpmath.workdps(200):
        x = [mpmath.mpf(p) + mpmath.mpf(f.shift) for p in points]
        x = [value * (1 + i * mpmath.mpf(10) ** -60) for i, value in enumerate(x)]
        table = [mpmath.log(v) if f.power is None else v ** mpmath.mpf(f.power) for v in x]
        for order in range(1, len(x)):
            table = [
                (table[i + 1] - table[i]) / (x[i + order] - x[i]) for i in range(len(table) - 1)
            ]
        return float(table[0])


@pytest.mark.parametrize(("f", "tolerance"), FUNCTIONS)
@pytest.mark.parametrize("anchored", [False, True])
def test_first_differences(f: Shifted, tolerance: float, anchored: bool) -> None:
    found = f.resolvents(torch.tensor(POINTS, dtype=torch.float64)).first(anchored)
    for i, a in enumerate(POINTS):
        for j, b in enumerate(POINTS):
            expected = exact(f, [a, b] + [0.0] * anchored)
            assert found[i, j].item() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("f", "tolerance"), FUNCTIONS)
@pytest.mark.parametrize("anchored", [False, True])
def test_second_differences(f: Shifted, tolerance: float, anchored: bool) -> None:
    """With left and right the outer products of unit vectors, one difference at a time."""
    points = [0.0, 1e-3, 1e-3 * (1 + 1e-10), 4e3]
    resolvents = f.resolvents(torch.tensor(points, dtype=torch.float64))
    unit = torch.eye(len(points), dtype=torch.float64)
    for i, j in ((0, 0), (0, 3), (1, 2), (3, 3)):
        sym = (unit[i, :, None] * unit[j] + unit[j, :, None] * unit[i]) / 2
        found = resolvents.second(sym, torch.eye(4, dtype=torch.float64), anchored)
        ends = exact(f, [points[i], points[j], points[i]] + [0.0] * anchored)
        other = exact(f, [points[i], points[j], points[j]] + [0.0] * anchored)
        # Σₖ f[i,k,j](sym_ik δ_kj + δ_ik sym_kj) = sym_ij (f[i,j,j] + f[i,i,j])
        expected = float(sym[i, j]) * (ends + other)
        assert found[i, j].item() == pytest.approx(expected, rel=2 * tolerance)


@given(
    a=st.floats(0, 1e6),
    b=st.floats(0, 1e6),
    shift=st.floats(1e-4, 10),
    power=st.one_of(st.none(), st.floats(0.2, 0.8)),
)
@settings(max_examples=60, deadline=None)
def test_any_pair_of_points(a: float, b: float, shift: float, power: float | None) -> None:
    f = Shifted(shift, power)
    found = f.resolvents(torch.tensor([a, b], dtype=torch.float64))
    for anchored in (False, True):
        expected = exact(f, [a, b] + [0.0] * anchored)
        assert found.first(anchored)[0, 1].item() == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("power", [None, 0.3])
def test_rise_and_slope(power: float | None) -> None:
    f = Shifted(0.01, power)
    t = torch.tensor([0.0, 1e-14, 1e-5, 3.0], dtype=torch.float64)
    for i, value in enumerate(t.tolist()):
        expected = exact(f, [value, 0.0])
        assert f.slope(t)[i].item() == pytest.approx(expected, rel=1e-14)
        assert f.rise(t)[i].item() == pytest.approx(value * expected, rel=1e-14, abs=1e-300)


def test_the_square_root_without_a_shift() -> None:
    """At ε = 0: √a has no slope at 0, and 1/(√a + √b) elsewhere."""
    t = torch.tensor([0.0, 1e-12, 1.0, 4.0], dtype=torch.float64)
    root = t.sqrt()
    f = Shifted(0.0, 0.5)
    plain, anchored = (f.resolvents(t).first(which) for which in (False, True))
    expected = 1 / (root[:, None] + root)
    torch.testing.assert_close(plain[1:, :], expected[1:, :], rtol=1e-13, atol=0)
    assert plain[0, 0] == 0
    expected = -expected / (root[:, None] * root)
    torch.testing.assert_close(anchored[1:, 1:], expected[1:, 1:], rtol=1e-13, atol=0)
    assert not anchored[0].any()
    assert not anchored[:, 0].any()
