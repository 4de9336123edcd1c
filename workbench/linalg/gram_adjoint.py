"""Functions f(XᵀX) and their adjoints, by the smaller side of X; f is log(ε + t) or (ε + t)^p.

With A = XᵀX, B = XXᵀ and q(t) = (f(t) − f(0))/t = f[t,0] the matrix is

    f(A)                   where X has no fewer rows than features,
    f(0)·I + Xᵀ q(B) X     where it has fewer.

Both are smooth functions of the small side: no basis of the null space is formed and no singular
value is divided by. In the eigenvectors U of B, with W = UᵀX, S = sym(∂L/∂C) and f[·] the divided
differences of `linalg.stieltjes`, the adjoint of the second is

    ∂L/∂X = 2U [diag(q) W S + (f[tᵢ,tⱼ,0] ∘ (W S Wᵀ)) W],

which is that of the thin SVD, 2UΣ[(L∘H)Vᵀ + diag(q)(VᵀS − HVᵀ)] with H = VᵀSV and L = f[tᵢ,tⱼ],
written in W = ΣVᵀ: (Lᵢⱼ − qᵢ)/tⱼ is the next divided difference. Equations 22 and 23 of Ionescu,
Vantzos, Sminchisescu (ICCV 2015) drop the null space where X has fewer rows than features.

Differentiable twice; a third time is refused. The double backward costs 128 products of the small
side's size, in the memory of a few.
"""

from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.factorise import gram_eigh
from workbench.linalg.stieltjes import Shifted
from workbench.linalg.transforms import BothModes, applied, batch_in_front, is_differentiated


def function_of_gram(
    x: Float64[Tensor, "*batch rows features"], function: Shifted
) -> tuple[Float64[Tensor, "*batch features features"], Float64[Tensor, "*batch side"]]:
    """Value f(XᵀX), and the eigenvalues t ≥ 0 of the smaller side, ascending.

    Raises:
        WorkbenchError: XᵀX is not finite; in a double backward at ε = 0, X is rank-deficient.
    """
    if x.shape[-2] < x.shape[-1]:
        value, t, *_ = applied(_Wide, x, function)
        return value, t
    value, t, _ = applied(_Spectral, x.mT @ x, function, False)
    return value, t


class _Wide(BothModes):
    """X ↦ f(0)·I + Xᵀq(XXᵀ)X, and t, U, W: the eigenpairs of XXᵀ and UᵀX."""

    @staticmethod
    def forward(
        x: Float64[Tensor, "*batch rows features"], function: Shifted
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        t, u = gram_eigh(x @ x.mT, function.shift)
        w = u.mT @ x
        root = w * function.slope(t).sqrt()[..., None]
        return _raised(root.mT @ root, function.at_zero), t, u, w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, ctx.function = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, *output[1:])
        ctx.save_for_forward(x)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "*batch features features"], *_: Any
    ) -> tuple[Tensor, None]:
        x, t, u, w = ctx.saved_tensors
        s = upstream + upstream.mT  # 2 sym(∂L/∂C)
        if is_differentiated(x):  # the same in steps that are differentiable once more
            b, xs = x @ x.mT, x @ s
            q, t, u = applied(_Spectral, b, ctx.function, True)
            return q @ xs + applied(_Derivative, b, xs @ x.mT, t, u, ctx.function, True) @ x, None
        ws = w @ s
        mixed = ctx.function.resolvents(t).first(anchored=True) * (ws @ w.mT)
        return u @ torch.addcmul(mixed @ w, ws, ctx.function.slope(t)[..., None]), None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any
    ) -> tuple[Tensor, None, None, None]:
        (x,) = saved
        b, cross = x @ x.mT, along @ x.mT
        q, t, u = applied(_Spectral, b, ctx.function, True)
        turned = applied(_Derivative, b, cross + cross.mT, t, u, ctx.function, True)
        half = x.mT @ (q @ along + turned @ x / 2)
        return half + half.mT, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        return applied(_Wide, *batch_in_front(info, in_dims, arguments)), (0, 0, 0, 0)


