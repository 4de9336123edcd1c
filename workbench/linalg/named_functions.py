"""Scalar functions log, sqrt, inverse sqrt, exp and powers, with divided differences."""

import math

import torch
from torch import Tensor

from workbench.linalg.scalar_function import ScalarFunction, second_by_series

TERMS = 17
"""Number of terms of the Taylor series: over an eighth of its radius the rest is below rounding."""


def _ratio(numerator: Tensor, denominator: Tensor, limit: float) -> Tensor:
    """Quotient, or its limit where the denominator is zero."""
    zero = denominator == 0
    return torch.where(zero, limit, numerator / torch.where(zero, 1.0, denominator))


def _log_difference(a: Tensor, b: Tensor) -> Tensor:
    low = torch.minimum(a, b)
    t = (a - b).abs() / low
    return _ratio(torch.log1p(t), t, 1.0) / low


LOG = ScalarFunction(
    torch.log,
    _log_difference,
    second_by_series(
        _log_difference,
        [(-1) ** (k + 1) / (k + 2) for k in range(TERMS)],
        unit=lambda m: m,
        factor=lambda m: m**-2,
        reach=1 / 8,
    ),
    "positive",
)


def _exp_difference(a: Tensor, b: Tensor) -> Tensor:
    gap = (a - b).abs()
    return torch.exp(torch.maximum(a, b)) * _ratio(-torch.expm1(-gap), gap, 1.0)


EXP = ScalarFunction(
    torch.exp,
    _exp_difference,
    second_by_series(
        _exp_difference,
        [1 / math.factorial(k + 2) for k in range(TERMS)],
        unit=torch.ones_like,
        factor=torch.exp,
        reach=1.0,
    ),
)


def _sqrt_second(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    a, b, c = a.sqrt(), b.sqrt(), c.sqrt()
    return -1 / ((a + b) * (b + c) * (c + a))


SQRT = ScalarFunction(
    torch.sqrt, lambda a, b: 1 / (a.sqrt() + b.sqrt()), _sqrt_second, "nonnegative"
)


def _inverse_sqrt_difference(a: Tensor, b: Tensor) -> Tensor:
    a, b = a.sqrt(), b.sqrt()
    return -1 / (a * b * (a + b))


def _inverse_sqrt_second(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    a, b, c = a.sqrt(), b.sqrt(), c.sqrt()
    return (a + b + c) / (a * b * c) / ((a + b) * (b + c) * (c + a))


INVERSE_SQRT = ScalarFunction(
    torch.rsqrt, _inverse_sqrt_difference, _inverse_sqrt_second, "positive"
)


def power_function(p: float | int) -> ScalarFunction:
    """Power a ↦ aᵖ: on ℝ for p = 0, 1, 2, …, on a ≥ 0 for other p > 0, on a > 0 for p < 0."""
    if p >= 0 and p == int(p):
        return _whole_power(int(p))

    def difference(a: Tensor, b: Tensor) -> Tensor:
        low, high = torch.minimum(a, b), torch.maximum(a, b)
        t = (high - low) / low
        inner = low ** (p - 1) * _ratio(torch.expm1(p * torch.log1p(t)), t, p)
        return torch.where(low > 0, inner, high ** (p - 1))

    binomials = [1.0]
    for n in range(TERMS + 1):
        binomials.append(binomials[-1] * (p - n) / (n + 1))
    second = second_by_series(
        difference,
        binomials[2:],
        unit=lambda m: m,
        factor=lambda m: m ** (p - 2),
        reach=1 / (8 * max(1.0, abs(p))),
    )
    return ScalarFunction(
        lambda a: a**p, difference, second, "nonnegative" if p > 0 else "positive"
    )


def _whole_power(p: int) -> ScalarFunction:
    """Power aᵖ, p whole, with Σ aⁱbʲ over i + j = p − 1 and Σ aⁱbʲcᵏ over i + j + k = p − 2."""

    def difference(a: Tensor, b: Tensor) -> Tensor:
        return _homogeneous(p - 1, a, b)

    def second(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return _homogeneous(p - 2, a, b, c)

    return ScalarFunction(lambda a: a**p, difference, second)


def _homogeneous(degree: int, *variables: Tensor) -> Tensor:
    """Complete homogeneous symmetric polynomial, 0 for a negative degree."""
    total = torch.zeros_like(sum(variables[1:], variables[0]))
    if degree < 0:
        return total
    # h_k of the first variables, k = 0 … degree; each further variable adds v · h_{k−1}
    h = [torch.ones_like(total)] + [total] * degree
    for v in variables:
        for k in range(1, degree + 1):
            h[k] = h[k] + v * h[k - 1]
    return h[degree]
