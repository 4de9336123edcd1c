"""Scalar functions with their divided differences, written without cancellation.

    f[a, b] = (f(a) − f(b)) / (a − b),   f[a, b, c] = (f[a, b] − f[b, c]) / (a − c)

are the first and second derivative of a matrix function in the eigenbasis (Daleckii and Krein 1965;
Higham, Functions of Matrices, 2008, theorem 3.11). The quotients lose every digit as the gap closes
and are 0/0 at a tie. In `named_functions` each f[a, b] is a product of terms that rounding leaves
alone, so it is right to a few units in the last place at every gap. Of f[a, b, c] the square roots
have such a form too; the others take the quotient where a, b, c lie apart and a Taylor series where
they do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Domain = Literal["all", "nonnegative", "positive"]
"""Domain of f: with f(0) finite ("nonnegative"), or not ("positive")."""


@dataclass(frozen=True)
class ScalarFunction:
    """Scalar function f with its divided differences, of float64 tensors that broadcast.

    Attributes:
        value: a ↦ f(a).
        difference: (a, b) ↦ f[a, b], f'(a) at a = b.
        second: (a, b, c) ↦ f[a, b, c], f''(a)/2 at a = b = c, for double backward; None: derived
            from the other two, see `derived_second`.
        domain: domain of f; decides how eigenvalues that are zero up to rounding are treated.
    """

    value: Callable[[Tensor], Tensor]
    difference: Callable[[Tensor, Tensor], Tensor]
    second: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    domain: Domain = "all"

    def second_difference(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Difference f[a, b, c], given or derived."""
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
    """Difference f[a, b, c] from f and f[a, b] alone, to about 10 digits.

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
    """Second derivative f'' by autograd, entry by entry."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = f(x)
        for _ in range(2):
            if not y.requires_grad:  # constant
                return torch.zeros_like(x)
            (y,) = torch.autograd.grad(y.sum(), x, create_graph=True, materialize_grads=True)
    return y.detach()


def descending(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors, sorted entry by entry."""
    more, less = torch.maximum(a, b), torch.minimum(a, b)
    return (
        torch.maximum(more, c),
        torch.maximum(less, torch.minimum(more, c)),
        torch.minimum(less, c),
    )


def second_by_series(
    difference: Callable[[Tensor, Tensor], Tensor],
    coefficients: Sequence[float],
    unit: Callable[[Tensor], Tensor],
    factor: Callable[[Tensor], Tensor],
    reach: float,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Difference f[a, b, c] by the quotient, or by a series where a − c is within `reach` units.

    With x, y, z the distances from the mean m, f[a, b, c] = Σ_k f⁽ᵏ⁺²⁾(m)/(k+2)! h_k(x, y, z), h_k
    the complete symmetric polynomials: h_k = −e₂h_{k−2} + e₃h_{k−3}, since e₁ = x + y + z = 0.

    Args:
        difference: f[a, b].
        coefficients: f⁽ᵏ⁺²⁾(m)/(k+2)! · unit(m)ᵏ / factor(m), k = 0, 1, 2, …, whatever m.
        unit: the length in which distances from m are measured.
        factor: factor of the whole series.
        reach: bound in units; the series converges like (2 reach/3)ᵏ, the quotient loses a factor
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
