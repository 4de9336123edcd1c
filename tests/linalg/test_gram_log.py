"""log(XᵀX + εI) and powers against 50 digits, dense oracles, and at the shape of DeepO2P."""

from collections.abc import Callable

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.linalg.spectra import with_singular_values
from workbench.linalg.gram_log import gram_log, gram_power

EPSILON = 1e-3


def relu_features(rows: int = 169, features: int = 256, dead: int = 40) -> Tensor:
    """What DeepO2P pools: ReLU features, some channels of which are off in every pixel."""
    x = torch.randn(rows, features).relu()
    x[:, :dead] = 0
    return x


def dense_gradient(x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    """Value and ∂L/∂X of log(XᵀX + εI) by the features' side, float64, whatever the shape."""
    x = x.double()
    a = x.mT @ x + EPSILON * torch.eye(x.shape[1], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(a)
    z = (values[:, None] - values) / (values[:, None] + values)
    ratio = torch.where(z == 0, 1.0, torch.atanh(z) / torch.where(z == 0, 1.0, z))
    differences = 2 / (values[:, None] + values) * ratio
    s = (upstream + upstream.mT).double() / 2
    inner = vectors @ (differences * (vectors.mT @ s @ vectors)) @ vectors.mT
    return (vectors * values.log()) @ vectors.mT, 2 * x @ inner


def exact_gradient(x: Tensor, upstream: Tensor, f: Callable, slope: Callable, epsilon: float):
    """Value and ∂L/∂X with 50 digits, by the eigenpairs of XᵀX + εI; ties by the slope."""
    with mpmath.workdps(50):
        d = x.shape[1]
        big = mpmath.matrix(x.tolist())
        values, vectors = mpmath.eigsy(big.T * big + mpmath.mpf(epsilon) * mpmath.eye(d))
        s = mpmath.matrix(((upstream + upstream.mT) / 2).tolist())
        h = vectors.T * s * vectors
        for i in range(d):
            for j in range(d):
                a, b = values[i], values[j]
                tied = abs(a - b) <= mpmath.mpf(10) ** -35 * abs(a + b)
                h[i, j] *= slope((a + b) / 2) if tied else (f(a) - f(b)) / (a - b)
        value = vectors * mpmath.diag([f(v) for v in values]) * vectors.T
        gradient = 2 * big * vectors * h * vectors.T
        return tuple(
            torch.tensor([[float(v) for v in row] for row in m.tolist()], dtype=torch.float64)
            for m in (value, gradient)
        )


HARD = [
    pytest.param([1.0, 1.0, 1.0, 0.5], id="exact ties"),
    *(pytest.param([1.0, 1 - 10.0**-k, 0.3, 0.1], id=f"gap 1e-{k}") for k in (1, 6, 10, 14)),
    *(pytest.param([1.0, 0.5, 0.2, 10.0**-k], id=f"σmin 1e-{k}") for k in (2, 4, 6)),
    pytest.param([3.0, 0.0, 0.0, 0.0], id="rank 1"),
]


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (4, 4), (9, 5)], ids=str)
@pytest.mark.parametrize("values", HARD)
def test_against_fifty_digits(values: list[float], shape: tuple[int, int]) -> None:
    x = with_singular_values(*shape, values).requires_grad_()
    upstream = torch.randn(shape[1], shape[1], dtype=torch.float64)
    found = gram_log(x, EPSILON).value
    (gradient,) = torch.autograd.grad(found, x, upstream)
    value, expected = exact_gradient(x, upstream, mpmath.log, lambda t: 1 / t, EPSILON)
    # the eigenvalues of a Gram matrix have an error of 2.2e-16 · the largest: t/ε inherits it
    rounding = 2.2e-16 * max(values) ** 2 / EPSILON
    assert (found - value).norm() / value.norm() < rounding
    assert (gradient - expected).norm() / expected.norm() < rounding


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (4, 4)], ids=str)
@pytest.mark.parametrize("epsilon", [0.0, 1e-3])
@pytest.mark.parametrize("values", HARD[:6])
def test_square_root_against_fifty_digits(
    values: list[float], epsilon: float, shape: tuple[int, int]
) -> None:
    x = with_singular_values(*shape, values).requires_grad_()
    upstream = torch.randn(shape[1], shape[1], dtype=torch.float64)
    found = gram_power(x, epsilon=epsilon).value
    (gradient,) = torch.autograd.grad(found, x, upstream)

    def root(t):  # eigsy leaves zeros of XᵀX at ±1e-50
        return mpmath.sqrt(max(t, 0))

    value, expected = exact_gradient(
        x, upstream, root, lambda t: 1 / (2 * root(t)) if t > 1e-30 else 0, epsilon
    )
    assert (found - value).norm() / value.norm() < 1e-13
    assert (gradient - expected).norm() / expected.norm() < 1e-12


