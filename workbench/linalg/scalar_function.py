"""Scalar functions with their divided differences, written without cancellation.

    f[a, b] = (f(a) − f(b)) / (a − b),   f[a, b, c] = (f[a, b] − f[b, c]) / (a − c)

are the first and second derivative of a matrix function in the eigenbasis (Daleckii and Krein 1965;
Higham, Functions of Matrices, 2008, theorem 3.11). The quotients lose every digit as the gap closes
and are 0/0 at a tie. Here each f[a, b] is a product of terms that rounding leaves alone, so it is
right to a few units in the last place at every gap. Of f[a, b, c] the square roots have such a form
too; the others take the quotient where a, b, c lie apart and a Taylor series where they do not.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Domain = Literal["all", "nonnegative", "positive"]
"""Where f is defined: with f(0) finite ("nonnegative"), or not ("positive")."""

TERMS = 17
"""Of the Taylor series: over an eighth of its radius the rest is below rounding."""


@dataclass(frozen=True)
class ScalarFunction:
    """f with its divided differences; all three take float64 tensors that broadcast.

    Attributes:
        value: a ↦ f(a).
        difference: (a, b) ↦ f[a, b], f'(a) at a = b.
        second: (a, b, c) ↦ f[a, b, c], f''(a)/2 at a = b = c, for double backward; None: derived
            from the other two, see `derived_second`.
        domain: decides what becomes of eigenvalues that are zero up to rounding.
    """

    value: Callable[[Tensor], Tensor]
    difference: Callable[[Tensor, Tensor], Tensor]
    second: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    domain: Domain = "all"

    def second_difference(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """f[a, b, c], given or derived."""
        if self.second is not None:
            return self.second(a, b, c)
        return derived_second(self.value, self.difference, a, b, c)


def derived_second(
    value: Callable[[Tensor], Tensor],
    difference: Callable[[Tensor, Tensor], Tensor],
    a: Tensor,
    b: Tensor,
    c: Tensor,
) -> Tensor:
    """f[a, b, c] of a function of which only f and f[a, b] are known, to about 10 digits.

    The quotient over the widest of the three gaps; where that is below 6e-6 (the cube root of
    rounding, which balances the two errors) of the argument, f''/2 at the mean, by autograd.
    """

    high, middle, low = descending(a, b, c)
    centre = (high + middle + low) / 3
    near = high - low <= 6e-6 * centre.abs()
    width = torch.where(high > low, high - low, 1.0)
    quotient = (difference(high, middle) - difference(middle, low)) / width
    return torch.where(near, _curvature(value, centre) / 2, quotient)


def _curvature(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """f'' by autograd, entry by entry."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = f(x)
        for _ in range(2):
            if not y.requires_grad:  # constant
                return torch.zeros_like(x)
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=True, materialize_grads=True)
    return y.detach()


def descending(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three, sorted entry by entry."""
    more, less = torch.maximum(a, b), torch.minimum(a, b)
    return (
        torch.maximum(more, c),
        torch.maximum(less, torch.minimum(more, c)),
        torch.minimum(less, c),
    )


def _ratio(numerator: Tensor, denominator: Tensor, limit: float) -> Tensor:
    """The quotient, or its limit where the denominator is zero."""
    zero = denominator == 0
    return torch.where(zero, limit, numerator / torch.where(zero, 1.0, denominator))


def _second(
    difference: Callable[[Tensor, Tensor], Tensor],
    coefficients: Sequence[float],
    unit: Callable[[Tensor], Tensor],
    factor: Callable[[Tensor], Tensor],
    reach: float,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """f[a, b, c] by the quotient, or by a series where a − c is within `reach` units.

    With x, y, z the distances from the mean m, f[a, b, c] = Σ_k f⁽ᵏ⁺²⁾(m)/(k+2)! h_k(x, y, z), h_k
    the complete symmetric polynomials: h_k = −e₂h_{k−2} + e₃h_{k−3}, since e₁ = x + y + z = 0.

    Args:
        difference: f[a, b].
        coefficients: f⁽ᵏ⁺²⁾(m)/(k+2)! · unit(m)ᵏ / factor(m): numbers, whatever m.
        unit: the length in which distances from m are measured.
        factor: of the whole series.
        reach: in units; the series converges like (2 reach/3)ᵏ, the quotient loses a factor
            2/reach of its digits.
    """

    def second(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        high, middle, low = descending(a, b, c)
        m = (high + middle + low) / 3
        near = high - low <= reach * unit(m)
        x, y, z = ((t - m) / unit(m) for t in (high, middle, low))
        e2, e3 = x * y + y * z + z * x, x * y * z
        h = [torch.ones_like(e2), torch.zeros_like(e2), -e2]
        series = coefficients[0] + coefficients[2] * h[2]
        for coefficient in coefficients[3:]:
            h = [h[1], h[2], e3 * h[0] - e2 * h[1]]
            series = series + coefficient * h[2]
        width = torch.where(high > low, high - low, 1.0)
        quotient = (difference(high, middle) - difference(middle, low)) / width
        return torch.where(near, factor(m) * series, quotient)

    return second


def _log_difference(a: Tensor, b: Tensor) -> Tensor:
    low = torch.minimum(a, b)
    t = (a - b).abs() / low
    return _ratio(torch.log1p(t), t, 1.0) / low


LOG = ScalarFunction(
    torch.log,
    _log_difference,
    _second(
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
    _second(
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
    """a ↦ aᵖ: on all of ℝ for p = 0, 1, 2, …, on a ≥ 0 for other p > 0, on a > 0 for p < 0."""
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
    second = _second(
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
    """Σ aⁱbʲ over i + j = p − 1, and Σ aⁱbʲcᵏ over i + j + k = p − 2."""

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
