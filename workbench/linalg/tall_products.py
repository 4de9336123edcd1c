"""Products with a tall X, in float64 and in chunks, differentiable as often as one likes.

A float64 copy of X is never held, neither for the value nor for the adjoint: what is saved is X
itself. The products Xv and Xᵀg are each other's adjoints, so each one's backward pass is made of
the other, and derivatives of any order come out.
"""

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.linalg.gram import pixel_chunks


class _Forward(torch.autograd.Function):
    """Xv."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "pixels features"], v: Float64[Tensor, "features"]
    ) -> Float64[Tensor, "pixels"]:
        ctx.save_for_backward(x, v)
        product = x.new_empty(len(x), dtype=torch.float64)
        for part in pixel_chunks(x):
            torch.mv(x[part].double(), v, out=product[part])
        return product

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "pixels"]
    ) -> tuple[Tensor | None, Tensor | None]:
        x, v = ctx.saved_tensors
        of_x, of_v = ctx.needs_input_grad
        return (
            _outer(upstream, v, x.dtype) if of_x else None,
            _Transposed.apply(x, upstream) if of_v else None,
        )


class _Transposed(torch.autograd.Function):
    """Xᵀg."""

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "pixels features"], g: Float64[Tensor, "pixels"]
    ) -> Float64[Tensor, "features"]:
        ctx.save_for_backward(x, g)
        total = x.new_zeros(x.shape[1], dtype=torch.float64)
        for part in pixel_chunks(x):
            total.addmv_(x[part].double().T, g[part])
        return total

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "features"]
    ) -> tuple[Tensor | None, Tensor | None]:
        x, g = ctx.saved_tensors
        of_x, of_g = ctx.needs_input_grad
        return (
            _outer(g, upstream, x.dtype) if of_x else None,
            _Forward.apply(x, upstream) if of_g else None,
        )


def _outer(
    g: Float64[Tensor, "pixels"], v: Float64[Tensor, "features"], dtype: torch.dtype
) -> Float[Tensor, "pixels features"]:
    return g.to(dtype)[:, None] * v.to(dtype)


def degrees(
    x: Float[Tensor, "pixels features"], coupling: Float[Tensor, "features features"] | None
) -> Float64[Tensor, "pixels"]:
    """W1 = XΛ(Xᵀ1) in float64, differentiable in X and Λ; Λ = None is the identity."""
    ones = torch.ones(len(x), dtype=torch.float64, device=x.device)
    total: Tensor = _Transposed.apply(x, ones)
    if coupling is not None:
        total = coupling.double() @ total
    product: Tensor = _Forward.apply(x, total)
    return product
