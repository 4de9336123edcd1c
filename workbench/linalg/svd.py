"""The SVD layer: X ↦ (U, Σ, V) with X = UΣVᵀ (paper, Proposition 1).

U: (m, k), V: (n, k), k = min(m, n): the thin factorisation. A full one would add a basis of a null
space, of which only the projector I − UUᵀ is determined.

"paper" is equation (11), in the dtype of X (float64 for the halves), for m ≥ n:

    ∂L/∂X = DVᵀ + U(∂L/∂Σ − UᵀD)_diag Vᵀ + 2UΣ(Kᵀ ∘ (Vᵀ(∂L/∂V − VDᵀUΣ)))_sym Vᵀ,
    D = ∂L/∂U Σ⁻¹,   K_ij = 1/(σ_i² − σ_j²):

digits are lost with the square of the gap; it is NaN or Inf at a tie or a zero singular value.

"stable" works in float64, for any m and n. With a, b the antisymmetric parts of Uᵀ ∂L/∂U and
Vᵀ ∂L/∂V it splits 1/(σ_j² − σ_i²) into partial fractions:

    ∂L/∂X = U {(a + b) ∘ 1/(σ_j − σ_i) + (a − b) ∘ 1/(σ_j + σ_i) + (∂L/∂Σ)_diag} Vᵀ
            + (I − UUᵀ) ∂L/∂U Σ⁻¹Vᵀ + UΣ⁻¹(∂L/∂V)ᵀ(I − VVᵀ),

in which no square is taken; entries of a + b that are rounding errors are dropped. Reciprocals of
values that are not above τ count as zero, which means:
  * **at a tie** U and V may turn together, and the part a + b that turns them is left out. It is
    zero, and the gradient right, for L that depends on the space as a whole (projectors, UVᵀ);
    for L that depends on the choice of vectors the gradient is not defined, this part of it is
    taken as zero, and a `GaugeWarning` says so in backward. L that pairs tied singular values
    and vectors, as U f(Σ) Vᵀ does, is finite but in general not right, with a warning: see `eig`;
  * **at zero singular values** the vectors are arbitrary, and the derivative is that along
    matrices of the same rank.
Forward mode has the same reciprocals, and no warning: see `eig`.
"""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.factorise import svd as factorise
from workbench.linalg.factorise import watch_gauge, watch_pairs
from workbench.linalg.outcomes import (
    neighbour_gap,
    reciprocal,
    rounding_tolerance,
    without_rounding,
)
from workbench.linalg.precision import check_real, uncast, widened
from workbench.linalg.transforms import BothModes, applied, batch_in_front


class SingularTriplets(NamedTuple):
    """Thin SVD, and how well it is determined; k = min(m, n).

    Attributes:
        u: (*batch, m, k) orthonormal columns, in the dtype of X, differentiable twice.
        sigma: (*batch, k) descending, in the dtype of X, differentiable twice.
        v: (*batch, n, k) orthonormal columns, in the dtype of X, differentiable twice.
        gap: (*batch) smallest distance between two singular values; inf for k < 2. No gradient.
        tolerance: (*batch) τ: values that are not above it count as zero. No gradient.
        rank: (*batch) number of singular values that exceed τ.
    """

    u: Float[Tensor, "*batch m k"]
    sigma: Float[Tensor, "*batch k"]
    v: Float[Tensor, "*batch n k"]
    gap: Float[Tensor, "*batch"]
    tolerance: Float[Tensor, "*batch"]
    rank: Int[Tensor, "*batch"]


class _SVD(BothModes):
    """X ↦ U, σ, V, gap, τ, rank. The backward pass is written in differentiable operations."""

    @staticmethod
    def forward(
        x: Float[Tensor, "*batch m n"], tolerance: float | None, stable: bool, eps: float
    ) -> tuple[Tensor, ...]:
        u, sigma, v = factorise(x)
        tau = rounding_tolerance(sigma) * (max(x.shape[-2:]) / max(1, sigma.shape[-1]))
        if tolerance is not None:
            tau = torch.full_like(tau, tolerance)
        return u, sigma, v, neighbour_gap(sigma), tau, (sigma > tau[..., None]).sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        u, sigma, v, *rest = output
        ctx.stable, ctx.eps = inputs[2:]
        ctx.mark_non_differentiable(*rest)
        ctx.save_for_backward(u, sigma, v, rest[1])
        ctx.save_for_forward(u, sigma, v, rest[1])

    @staticmethod
    def backward(
        ctx: Any, to_u: Tensor, to_sigma: Tensor, to_v: Tensor, *_: Any
    ) -> tuple[Tensor, None, None, None]:
        u, sigma, v, tau = ctx.saved_tensors
        if ctx.stable:
            result = _stable(u, sigma, v, to_u, to_sigma, to_v, tau[..., None], ctx.eps)
        else:
            with uncast(u):
                result = _paper(u, sigma, v, to_u, to_sigma, to_v)
        return result, None, None, None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any
    ) -> tuple[Tensor | None, ...]:
        u, sigma, v, tau = saved
        if ctx.stable:
            tangents = _stable_tangents(u, sigma, v, along, tau[..., None])
        else:
            with uncast(u):
                tangents = _paper_tangents(u, sigma, v, along)
        return *tangents, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return applied(_SVD, *batch_in_front(info, in_dims, args)), (0,) * 6