class _Spectral(BothModes):
    """A ↦ f(A), or anchored q(A), of a symmetric A ≥ 0, and its eigenpairs t, U."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "*batch n n"], function: Shifted, anchored: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        t, u = gram_eigh(a, function.shift)
        values = function.slope(t) if anchored else function.rise(t)
        value = (u * values[..., None, :]) @ u.mT
        return value if anchored else _raised(value, function.at_zero), t, u

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        a, ctx.function, ctx.anchored = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(a, *output[1:])
        ctx.save_for_forward(a, *output[1:])

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "*batch n n"], *_: Any
    ) -> tuple[Tensor, None, None]:
        a, t, u = ctx.saved_tensors
        s = (upstream + upstream.mT) / 2
        return applied(_Derivative, a, s, t, u, ctx.function, ctx.anchored), None, None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any
    ) -> tuple[Tensor, None, None]:
        a, t, u = saved
        return applied(_Derivative, a, along, t, u, ctx.function, ctx.anchored), None, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        return applied(_Spectral, *batch_in_front(info, in_dims, arguments)), (0, 0, 0)


class _Derivative(BothModes):
    """(A, K) ↦ the derivative of `_Spectral` at A along a symmetric K: self-adjoint in K."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "*batch n n"],
        k: Float64[Tensor, "*batch n n"],
        t: Float64[Tensor, "*batch n"],
        u: Float64[Tensor, "*batch n n"],
        function: Shifted,
        anchored: bool,
    ) -> Tensor:
        table = function.resolvents(t).first(anchored)
        derivative: Tensor = u @ (table * (u.mT @ k @ u)) @ u.mT
        return derivative

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.function, ctx.anchored = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "*batch n n"] | None
    ) -> tuple[Tensor | None, ...]:
        if upstream is None:
            return (None,) * 6
        along = applied(_SecondDerivative, upstream, *ctx.saved_tensors, ctx.function, ctx.anchored)
        return *along, None, None, None, None

    @staticmethod
    def tangents(
        ctx: Any,
        saved: tuple[Tensor, ...],
        along_a: Tensor | None,
        along_k: Tensor | None,
        *_: Any,
    ) -> Tensor:
        a, k, *pairs = saved
        tangent = torch.zeros_like(k)
        if along_k is not None:
            tangent = tangent + applied(_Derivative, a, along_k, *pairs, ctx.function, ctx.anchored)
        if along_a is not None:  # the second derivative is symmetric in its two directions
            second = applied(_SecondDerivative, along_a, a, k, *pairs, ctx.function, ctx.anchored)
            tangent = tangent + second[0]
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        return applied(_Derivative, *batch_in_front(info, in_dims, arguments)), 0


class _SecondDerivative(BothModes):
    """Adjoint of `_Derivative` in A and K, for an upstream E.

    Not `once_differentiable`: under `torch.autograd.grad` with named inputs that gives, without an
    error, a third derivative with a part missing.
    """

    @staticmethod
    def forward(
        upstream: Float64[Tensor, "*batch n n"],
        a: Float64[Tensor, "*batch n n"],
        k: Float64[Tensor, "*batch n n"],
        t: Float64[Tensor, "*batch n"],
        u: Float64[Tensor, "*batch n n"],
        function: Shifted,
        anchored: bool,
    ) -> tuple[Tensor, Tensor]:
        resolvents = function.resolvents(t)
        if resolvents.kept is not None and not bool(resolvents.kept.all()):
            raise WorkbenchError(
                "full rank for the second derivative of a power at epsilon = 0",
                "an eigenvalue of zero",
                "give epsilon > 0",
            )
        e = (upstream + upstream.mT) / 2
        e, k = u.mT @ e @ u, u.mT @ k @ u
        along_k = u @ (resolvents.first(anchored) * e) @ u.mT
        along_a = u @ resolvents.second(k, e, anchored) @ u.mT
        return along_a, along_k

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Save nothing."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> None:
        raise WorkbenchError(
            "at most two derivatives", "a third", "take finite differences of the second"
        )

    tangents = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> tuple[Any, Any]:
        return applied(_SecondDerivative, *batch_in_front(info, in_dims, arguments)), (0, 0)


def _raised(a: Float64[Tensor, "*batch n n"], by: float) -> Float64[Tensor, "*batch n n"]:
    """Sum a + by · I, in place: a is a new tensor."""
    a.diagonal(dim1=-2, dim2=-1).add_(by)
    return a
