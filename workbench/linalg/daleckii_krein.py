"""The autograd functions behind `matrix_function`: f(A), its adjoint, and the derivative of that.

Each takes its eigenpairs from the one before, so there is one factorisation; each has its own rule
for `torch.vmap`, so that code that reads numbers (or differentiates f) gets plain tensors.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.factorise import eigh, finite, smallest_allowed
from workbench.linalg.scalar_function import Domain, ScalarFunction
from workbench.linalg.transforms import BothModes, applied, batch_in_front

OVERFLOW = "scale the matrix, so that f of its eigenvalues stays within float64's range"


def spectral_function(
    a: Float64[Tensor, "*batch n n"], f: ScalarFunction, floor: float | None
) -> tuple[Float64[Tensor, "*batch n n"], Float64[Tensor, "*batch n"], Float64[Tensor, "*batch"]]:
    """Value f(A), twice differentiable, the eigenvalues of A, and τ; see `matrix_function`."""
    value, eigenvalues, _, tau = applied(_Spectral, a, f, floor)
    return value, eigenvalues, tau


class _Spectral(BothModes):
    """A ↦ f(A), eigenvalues, eigenvectors, τ; only the first has a gradient."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "*batch n n"], f: ScalarFunction, floor: float | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        values, vectors = eigh(a)
        tau = _tau(values, f.domain, floor)
        levels = Levels.of(values, tau, raise_to_tau=_raises(f.domain, floor))
        image = finite(f.value(levels.used), "function of the eigenvalues", OVERFLOW)
        result = (vectors * image[..., None, :]) @ vectors.mT
        return result, values, vectors, tau

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        a, ctx.f, ctx.floor = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(a, *output[1:])
        ctx.save_for_forward(a, *output[1:])

    @staticmethod
    def backward(ctx: Any, upstream: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        return applied(_Adjoint, upstream, *ctx.saved_tensors, ctx.f, ctx.floor), None, None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any
    ) -> tuple[Tensor, None, None, None]:
        tangent = applied(_Adjoint, along, *saved, ctx.f, ctx.floor)  # self-adjoint
        return tangent, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return applied(_Spectral, *batch_in_front(info, in_dims, args)), (0, 0, 0, 0)


class _Adjoint(BothModes):
    """(G, A) ↦ V (L ∘ (VᵀGV)) Vᵀ; the eigenpairs of A come with it, as constants."""

    @staticmethod
    def forward(
        g: Float64[Tensor, "*batch n n"],
        a: Float64[Tensor, "*batch n n"],
        values: Float64[Tensor, "*batch n"],
        vectors: Float64[Tensor, "*batch n n"],
        tau: Float64[Tensor, "*batch"],
        f: ScalarFunction,
        floor: float | None,
    ) -> Tensor:
        levels = Levels.of(values, tau, raise_to_tau=_raises(f.domain, floor))
        inner = first_differences(f, levels) * (vectors.mT @ g @ vectors)
        return vectors @ inner @ vectors.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.f, ctx.floor = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        g, *spectrum = ctx.saved_tensors
        along_g = along_a = None
        if upstream is None:
            return (None,) * 7
        if ctx.needs_input_grad[0]:
            along_g = applied(_Adjoint, upstream, *spectrum, ctx.f, ctx.floor)
        if ctx.needs_input_grad[1]:
            along_a = applied(_Second, upstream, g, *spectrum, ctx.f, ctx.floor)
        return along_g, along_a, None, None, None, None, None

    @staticmethod
    def tangents(
        ctx: Any,
        saved: tuple[Tensor, ...],
        along_g: Tensor | None,
        along_a: Tensor | None,
        *_: Any,
    ) -> Tensor:
        g, *spectrum = saved
        tangent = torch.zeros_like(g)
        if along_g is not None:
            tangent = tangent + applied(_Adjoint, along_g, *spectrum, ctx.f, ctx.floor)
        if along_a is not None:
            tangent = tangent + applied(_Second, along_a, g.mT, *spectrum, ctx.f, ctx.floor)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return applied(_Adjoint, *batch_in_front(info, in_dims, args)), 0


class _Second(BothModes):
    """(H, G, A) ↦ V T Vᵀ, see `matrix_function`; it has no further derivative."""

    @staticmethod
    def forward(
        h: Float64[Tensor, "*batch n n"],
        g: Float64[Tensor, "*batch n n"],
        a: Float64[Tensor, "*batch n n"],
        values: Float64[Tensor, "*batch n"],
        vectors: Float64[Tensor, "*batch n n"],
        tau: Float64[Tensor, "*batch"],
        f: ScalarFunction,
        floor: float | None,
    ) -> Tensor:
        levels = Levels.of(values, tau, raise_to_tau=_raises(f.domain, floor))
        turned_h, turned_g = vectors.mT @ h @ vectors, vectors.mT @ g @ vectors
        return vectors @ second_derivative(f, levels, turned_h, turned_g.mT) @ vectors.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> None:
        raise WorkbenchError(
            "at most two derivatives of a matrix function",
            "a third",
            "take it by finite differences of the second",
        )

    tangents = backward

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return applied(_Second, *batch_in_front(info, in_dims, args)), 0


