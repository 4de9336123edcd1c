"""Solution (AᵀA + ρI)⁺B, differentiable to any order.

On matrices A of constant rank r the pseudo-inverse is smooth, and its derivative is Golub and
Pereyra's (SIAM J. Numer. Anal. 10, 1973, eq. 4.12), here for K = (G + ρI)⁺ on the range of G = AᵀA,

    dK = −K dG K − dρ K² + KG⁺ dG (I − P) + (I − P) dG G⁺K,   P = G⁺G,

K G⁺ being the divided difference of λ ↦ 1/(λ + ρ) on the range and 0 off it. Written with products
KB only, the adjoint of such a product is made of such products, and so is the adjoint's adjoint.
"""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.linalg.transforms import BothModes, applied, one_by_one


class _Solve(BothModes):
    """B ↦ KB with K applied as R((I + ρRᵀR)⁻¹(RᵀB)), RRᵀ = G⁺."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "rows features"],
        b: Float64[Tensor, "features columns"],
        ridge: Float64[Tensor, ""],
        root: Float64[Tensor, "features rank"],
    ) -> Float64[Tensor, "features columns"]:
        inner = root.T @ b
        if bool(ridge != 0):
            core = torch.eye(root.shape[1], dtype=root.dtype, device=root.device)
            inner = torch.linalg.solve(core + ridge * (root.T @ root), inner)
        return root @ inner

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "features columns"]
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        a, b, ridge, root, solution = ctx.saved_tensors
        zero = torch.zeros_like(ridge)
        pulled: Tensor = applied(_Solve, a, upstream, ridge, root)
        of_g = -pulled @ solution.T
        if root.shape[1] < root.shape[0]:
            of_g = of_g + applied(_Solve, a, pulled, zero, root) @ _outside(a, b, root).T
            again = applied(_Solve, a, solution, zero, root)
            of_g = of_g + _outside(a, upstream, root) @ again.T
        return a @ (of_g + of_g.T), pulled, -(pulled * solution).sum(), None

    @staticmethod
    def tangents(
        ctx: Any,
        saved: tuple[Tensor, ...],
        along_a: Tensor,
        along_b: Tensor,
        along_ridge: Tensor,
        _: Tensor,
    ) -> Tensor:
        a, b, ridge, root, solution = saved
        zero = torch.zeros_like(ridge)

        def along_g(c: Tensor) -> Tensor:
            return along_a.T @ (a @ c) + a.T @ (along_a @ c)

        right = along_b - along_g(solution) - along_ridge * solution
        if root.shape[1] < root.shape[0]:
            inner = along_g(_outside(a, b, root))
            right = right + applied(_Solve, a, inner, zero, root)
        tangent: Tensor = applied(_Solve, a, right, ridge, root)
        if root.shape[1] < root.shape[0]:
            again = applied(_Solve, a, solution, zero, root)
            tangent = tangent + _outside(a, along_g(again), root)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return one_by_one(partial(applied, _Solve), info, in_dims, args)


def _outside(a: Tensor, c: Tensor, root: Tensor) -> Tensor:
    """Product (I − P)C."""
    zero = torch.zeros((), dtype=a.dtype, device=a.device)
    inside: Tensor = applied(_Solve, a, a.T @ (a @ c), zero, root)
    return c - inside


def gram_solve(
    a: Float64[Tensor, "rows features"],
    b: Float64[Tensor, "features columns"],
    root: Float64[Tensor, "features rank"],
    ridge: Float64[Tensor, ""] | None = None,
) -> Float64[Tensor, "features columns"]:
    """Solution (AᵀA + ρI)⁺B on the range of AᵀA, differentiable to any order in A, B and ρ.

    Args:
        a: (rows, features) float64, A.
        b: (features, columns) float64, B.
        root: (features, rank) float64, R with RRᵀ = (AᵀA)⁺, as `gram.inverse_root` finds it without
            a ridge; no gradient flows through it, since that of A is complete.
        ridge: ρ ≥ 0, scalar float64; None: 0.
    """
    if ridge is None:
        ridge = torch.zeros((), dtype=a.dtype, device=a.device)
    solution: Tensor = applied(_Solve, a, b, ridge, root)
    return solution
