"""Leading eigenpairs of M = D^-½WD^-½ from the factors of W = XΛXᵀ, differentiable.

With A = D^-½X and F = AΛ^½ the eigenproblem is that of FᵀF = VΛ_MVᵀ, d×d, and U = FV_kλ^-½. What
has a derivative is the subspace, UUᵀ, and not its basis. So the adjoint is that of the basis that
does not turn within the subspace: a loss that rotations inside the subspace leave alone (a function
of UUᵀ, of principal angles, of ‖UᵀY‖) gets its exact gradient, ties among the first k included.
By first-order perturbation theory (Stewart and Sun, Matrix Perturbation Theory, ch. V),

    ∂L/∂M = sym(QUᵀ),  Q = Σ_{j>k} u_j (u_jᵀ ∂L/∂u_i) / (λ_i − λ_j),

where only eigenvalues on different sides of the cut meet. With u_ju_jᵀλ_j = Fv_jv_jᵀFᵀ and
1/(λ_i − λ_j) = 1/λ_i + λ_j/(λ_i(λ_i − λ_j)) it needs neither the null space nor a division by λ_j:

    Q = (I − UUᵀ) ∂L/∂U λ^-1 + F V_r((V_rᵀFᵀ ∂L/∂U) ∘ 1/(λ_i(λ_i − λ_j))).

O(md²) time, O(md) memory; nothing m×d is held in float64.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.gram import gram, pixel_chunks, rows
from workbench.linalg.outcomes import reciprocal, rsqrt, warn_of_gap
from workbench.linalg.transforms import BothModes, applied, one_by_one


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenpairs of M = D^-½WD^-½.

    Attributes:
        values: (count,) float64, descending, in [0, 1] for a nonnegative affinity.
        vectors: (pixels, count) float64, orthonormal columns.
        degrees: (pixels,) float64, the diagonal of D.
        rank: numerical rank of M at `tolerance`.
        tolerance: eigenvalues up to it count as zero (absolute; the largest is 1).
        gap: values[count−1] − the next eigenvalue: how well the subspace is determined.
    """

    values: Float64[Tensor, "count"]
    vectors: Float64[Tensor, "pixels count"]
    degrees: Float64[Tensor, "pixels"]
    rank: int
    tolerance: float
    gap: float


class _Leading(BothModes):
    """λ_k and U as functions of X, Λ and the degrees.

    The eigenpairs of FᵀF come with them, as constants: `found` and `basis`, by descending value,
    the square root Λ^½, the number of pairs `kept`, and the tolerance.
    """

    @staticmethod
    def forward(
        x: Float[Tensor, "pixels features"],
        coupling: Float[Tensor, "features features"] | None,
        degrees: Float64[Tensor, "pixels"],
        found: Float64[Tensor, "features"],
        basis: Float64[Tensor, "features features"],
        root: Float64[Tensor, "features features"],
        kept: int,
        tolerance: float,
    ) -> tuple[Float64[Tensor, "count"], Float64[Tensor, "pixels count"]]:
        values = found[:kept].clone()
        mix = root @ (basis[:, :kept] * values.rsqrt())
        vectors = x.new_empty(len(x), kept, dtype=torch.float64)
        for part in pixel_chunks(x):
            vectors[part] = _normalised(x[part], degrees[part]) @ mix
        return values, vectors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *tensors, ctx.kept, ctx.tolerance = inputs
        ctx.save_for_backward(output[1], *tensors)
        ctx.save_for_forward(output[1], *tensors)

    @staticmethod
    def backward(
        ctx: Any,
        of_values: Float64[Tensor, "count"],
        of_vectors: Float64[Tensor, "pixels count"],
    ) -> tuple[Any, ...]:
        gradients = applied(
            _LeadingAdjoint, of_values, of_vectors, *ctx.saved_tensors, ctx.kept, ctx.tolerance
        )
        return *gradients, None, None, None, None, None

    @staticmethod
    def tangents(
        ctx: Any,
        saved: tuple[Tensor | None, ...],
        along_x: Tensor,
        along_coupling: Tensor | None,
        along_degrees: Tensor,
        *_: Any,
    ) -> tuple[Tensor, Tensor]:
        tangents: tuple[Tensor, Tensor] = applied(
            _LeadingTangents,
            along_x,
            along_coupling,
            along_degrees,
            *saved,
            ctx.kept,
            ctx.tolerance,
        )
        return tangents

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return one_by_one(partial(applied, _Leading), info, in_dims, args)


