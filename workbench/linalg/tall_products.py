"""Products with a tall X, in float64 and in chunks, differentiable to any order.

There is no float64 copy of X, neither for the value nor for the adjoint: X itself is saved. The
products Xv and Xᵀg are each other's adjoints, so each one's backward pass is made of the other, and
derivatives have any order.
"""

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.linalg.gram import pixel_chunks, rows
from workbench.linalg.transforms import BothModes, applied, one_by_one


class _Product(BothModes):
    """Function of X and a vector, linear in each."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)


class _Forward(_Product):
    """Product Xv."""

    @staticmethod
    def forward(
        x: Float[Tensor, "pixels features"], v: Float64[Tensor, "features"]
    ) -> Float64[Tensor, "pixels"]:
        parts = [x[part].double() @ v for part in pixel_chunks(x)]
        return torch.cat(parts) if parts else x.new_zeros(0, dtype=torch.float64)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "pixels"]
    ) -> tuple[Tensor | None, Tensor | None]:
        x, v = ctx.saved_tensors
        of_x, of_v = ctx.needs_input_grad
        return (
            _outer(upstream, v, x.dtype) if of_x else None,
            applied(_Transposed, x, upstream) if of_v else None,
        )

    @staticmethod
    def tangents(ctx: Any, saved: tuple[Tensor, ...], along_x: Tensor, along_v: Tensor) -> Tensor:
        x, v = saved
        tangent: Tensor = applied(_Forward, along_x, v) + applied(_Forward, x, along_v)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return one_by_one(partial(applied, _Forward), info, in_dims, args)


class _Transposed(_Product):
    """Product Xᵀg."""

    @staticmethod
    def forward(
        x: Float[Tensor, "pixels features"], g: Float64[Tensor, "pixels"]
    ) -> Float64[Tensor, "features"]:
        total = x.new_zeros(x.shape[1], dtype=torch.float64)
        for part in pixel_chunks(x):
            total = total + x[part].double().T @ rows(g, part)
        return total

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "features"]
    ) -> tuple[Tensor | None, Tensor | None]:
        x, g = ctx.saved_tensors
        of_x, of_g = ctx.needs_input_grad
        return (
            _outer(g, upstream, x.dtype) if of_x else None,
            applied(_Forward, x, upstream) if of_g else None,
        )

    @staticmethod
    def tangents(ctx: Any, saved: tuple[Tensor, ...], along_x: Tensor, along_g: Tensor) -> Tensor:
        x, g = saved
        tangent: Tensor = applied(_Transposed, along_x, g) + applied(_Transposed, x, along_g)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return one_by_one(partial(applied, _Transposed), info, in_dims, args)


def _outer(
    g: Float64[Tensor, "pixels"], v: Float64[Tensor, "features"], dtype: torch.dtype
) -> Float[Tensor, "pixels features"]:
    return g.to(dtype)[:, None] * v.to(dtype)


def degrees(
    x: Float[Tensor, "pixels features"], coupling: Float[Tensor, "features features"] | None
) -> Float64[Tensor, "pixels"]:
    """Degrees W1 = XΛ(Xᵀ1) in float64, differentiable in X and Λ; Λ = None is the identity."""
    ones = torch.ones(len(x), dtype=torch.float64, device=x.device)
    total: Tensor = applied(_Transposed, x, ones)
    if coupling is not None:
        total = coupling.double() @ total
    product: Tensor = applied(_Forward, x, total)
    return product
