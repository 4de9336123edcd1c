"""Matrix functions against 110-digit arithmetic, where float64 by the textbook loses its digits."""

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath as mp
import pytest
import torch
from torch import Tensor

from workbench.linalg.matrix_function import MatrixFunction, exp, inverse_sqrt, log, power, sqrt
from workbench.testing import Draw, relative_error
from workbench.testing.exact import Exact, exact

FUNCTIONS: dict[str, tuple[Callable[[Tensor], MatrixFunction], Callable[[Any], Any]]] = {
    "log": (log, mp.log),
    "sqrt": (sqrt, mp.sqrt),
    "inverse sqrt": (inverse_sqrt, lambda t: 1 / mp.sqrt(t)),
    "power 0.3": (lambda a: power(a, 0.3), lambda t: t ** mp.mpf(0.3)),
    "power -1.5": (lambda a: power(a, -1.5), lambda t: t ** mp.mpf(-1.5)),
    "exp": (exp, mp.exp),
}
GAPS = ["tie", *(f"gap 1e-{k}" for k in (1, 3, 4, 5, 6, 8, 10, 12, 14))]
SIZE = 8


def derivatives(function: Callable, a: Tensor, g: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    """f(A), its gradient with upstream G, and the gradient of that with upstream H."""
    a = a.clone().requires_grad_()
    value = function(a).value
    (gradient,) = torch.autograd.grad((value * g).sum(), a, create_graph=True)
    (second,) = torch.autograd.grad((gradient * h).sum(), a)
    return value.detach(), gradient.detach(), second


def inputs(spectrum: str, condition: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """A with that spectrum, its smallest eigenvalue 1/condition; G and H symmetric."""
    draw = Draw(sizes=(SIZE,), spectrum=spectrum, seed=5)
    a, generator = draw.symmetric(), draw.generator
    shift = (1 / condition - 1 / 16) / (1 - 1 / 16)
    if spectrum in GAPS:  # stretch [1/16, 1] to [1/condition, 1]; gaps grow by as much
        a = (1 - shift) * a + shift * torch.eye(SIZE)
    a = 3 * a  # a tie at 1, where log is 0, would flatter the textbook
    g, h = torch.randn(2, SIZE, SIZE, dtype=torch.float64, generator=generator)
    a, g, h = (((t + t.mT) / 2).to(dtype) for t in (a, g, h))
    return a, g, h


@cache
def reference(name: str, spectrum: str, condition: float, dtype: torch.dtype) -> Exact:
    return exact(FUNCTIONS[name][1], *(t.double() for t in inputs(spectrum, condition, dtype)))


def errors(name: str, spectrum: str, condition: float, dtype: torch.dtype) -> list[float]:
    """Relative, of the value, the gradient and the second derivative."""
    expected = reference(name, spectrum, condition, dtype)
    found = derivatives(FUNCTIONS[name][0], *inputs(spectrum, condition, dtype))
    assert all(t.dtype == dtype for t in found)
    return [
        relative_error(one, other)
        for one, other in zip(
            found, (expected.value, expected.gradient, expected.second), strict=True
        )
    ]


every_function = pytest.mark.parametrize("name", FUNCTIONS)


@every_function
def test_gaps_and_ties_cost_no_digits(name: str) -> None:
    for spectrum in GAPS:
        value, gradient, second = errors(name, spectrum, 128, torch.float64)
        assert value < 5e-14, spectrum
        assert gradient < 1e-13, spectrum
        assert second < 3e-13, spectrum


@every_function
def test_float32_is_right_to_its_rounding(name: str) -> None:
    for spectrum in GAPS:
        assert max(errors(name, spectrum, 128, torch.float32)) < 1e-7, spectrum


@every_function
def test_small_eigenvalues_cost_what_their_condition_does(name: str) -> None:
    # eigh finds an eigenvalue to 1e-16 of the largest, so relative to itself to 1e-16 · condition
    for exponent in (4, 6, 8, 10, 12):
        condition = 10.0**exponent
        bound = 1e-14 if name == "exp" else 1e-15 * condition
        found = errors(name, f"smallest 1e-{exponent}", condition, torch.float64)
        assert max(found) < bound, exponent


@every_function
def test_small_eigenvalues_in_float32(name: str) -> None:
    for exponent in (4, 6):
        found = errors(name, f"smallest 1e-{exponent}", 10.0**exponent, torch.float32)
        assert max(found) < 1e-7, exponent


def test_the_textbook_is_worse() -> None:
    """The reference tells methods apart: eigh and autograd lose eight digits at this gap."""

    def textbook(a: Tensor) -> MatrixFunction:
        values, vectors = torch.linalg.eigh(a)
        return MatrixFunction((vectors * values.log()) @ vectors.mT, values, values[0])

    a, g, h = inputs("gap 1e-8", 128, torch.float64)
    expected = reference("log", "gap 1e-8", 128, torch.float64)
    assert relative_error(derivatives(textbook, a, g, h)[1], expected.gradient) > 1e-11