class _LastDerivative(BothModes):
    """A derivative of `_Leading`, which refuses one of its own.

    `once_differentiable` is not enough: torch.autograd.grad with named inputs bypasses it, and
    returns, without an error, a part of the second derivative.
    """

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor | None, ...]) -> None:
        """Save nothing."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> None:
        raise WorkbenchError(
            "one derivative of a spectrum",
            "a second",
            "take finite differences of the first; objectives.j1 and j2 have every derivative",
        )

    tangents = backward


class _LeadingAdjoint(_LastDerivative):
    """Adjoint of `_Leading` in X, Λ and the degrees."""

    @staticmethod
    def forward(
        of_values: Float64[Tensor, "count"],
        of_vectors: Float64[Tensor, "pixels count"],
        vectors: Float64[Tensor, "pixels count"],
        x: Float[Tensor, "pixels features"],
        coupling: Float[Tensor, "features features"] | None,
        degrees: Float64[Tensor, "pixels"],
        found: Float64[Tensor, "features"],
        basis: Float64[Tensor, "features features"],
        root: Float64[Tensor, "features features"],
        kept: int,
        tolerance: float,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        values, rest = found[:kept], found[kept:]
        leading, others = basis[:, :kept], basis[:, kept:]
        pulled = x.new_zeros(x.shape[1], kept, dtype=torch.float64)  # Aᵀ ∂L/∂U
        for part in pixel_chunks(x):
            pulled = pulled + _normalised(x[part], degrees[part]).T @ rows(of_vectors, part)
        inner = (others.T @ (root.T @ pulled)) * _across(found, kept, tolerance)
        inside = (vectors.T @ of_vectors) / values - torch.diag_embed(of_values)
        # Q = ∂L/∂U λ^-1 − U inside + A mix
        mix = root @ (others @ inner)
        u_f = values.sqrt()[:, None] * leading.T  # UᵀF
        q_f = (pulled / values).T @ root - inside.T @ u_f + inner.T @ (rest[:, None] * others.T)
        u_right, q_right = u_f @ root.T, q_f @ root.T  # UᵀAΛ and QᵀAΛ
        of_x, of_degrees = [x[:0]], [degrees[:0]]
        u_a, q_a = torch.zeros_like(u_right), torch.zeros_like(q_right)
        for part in pixel_chunks(x):
            a, u = _normalised(x[part], degrees[part]), vectors[part]
            q = rows(of_vectors, part) / values - u @ inside + a @ mix
            of_a = q @ u_right + u @ q_right
            weight = rsqrt(degrees[part])
            of_x.append((of_a * weight[:, None]).to(x.dtype))
            of_degrees.append((of_a * a).sum(1) * weight.square() / -2)
            if coupling is not None:
                u_a, q_a = u_a + u.T @ a, q_a + q.T @ a
        product = q_a.T @ u_a
        of_coupling = None if coupling is None else ((product + product.T) / 2).to(coupling.dtype)
        return torch.cat(of_x), of_coupling, torch.cat(of_degrees)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return one_by_one(partial(applied, _LeadingAdjoint), info, in_dims, args)


class _LeadingTangents(_LastDerivative):
    """Tangents of `_Leading`: dU = (I − UUᵀ) dM U λ^-1 + …, as Q from ∂L/∂U; dΛ = (UᵀdMU)_diag.

    It needs float64 copies of X and of its tangent.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        along_x: Float[Tensor, "pixels features"],
        along_coupling: Float[Tensor, "features features"] | None,
        along_degrees: Float64[Tensor, "pixels"],
        vectors: Float64[Tensor, "pixels count"],
        x: Float[Tensor, "pixels features"],
        coupling: Float[Tensor, "features features"] | None,
        degrees: Float64[Tensor, "pixels"],
        found: Float64[Tensor, "features"],
        basis: Float64[Tensor, "features features"],
        root: Float64[Tensor, "features features"],
        kept: int,
        tolerance: float,
    ) -> tuple[Tensor, Tensor]:
        a, others = _normalised(x, degrees), basis[:, kept:]
        shrinking = (along_degrees * reciprocal(degrees) / 2)[:, None]
        along_a = _normalised(along_x, degrees) - shrinking * a
        left, right = a.T @ vectors, along_a.T @ vectors
        if coupling is not None and along_coupling is not None:
            wide = coupling.double()
            turn = (along_coupling.double() + along_coupling.double().T) / 2
            left, right = wide @ left, wide @ right + turn @ left
        moved = along_a @ left + a @ right  # dM U
        inside = vectors.T @ moved
        inner = (others.T @ (root.T @ (a.T @ moved))) * _across(found, kept, tolerance)
        tangent = (moved - vectors @ inside) / found[:kept] + a @ (root @ (others @ inner))
        return inside.diagonal().clone(), tangent


