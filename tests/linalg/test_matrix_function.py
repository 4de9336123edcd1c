"""What stands in for vanishing eigenvalues, what is reported, and functions of the user's own."""

import math
import warnings

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.eig import eig
from workbench.linalg.matrix_function import (
    exp,
    inverse_sqrt,
    log,
    matrix_function,
    power,
    sqrt,
)
from workbench.linalg.named_functions import EXP, INVERSE_SQRT, LOG, SQRT, power_function
from workbench.linalg.outcomes import IllConditionedWarning
from workbench.linalg.scalar_function import ScalarFunction, derived_second

EPS = torch.finfo(torch.float64).eps


def semidefinite(values: list[float]) -> Tensor:
    """(n, n) float64 with these eigenvalues."""
    q, _ = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64))
    a = (q * torch.tensor(values, dtype=torch.float64)) @ q.T
    return (a + a.T) / 2


def test_outcome_comes_with_the_value() -> None:
    found = sqrt(torch.stack([semidefinite([0, 0, 1, 4]), semidefinite([1, 2, 3, 4])]))
    assert found.rank.tolist() == [2, 4]
    assert found.floored.tolist() == [2, 0]
    torch.testing.assert_close(
        found.eigenvalues[1], torch.tensor([1.0, 2, 3, 4], dtype=torch.float64)
    )
    assert found.condition[1].item() == pytest.approx(4)
    assert found.floor[0].item() == pytest.approx(4 * EPS * 4)
    assert exp(-torch.eye(2)).floored.item() == 0


@pytest.mark.parametrize("function", [log, inverse_sqrt, lambda a: power(a, -0.5)])
def test_singular_functions_floor_with_a_warning(function) -> None:
    a = torch.diag(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)).requires_grad_()
    with pytest.warns(IllConditionedWarning, match="2 of 3 eigenvalues are zero"):
        found = function(a)
    assert found.floored.item() == 2
    (gradient,) = torch.autograd.grad(found.value.sum(), a)
    assert gradient.isfinite().all()
    assert (gradient[:2, :2] == 0).all()