def _raises(domain: Domain, floor: float | None) -> bool:
    """Whether eigenvalues up to τ are raised to it; else they are zero."""
    return domain == "positive" or floor is not None


def _tau(
    values: Float64[Tensor, "*batch n"], domain: Domain, floor: float | None
) -> Float64[Tensor, "*batch"]:
    """τ for each matrix: the caller's, or −∞ where f is defined everywhere, or rounding."""
    if floor is not None or domain == "all":
        return values.new_full(values.shape[:-1], -math.inf if floor is None else floor)
    return smallest_allowed(values, domain == "positive")


BLOCK = 1 << 22
"""Number of entries of the n×n×n second differences in memory at a time: 32 MiB."""


class Levels(NamedTuple):
    """Eigenvalues, and the arguments of f in their place.

    Attributes:
        at: the eigenvalues, zero where they are taken for zero.
        used: the arguments of f.
        kept: whether each lies above τ.
    """

    at: Float64[Tensor, "*shape"]
    used: Float64[Tensor, "*shape"]
    kept: Bool[Tensor, "*shape"]

    @classmethod
    def of(
        cls,
        values: Float64[Tensor, "*batch n"],
        tau: Float64[Tensor, "*batch"],
        *,
        raise_to_tau: bool,
    ) -> "Levels":
        """Levels with eigenvalues up to τ raised to it, or else taken for zero."""
        kept = values > tau[..., None]
        if raise_to_tau:
            return cls(values, torch.where(kept, values, tau[..., None]), kept)
        zeroed = torch.where(kept, values, 0.0)
        return cls(zeroed, zeroed, kept)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Levels":
        """Levels after a change of shape of all three."""
        return Levels(change(self.at), change(self.used), change(self.kept))


def first_differences(f: ScalarFunction, levels: Levels) -> Float64[Tensor, "*batch n n"]:
    """Matrix L of the Daleckii–Krein adjoint."""
    return _first(f, levels.each(lambda t: t[..., :, None]), levels.each(lambda t: t[..., None, :]))


def second_derivative(
    f: ScalarFunction,
    levels: Levels,
    h: Float64[Tensor, "*batch n n"],
    g: Float64[Tensor, "*batch n n"],
) -> Float64[Tensor, "*batch n n"]:
    """Sum Σ_k f[λ_i, λ_k, λ_j] (H_ik G_kj + G_ik H_kj), k taken in blocks."""
    n = h.shape[-1]
    step = max(1, BLOCK // max(1, h.numel()))
    total = torch.zeros_like(h)
    rows = levels.each(lambda t: t[..., :, None, None])
    columns = levels.each(lambda t: t[..., None, None, :])
    for start in range(0, n, step):
        size = min(step, n - start)
        between = levels.each(
            lambda t, start=start, size=size: t.narrow(-1, start, size)[..., None, :, None]  # type: ignore[misc]
        )
        differences = _second(f, rows, between, columns)
        left_h, left_g = (t.narrow(-1, start, size)[..., None] for t in (h, g))
        right_h, right_g = (t.narrow(-2, start, size)[..., None, :, :] for t in (h, g))
        total = total + (differences * (left_h * right_g + left_g * right_h)).sum(-2)
    return total


def _first(f: ScalarFunction, x: Levels, y: Levels) -> Tensor:
    """Differences f[x, y]; 0 where none is kept, by the chain rule of max(·, τ) where one is."""
    mixed = x.kept != y.kept
    slope = torch.where(mixed, x.used - y.used, 1.0) / torch.where(mixed, x.at - y.at, 1.0)
    return torch.where(x.kept | y.kept, f.difference(x.used, y.used) * slope, 0.0)


def _second(f: ScalarFunction, x: Levels, y: Levels, z: Levels) -> Tensor:
    """Differences f[x, y, z]; 0 where none is kept, the quotient of first ones where some are."""
    all_kept = x.kept & y.kept & z.kept
    some_kept = x.kept | y.kept | z.kept
    smooth = f.second_difference(x.used, y.used, z.used)
    x, y = _swap(x, y)
    y, z = _swap(y, z)
    x, y = _swap(x, y)
    width = torch.where(all_kept | ~some_kept, 1.0, x.at - z.at)
    quotient = (_first(f, x, y) - _first(f, y, z)) / width
    return torch.where(all_kept, smooth, torch.where(some_kept, quotient, 0.0))


def _swap(x: Levels, y: Levels) -> tuple[Levels, Levels]:
    """Larger and smaller values, entry by entry."""
    right = x.at >= y.at

    def pick(one: Levels, other: Levels) -> Levels:
        return Levels(*(torch.where(right, s, t) for s, t in zip(one, other, strict=True)))

    return pick(x, y), pick(y, x)