def _stable(
    u: Tensor,
    sigma: Tensor,
    v: Tensor,
    to_u: Tensor,
    to_sigma: Tensor,
    to_v: Tensor,
    tau: Tensor,
    eps: float,
) -> Tensor:
    """Stable adjoint of the module's docstring."""
    turn_u, turn_v = u.mT @ to_u, v.mT @ to_v
    a, b = (turn_u - turn_u.mT) / 2, (turn_v - turn_v.mT) / 2
    gaps, sums = (sigma[..., None, :] + sign * sigma[..., :, None] for sign in (-1, 1))
    scale, square_tau = turn_u.abs() + turn_v.abs(), tau[..., None]
    watch_pairs(to_sigma, scale, gaps.abs() <= square_tau, eps)
    watch_gauge(torch.where(gaps.abs() > square_tau, 0.0, a + b), scale, eps)
    together = reciprocal(gaps, square_tau) * without_rounding(a + b, scale, eps)
    apart = reciprocal(sums, square_tau) * (a - b)
    result = u @ (together + apart + torch.diag_embed(to_sigma)) @ v.mT
    inverse = reciprocal(sigma, tau)[..., None, :]
    result = result + ((to_u - u @ turn_u) * inverse) @ v.mT
    return result + (u * inverse) @ (to_v - v @ turn_v).mT


def _paper(
    u: Tensor, sigma: Tensor, v: Tensor, to_u: Tensor, to_sigma: Tensor, to_v: Tensor
) -> Tensor:
    """Adjoint by equation (11), with U's first n columns: U₂ of (10) is not in the thin SVD."""
    d = to_u / sigma[..., None, :]
    turn = _unguarded(sigma) * (v.mT @ to_v - d.mT @ (u * sigma[..., None, :]))
    diagonal = torch.diag_embed(to_sigma - (u * d).sum(-2))
    return d @ v.mT + u @ (diagonal + sigma[..., :, None] * (turn + turn.mT)) @ v.mT


def _stable_tangents(
    u: Tensor, sigma: Tensor, v: Tensor, along: Tensor, tau: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Tangents dU, dσ, dV of which `_stable` is the adjoint."""
    right, left = along @ v, along.mT @ u
    inner = u.mT @ right
    gaps, sums = (sigma[..., None, :] + sign * sigma[..., :, None] for sign in (-1, 1))
    together = reciprocal(gaps, tau[..., None]) * (inner + inner.mT) / 2
    apart = reciprocal(sums, tau[..., None]) * (inner - inner.mT) / 2
    inverse = reciprocal(sigma, tau)[..., None, :]
    along_u = u @ (together + apart) + (right - u @ inner) * inverse
    along_v = v @ (together - apart) + (left - v @ inner.mT) * inverse
    return along_u, inner.diagonal(dim1=-2, dim2=-1).clone(), along_v


def _paper_tangents(
    u: Tensor, sigma: Tensor, v: Tensor, along: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Tangents dU, dσ, dV by equations (8) and (10), of the thin SVD as in `_paper`."""
    right = along @ v
    inner = u.mT @ right
    along_sigma = inner.diagonal(dim1=-2, dim2=-1).clone()
    scaled = sigma[..., :, None] * inner
    turn = _unguarded(sigma) * (scaled + scaled.mT)  # dV = V turn
    changed = torch.diag_embed(along_sigma) + sigma[..., :, None] * turn.mT
    return (right - u @ changed) / sigma[..., None, :], along_sigma, v @ turn


def _unguarded(sigma: Tensor) -> Tensor:
    """Matrix Kᵀ of equation (9), with nothing on the diagonal."""
    squares = sigma.square()
    k = squares[..., None, :] - squares[..., :, None]
    return 1 / (k + torch.diag_embed(torch.full_like(sigma, torch.inf)))


def svd(
    x: Float[Tensor, "*batch m n"],
    *,
    method: Literal["stable", "paper"] = "stable",
    tolerance: float | None = None,
) -> SingularTriplets:
    """Thin singular value decomposition (Proposition 1).

    Args:
        x: (*batch, m, n) real floating.
        method: "stable", or "paper" for equations (8)–(11), m ≥ n; see the module.
        tolerance: τ of "stable", absolute; None: max(m, n) · 2.2e-16 · σ₁.

    Raises:
        WorkbenchError: X is not real, not finite, or is wider than high with "paper".
    """
    check_real(x, "matrix")
    stable = method == "stable"
    if not stable and x.shape[-2] < x.shape[-1]:
        raise WorkbenchError(
            "at least as many rows as columns for the paper's equations",
            f"a matrix of shape {tuple(x.shape[-2:])}",
            'transpose it, or use method="stable"',
        )
    work = x.double() if stable else widened(x)
    u, sigma, v, gap, tau, rank = applied(_SVD, work, tolerance, stable, torch.finfo(x.dtype).eps)
    return SingularTriplets(u.to(x.dtype), sigma.to(x.dtype), v.to(x.dtype), gap, tau, rank)
