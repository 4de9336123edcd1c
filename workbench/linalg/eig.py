"""The EIG layer: A ↦ (Λ, U) with A = UΛUᵀ (paper, Proposition 2).

With M = Uᵀ ∂L/∂U, both methods return

    ∂L/∂A = U { (K̃ᵀ ∘ M)_sym + (∂L/∂Λ)_diag } Uᵀ,   K̃_ij = 1/(λ_i − λ_j),

which is equation (14) with its misprint corrected (sym encloses the product, and there is no 2).

"paper" evaluates it unchanged, in the dtype of A (float64 for the halves): digits are lost as a gap
closes, and it is NaN or Inf at a tie. "stable" works in float64, takes the antisymmetric part of M
first (no other part counts), drops entries that are rounding errors, and leaves out tied pairs of
eigenvalues, |λ_i − λ_j| ≤ τ.

**At a tie** the vectors of the eigenspace are an arbitrary choice, and what "stable" returns is:
  * right for L that depends on the eigenspace as a whole (its projector UᵢUᵢᵀ, a symmetric function
    of its eigenvalues): the part left out is zero. For such L no digits are lost at a near tie;
  * finite, but without the part that is not defined, for L that depends on the choice. A
    `GaugeWarning` says so during backward;
  * finite, but in general not right for L that pairs tied eigenvalues and vectors, as U f(Λ) Uᵀ
    does: there the true entry is a limit 0/0 that no gradient with respect to (Λ, U) can tell. Such
    L are functions of the matrix: `matrix_function` has their gradients right at every tie. A
    `GaugeWarning` says where values and vectors of one eigenspace both carry a gradient.
Just above τ such an L has a relative error of rounding/gap.

In forward mode dU = U (K̃ᵀ ∘ (UᵀdAU)) and dΛ = (UᵀdAU)_diag, with the same reciprocals: at a tie U
is taken not to turn within the eigenspace, without a warning, since what follows is not known.
"""

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.linalg.factorise import eigh, watch_gauge, watch_pairs
from workbench.linalg.outcomes import (
    check_square,
    neighbour_gap,
    reciprocal,
    rounding_tolerance,
    without_rounding,
)
from workbench.linalg.precision import check_real, uncast, widened
from workbench.linalg.transforms import BothModes, applied, batch_in_front


class Eigenpairs(NamedTuple):
    """Eigenvalues and eigenvectors, and how well they are determined.

    Attributes:
        values: (*batch, n) ascending, in the dtype of A, differentiable twice.
        vectors: (*batch, n, n) orthonormal columns, in the dtype of A, differentiable twice.
        gap: (*batch) smallest distance between two eigenvalues; inf for n < 2. No gradient.
        tolerance: (*batch) τ: eigenvalues at most so far apart are tied. No gradient.
    """

    values: Float[Tensor, "*batch n"]
    vectors: Float[Tensor, "*batch n n"]
    gap: Float[Tensor, "*batch"]
    tolerance: Float[Tensor, "*batch"]


class _Eig(BothModes):
    """A ↦ Λ, U, gap, τ. The backward pass is written in differentiable operations."""

    @staticmethod
    def forward(
        a: Float[Tensor, "*batch n n"], tolerance: float | None, stable: bool, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values, vectors = eigh(a)
        tau = rounding_tolerance(values)
        if tolerance is not None:
            tau = torch.full_like(tau, tolerance)
        return values, vectors, neighbour_gap(values), tau

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        values, vectors, gap, tau = output
        ctx.stable, ctx.eps = inputs[2:]
        ctx.mark_non_differentiable(gap, tau)
        ctx.save_for_backward(values, vectors, tau)
        ctx.save_for_forward(values, vectors, tau)

    @staticmethod
    def backward(
        ctx: Any, to_values: Tensor, to_vectors: Tensor, *_: Any
    ) -> tuple[Tensor, None, None, None]:
        values, vectors, tau = ctx.saved_tensors
        gaps = _gaps(values)
        with uncast(values):
            m = vectors.mT @ to_vectors
            if ctx.stable:
                tied = tau[..., None, None]
                watch_pairs(to_values, m, gaps.abs() <= tied, ctx.eps)
                inner = _stable(m, gaps, tied, ctx.eps)
            else:
                inner = _unguarded(gaps) * m
                inner = (inner + inner.mT) / 2
            inner = inner + torch.diag_embed(to_values)
            return vectors @ inner @ vectors.mT, None, None, None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any
    ) -> tuple[Tensor, Tensor, None, None]:
        values, vectors, tau = saved
        gaps = _gaps(values)
        with uncast(values):
            turned = vectors.mT @ along @ vectors
            k = reciprocal(gaps, tau[..., None, None]) if ctx.stable else _unguarded(gaps)
            return turned.diagonal(dim1=-2, dim2=-1).clone(), vectors @ (k * turned), None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return applied(_Eig, *batch_in_front(info, in_dims, args)), (0, 0, 0, 0)


def _gaps(values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n n"]:
    """Gaps λ_j − λ_i: their reciprocals are K̃ᵀ."""
    return values[..., None, :] - values[..., :, None]


def _unguarded(gaps: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """Matrix K̃ᵀ of equation (13), with nothing on the diagonal."""
    return 1 / (
        gaps + torch.diag_embed(torch.full_like(gaps.diagonal(dim1=-2, dim2=-1), torch.inf))
    )


def _stable(
    m: Float64[Tensor, "*batch n n"],
    gaps: Float64[Tensor, "*batch n n"],
    tau: Float64[Tensor, "*batch 1 1"],
    eps: float,
) -> Float64[Tensor, "*batch n n"]:
    """Product (K̃ᵀ ∘ M)_sym = K̃ᵀ ∘ (M − Mᵀ)/2, without the tied pairs."""
    turning = (m - m.mT) / 2
    watch_gauge(torch.where(gaps.abs() > tau, 0.0, turning), m, eps)
    return reciprocal(gaps, tau) * without_rounding(turning, m, eps)


def eig(
    a: Float[Tensor, "*batch n n"],
    *,
    method: Literal["stable", "paper"] = "stable",
    tolerance: float | None = None,
) -> Eigenpairs:
    """Eigenvalues and eigenvectors of the symmetric part of A (Proposition 2).

    Args:
        a: (*batch, n, n) real floating; its symmetric part (A + Aᵀ)/2 is used.
        method: "stable", or "paper" for equations (12)–(14); see the module.
        tolerance: τ of "stable", absolute; None: n · 2.2e-16 · max|λ|.

    Raises:
        WorkbenchError: A is not real, not square, or not finite.
    """
    check_real(a, "matrix")
    check_square(a)
    stable = method == "stable"
    work = a.double() if stable else widened(a)
    eps = torch.finfo(a.dtype).eps
    values, vectors, gap, tau = applied(_Eig, (work + work.mT) / 2, tolerance, stable, eps)
    return Eigenpairs(values.to(a.dtype), vectors.to(a.dtype), gap, tau)
