"""Products with a tall X, in float64 and in chunks, differentiable to any order.

There is no float64 copy of X, neither for the value nor for the adjoint: X itself is saved. The
products Xv and Xᵀg are each other's adjoints, so each one's backward pass is made of the other, and
derivatives have any order.
"""

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.linalg.gram import pixel_chunks


class _Forward(torch.autograd.Function):
    """Product Xv."""

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
    """Product Xᵀg."""

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
    """Degrees W1 = XΛ(Xᵀ1) in float64, differentiable in X and Λ; Λ = None is the identity."""
    ones = torch.ones(len(x), dtype=torch.float64, device=x.device)
    total: Tensor = _Transposed.apply(x, ones)
    if coupling is not None:
        total = coupling.double() @ total
    product: Tensor = _Forward.apply(x, total)
    return product
