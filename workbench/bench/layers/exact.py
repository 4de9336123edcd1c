"""References by other means than the layers': 60 digits, or a full float64 basis."""

from collections.abc import Callable

import mpmath
import torch
from jaxtyping import Float, Float64
from torch import Tensor

DIGITS = 60


def log_gradient(
    a: Float[Tensor, "n n"], upstream: Float64[Tensor, "n n"]
) -> Float64[Tensor, "n n"]:
    """∂⟨G, log A⟩/∂A by Daleckii and Krein's formula in 60 digits, for the A given, bit by bit."""
    with mpmath.workdps(DIGITS):
        matrix = mpmath.matrix(a.double().tolist())
        values, q = mpmath.eigsy(matrix)
        g = mpmath.matrix(((upstream + upstream.T) / 2).tolist())
        n = len(a)
        inner = q.T * g * q
        for i in range(n):
            for j in range(n):
                gap = values[i] - values[j]
                close = abs(gap) < mpmath.mpf(10) ** (-DIGITS // 2) * abs(values[i])
                slope = 1 / values[i] if close else mpmath.log(values[i] / values[j]) / gap
                inner[i, j] *= slope
        gradient = q * inner * q.T
        rows = [[float(gradient[i, j]) for j in range(n)] for i in range(n)]
        return torch.tensor(rows, dtype=torch.float64)


Slopes = Callable[[Tensor, Tensor, float], Tensor]
"""Divided differences of f(t + ε) between two t ≥ 0."""


def log_slopes(one: Tensor, other: Tensor, epsilon: float) -> Tensor:
    """Divided differences of log: log1p(q)/q over the smaller, q their relative distance."""
    ratio = (one - other) / (other + epsilon)
    near = ratio.abs() < 1e-14
    return torch.where(near, 1.0, torch.log1p(ratio) / torch.where(near, 1.0, ratio)) / (
        other + epsilon
    )


def sqrt_slopes(one: Tensor, other: Tensor, epsilon: float) -> Tensor:
    """Divided differences of the square root: 1/(√a + √b)."""
    return 1 / ((one + epsilon).sqrt() + (other + epsilon).sqrt())


def gram_gradient(
    x: Float[Tensor, "*batch rows features"],
    upstream: Float64[Tensor, "*batch features features"],
    epsilon: float,
    slopes: Slopes,
) -> Float64[Tensor, "*batch rows features"]:
    """∂⟨G, f(XᵀX + εI)⟩/∂X in float64 from the full SVD of X: all of the basis, nothing squared.

    dX = 2X V(L ∘ (Vᵀ sym(G) V))Vᵀ with L the divided differences of f at σ² + ε.
    """
    wide = x.double()
    _, sigma, vh = torch.linalg.svd(wide, full_matrices=True)
    t = torch.nn.functional.pad(sigma.square(), (0, x.shape[-1] - sigma.shape[-1]))
    inner = vh @ ((upstream + upstream.mT) / 2) @ vh.mT
    inner = inner * slopes(t[..., :, None], t[..., None, :], epsilon)
    gradient: Tensor = 2 * wide @ (vh.mT @ inner @ vh)
    return gradient


def relative_error(found: Tensor, expected: Tensor) -> float:
    """‖found − expected‖ / ‖expected‖, NaN where NaN came out."""
    return float((found.double().cpu() - expected.cpu()).norm() / expected.cpu().norm())
