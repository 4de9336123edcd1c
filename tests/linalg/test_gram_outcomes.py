"""What `gram_log` and `gram_power` say of their input: rank, condition, warnings, refusals."""

import pytest
import torch
from jaxtyping import TypeCheckError

from tests.linalg.spectra import with_singular_values
from workbench.errors import WorkbenchError
from workbench.layers import SecondOrderPooling
from workbench.linalg.gram_log import EpsilonWarning, gram_log, gram_power


@pytest.mark.parametrize("shape", [(0, 3), (2, 3)], ids=str)
def test_rank_zero_is_log_epsilon(shape: tuple[int, int]) -> None:
    x = torch.zeros(*shape, requires_grad=True)
    found = gram_log(x, 0.1, "mean")
    torch.testing.assert_close(found.value, torch.eye(3) * torch.tensor(0.1).log())
    (gradient,) = torch.autograd.grad(found.value.sum(), x)
    assert not gradient.any()
    assert found.rank == 0
    assert found.smallest == found.largest == 0.1
    root = gram_power(x)
    assert not root.value.any()
    assert not torch.autograd.grad(root.value.sum(), x)[0].any()


def test_the_outcome_is_that_of_the_spectrum() -> None:
    x = with_singular_values(8, 5, [2.0, 1.0, 0.5]).expand(2, 8, 5)
    found = gram_log(x, 0.01)
    assert found.rank.tolist() == [3, 3]
    torch.testing.assert_close(found.largest, torch.full((2,), 4.01).double())
    torch.testing.assert_close(found.smallest, torch.full((2,), 0.01).double())
    torch.testing.assert_close(found.condition, torch.full((2,), 401.0).double())
    assert (found.tolerance < 1e-14).all()
    assert found.side == "features"
    assert not found.eigenvalues.requires_grad


@pytest.mark.parametrize("shape", [(3, 4), (4, 3)], ids=str)
def test_a_third_derivative_is_refused(shape: tuple[int, int]) -> None:
    x = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    value = gram_log(x, 0.1).value.square().sum()
    for _ in range(2):
        (gradient,) = torch.autograd.grad(value, x, create_graph=True)
        value = gradient.square().sum()
    with pytest.raises(WorkbenchError, match="at most two derivatives"):
        torch.autograd.grad(value, x)


def test_bad_arguments_are_named() -> None:
    x = torch.randn(3, 4)
    for epsilon in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(WorkbenchError, match="epsilon > 0"):
            gram_log(x, epsilon)
    with pytest.raises(WorkbenchError, match="epsilon ≥ 0"):
        gram_power(x, 0.5, -1.0)
    for power in (0.0, 1.0, float("nan")):
        with pytest.raises(WorkbenchError, match=r"a power from 0\.2 to 0\.8"):
            gram_power(x, power)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4)], ids=str)
def test_an_epsilon_lost_in_rounding_is_said(shape: tuple[int, int]) -> None:
    x = with_singular_values(*shape, [1e3, 1.0])
    with pytest.warns(EpsilonWarning, match="epsilon = 1e-12 is lost"):
        gram_log(x, 1e-12)
    gram_log(x[:, :2] if shape[0] > 4 else x[:2], 1e-12)  # full rank: no zero to be lost


def test_options_that_do_not_exist_are_refused() -> None:
    """By name without the tests' run-time checks of types, which come first here."""
    with pytest.raises((WorkbenchError, TypeCheckError), match="normalisation"):
        gram_log(torch.randn(3, 4), 0.1, "men")
    with pytest.raises((WorkbenchError, TypeCheckError), match="function"):
        SecondOrderPooling("lgo")


def test_a_second_derivative_of_a_deficient_root_is_refused() -> None:
    x = with_singular_values(4, 6, [1.0, 0.5]).requires_grad_()
    (gradient,) = torch.autograd.grad(gram_power(x).value.sum(), x, create_graph=True)
    with pytest.raises(WorkbenchError, match="full rank"):
        torch.autograd.grad(gradient.sum(), x)