def test_no_warning_for_a_floor_one_asked_for() -> None:
    a = torch.diag(torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = log(a, floor=0.5)
        assert exp(a).floored.item() == 0
        assert log(a + 2 * torch.eye(3)).floored.item() == 0
    expected = torch.tensor([math.log(0.5), math.log(0.5), 0.0], dtype=torch.float64)
    torch.testing.assert_close(found.value, torch.diag(expected))
    assert found.floored.item() == 2


def test_zero_has_a_logarithm_of_its_floor() -> None:
    with pytest.warns(IllConditionedWarning):
        found = log(torch.zeros(3, 3))
    assert found.rank.item() == 0
    torch.testing.assert_close(found.value, math.log(3 * EPS) * torch.eye(3))


@pytest.mark.parametrize("p", [0.5, 0.3, 1.5])
def test_null_space_stays_null_and_its_rank_is_kept(p: float) -> None:
    """The gradient is that of B ↦ (BBᵀ)ᵖ, which moves along matrices of the rank of A."""
    b = torch.randn(5, 2, dtype=torch.float64)
    a = torch.block_diag(b @ b.T, torch.zeros(2, 2, dtype=torch.float64)).requires_grad_()
    found = power(a, p)
    assert found.floored.item() == 5
    upstream = torch.randn(7, 7, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(found.value, a, upstream)
    # (BBᵀ)ᵖ = B (BᵀB)ᵖ⁻¹ Bᵀ, and BᵀB has full rank
    b = torch.cat([b, torch.zeros(2, 2, dtype=torch.float64)]).requires_grad_()
    other = b @ power(b.T @ b, p - 1).value @ b.T
    torch.testing.assert_close(found.value, other)
    (expected,) = torch.autograd.grad(other, b, upstream)
    torch.testing.assert_close((gradient + gradient.T) @ b, expected)


@pytest.mark.parametrize("function", [log, sqrt, inverse_sqrt, lambda a: power(a, 0.7)])
def test_indefinite_matrices_are_refused(function) -> None:
    with pytest.raises(WorkbenchError, match="positive semidefinite"):
        function(torch.diag(torch.tensor([-0.1, 1.0, 2.0])))
    rounding = torch.diag(torch.tensor([-1e-7, 1.0, 2.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        assert function(rounding).value.isfinite().all()


def test_bad_arguments_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # as outside of tests, where shapes are not checked at run time
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for shape in ((3, 4), (3,)):
        with pytest.raises(WorkbenchError, match="square matrices"):
            log(torch.zeros(shape))
        with pytest.raises(WorkbenchError, match="square matrices"):
            eig(torch.zeros(shape))
    for floor in (0.0, -1.0):
        with pytest.raises(WorkbenchError, match="a positive floor"):
            log(torch.eye(3), floor=floor)
    with pytest.raises(WorkbenchError, match="a divided difference for f"):
        matrix_function(torch.eye(3), torch.sin)


def test_the_warning_can_be_an_error() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", IllConditionedWarning)
        with pytest.raises(IllConditionedWarning):
            log(torch.zeros(2, 2))


def test_asymmetric_input_counts_by_its_symmetric_part() -> None:
    a = torch.rand(4, 4, dtype=torch.float64) + 4 * torch.eye(4)
    torch.testing.assert_close(log(a).value, log((a + a.T) / 2).value)


def sine_difference(a: Tensor, b: Tensor) -> Tensor:
    """sin a − sin b = 2 cos((a + b)/2) sin((a − b)/2)."""
    return torch.cos((a + b) / 2) * torch.sinc((a - b) / (2 * math.pi))


def test_a_function_of_ones_own() -> None:
    a = semidefinite([-2.0, 0.5, 0.5, 3.0]).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a: matrix_function(a, torch.sin, sine_difference).value, a
    )
    assert torch.autograd.gradgradcheck(
        lambda a: matrix_function(a, torch.sin, sine_difference).value, a
    )


def test_third_derivatives_are_refused_rather_than_wrong() -> None:
    a = semidefinite([1.0, 2.0]).requires_grad_()
    (first,) = torch.autograd.grad(log(a).value.square().sum(), a, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), a, create_graph=True)
    with pytest.raises(WorkbenchError, match="at most two derivatives"):
        torch.autograd.grad(second.sum(), a)


@pytest.mark.parametrize(
    "function", [log, lambda a: matrix_function(a, torch.sin, sine_difference)]
)
def test_hessians_by_functorch(function) -> None:
    a = torch.stack([semidefinite([1.0, 2.0, 2.0]), semidefinite([1.0, 2.0, 3.0])])

    def of_gradient(a: Tensor) -> Tensor:
        return torch.func.grad(lambda a: function(a).value.square().sum())(a).square().sum()

    found = torch.vmap(torch.func.grad(of_gradient))(a)
    a.requires_grad_()
    (first,) = torch.autograd.grad(function(a).value.square().sum(), a, create_graph=True)
    (expected,) = torch.autograd.grad(first.square().sum(), a)
    torch.testing.assert_close(found, expected)


NAMED = {
    "log": LOG,
    "sqrt": SQRT,
    "inverse sqrt": INVERSE_SQRT,
    "exp": EXP,
    **{f"power {p}": power_function(p) for p in (0.3, -2.0, 3, 7.5)},
}


@given(
    name=st.sampled_from(sorted(NAMED)),
    a=st.floats(0.01, 10),
    gaps=st.tuples(*[st.sampled_from([0, 1e-15, 1e-9, 1e-4, 0.05, 0.12, 0.2, 1, 5])] * 2),
)
@settings(max_examples=200, deadline=None)
def test_second_differences_agree_with_those_derived(name: str, a: float, gaps: tuple) -> None:
    f: ScalarFunction = NAMED[name]
    points = [
        torch.tensor(t, dtype=torch.float64)
        for t in (a, a * (1 + gaps[0]), a * (1 + gaps[0] + gaps[1]))
    ]
    given_one = f.second_difference(*points)
    derived = derived_second(f.value, f.difference, *points)
    # the derived one: 10 digits of the function on the scale of its argument
    scale = abs(f.value(points[2]) / a**2) + abs(derived)
    assert abs(given_one - derived) <= 3e-9 * scale


@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 999),
    spread=st.floats(0, 5),
    p=st.sampled_from([-1.0, -0.5, 0.5, 2, 0.7]),
)
@settings(max_examples=60, deadline=None)
def test_identities_of_matrix_functions(n: int, seed: int, spread: float, p: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64, generator=generator))[0]
    a = (q * torch.logspace(0, -spread, n, dtype=torch.float64)) @ q.T
    close = {"rtol": 1e-9, "atol": 1e-9 * 10**spread}
    torch.testing.assert_close(exp(log(a).value).value, (a + a.T) / 2, **close)
    torch.testing.assert_close(sqrt(a).value @ sqrt(a).value, (a + a.T) / 2, **close)
    identity = torch.eye(n, dtype=torch.float64)
    torch.testing.assert_close(inverse_sqrt(a).value @ sqrt(a).value, identity, **close)
    torch.testing.assert_close(log(power(a, p).value).value, p * log(a).value, **close)