def _across(
    found: Float64[Tensor, "features"], kept: int, tolerance: float
) -> Float64[Tensor, "others count"]:
    """Factors 1/(λ_i(λ_i − λ_j)), i kept and j not; 0 where the gap is closed."""
    values = found[:kept]
    gaps = values - found[kept:, None]
    return torch.where(gaps > tolerance, 1 / (values * gaps), 0.0)


def leading_eigenpairs(
    x: Float[Tensor, "pixels features"],
    coupling: Float[Tensor, "features features"] | None,
    root: Float64[Tensor, "features features"] | None,
    degrees: Float64[Tensor, "pixels"],
    count: int,
) -> Spectrum:
    """Top eigenpairs of D^-½XΛXᵀD^-½, differentiable in X, Λ (as a symmetric matrix) and D.

    Eigenvalues are differentiable one by one where they are simple, and in symmetric functions of
    tied ones. Where the gap after the last vector is closed the subspace has no derivative: pairs
    across the cut that differ by no more than the tolerance then contribute nothing.

    Args:
        x: (pixels, features) float32 or float64, X.
        coupling: (features, features) symmetric, Λ; None: the identity.
        root: (features, features) float64, symmetric Λ^½; None: the identity.
        degrees: (pixels,) float64, nonnegative; a pixel of degree zero gets a zero row.
        count: number of pairs; fewer are returned where the rank is smaller.

    Warns:
        ClosedGapWarning: the gap is of the size of rounding, and a derivative may be asked for.
    """
    with torch.no_grad():
        if root is None:
            root = torch.eye(x.shape[1], dtype=torch.float64, device=x.device)
        weight = reciprocal(degrees.detach())
        mix = None if coupling is None else root
        ascending, basis = torch.linalg.eigh(gram(x.detach(), weight, mix))
        values, basis = ascending.flip(0), basis.flip(1)
        tolerance = x.shape[1] * torch.finfo(torch.float64).eps
        found = values.tolist()
        rank = sum(value > tolerance for value in found)
        kept = min(count, rank)
        following = max(found[kept], 0.0) if kept < len(found) else 0.0
        gap = found[kept - 1] - following if kept else 0.0
    leading: tuple[Tensor, Tensor] = applied(
        _Leading, x, coupling, degrees, values, basis, root, kept, tolerance
    )
    if kept and leading[1].requires_grad:
        warn_of_gap(gap / found[0], kept)
    return Spectrum(*leading, degrees, rank, tolerance, gap)


def _normalised(
    x: Float[Tensor, "pixels features"], degrees: Float64[Tensor, "pixels"]
) -> Float64[Tensor, "pixels features"]:
    """Rows of A = D^-½X."""
    return x.double() * rsqrt(degrees)[:, None]