def test_float32_features_with_dead_channels() -> None:
    x, upstream = relu_features(), torch.randn(256, 256)
    single = x.clone().requires_grad_()
    found = gram_log(single, EPSILON)
    (gradient,) = torch.autograd.grad(found.value, single, upstream)
    value, expected = dense_gradient(x, upstream)
    assert gradient.dtype == found.value.dtype == torch.float32
    assert (found.value - value).norm() / value.norm() < 1e-7
    assert (gradient - expected).norm() / expected.norm() < 1e-7
    assert not gradient[:, :40].isnan().any()
    assert found.rank == 169
    assert found.side == "rows"


def test_both_sides_agree() -> None:
    """Rows of zeros change XᵀX by nothing, and which side is factored."""
    x = torch.randn(5, 8, dtype=torch.float64)
    tall = torch.cat([x, torch.zeros(6, 8, dtype=torch.float64)])
    upstream = torch.randn(8, 8, dtype=torch.float64)
    for function in (gram_log, lambda x: gram_power(x, 0.3, 0.01)):
        short, long = function(x), function(tall)
        assert (short.side, long.side) == ("rows", "features")
        torch.testing.assert_close(short.value, long.value)
        torch.testing.assert_close(short.rank, long.rank)
        torch.testing.assert_close(short.condition, long.condition, rtol=1e-9, atol=0)
        one, other = (x.clone().requires_grad_() for x in (x, tall))
        (a,) = torch.autograd.grad(function(one).value, one, upstream)
        (b,) = torch.autograd.grad(function(other).value, other, upstream)
        torch.testing.assert_close(a, b[:5])


def test_mean_divides_by_the_rows_or_by_the_lengths_given() -> None:
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(gram_log(x, 0.1, "mean").value, gram_log(x / 7**0.5, 0.1).value)
    x[1, 3:] = 0
    found = gram_log(x, 0.1, "mean", torch.tensor([7, 3])).value
    torch.testing.assert_close(found[1], gram_log(x[1, :3], 0.1, "mean").value)
    torch.testing.assert_close(found[0], gram_log(x[0], 0.1, "mean").value)


@given(
    rows=st.integers(0, 7),
    features=st.integers(1, 7),
    log_scale=st.floats(-3, 3),
    epsilon=st.floats(1e-3, 10),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_eigenvalues_are_those_of_the_singular_values(
    rows: int, features: int, log_scale: float, epsilon: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = 10**log_scale * torch.randn(rows, features, dtype=torch.float64, generator=generator)
    t = torch.zeros(features, dtype=torch.float64)
    t[: min(rows, features)] = torch.linalg.svdvals(x).square()
    t = t.sort().values + epsilon
    for found, expected in (
        (gram_log(x, epsilon).value, t.log()),
        (gram_power(x, 0.5, epsilon).value, t.sqrt()),
    ):
        scale = float(expected.abs().max()) + 1e-3
        torch.testing.assert_close(
            torch.linalg.eigvalsh(found), expected.sort().values, rtol=0, atol=1e-8 * scale
        )
        torch.testing.assert_close(found, found.mT, rtol=0, atol=1e-12 * scale)


def test_functional_transforms() -> None:
    x = torch.randn(3, 4, 6, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return gram_log(x, 0.1).value.square().sum()

    jacobian = torch.func.jacrev(lambda x: gram_log(x, 0.1).value)(x[0])
    assert jacobian.shape == (6, 6, 4, 6)
    gradients = torch.func.vmap(torch.func.grad(loss))(x)
    leaf = x.clone().requires_grad_()
    total = torch.stack([loss(one) for one in leaf]).sum()
    torch.testing.assert_close(gradients, torch.autograd.grad(total, leaf)[0])


def test_hessian_by_reverse_mode_twice() -> None:
    x = torch.randn(2, 3, dtype=torch.float64)

    def loss(x: Tensor) -> Tensor:
        return gram_log(x, 0.1).value.square().sum()

    found = torch.func.jacrev(torch.func.jacrev(loss))(x)
    torch.testing.assert_close(found, torch.autograd.functional.hessian(loss, x))
