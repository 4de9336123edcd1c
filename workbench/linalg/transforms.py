"""Rules for `torch.func` and `torch.autograd` beside plain gradients: vmap, and forward mode."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual
from torch.autograd.function import FunctionMeta


class BothModes(Function):
    """Autograd function with a rule for forward mode, `tangents`, as well as `backward`.

    Called by `applied`. It has no `jvp`, since torch.compile refuses a function that has one; a
    subclass of it, `dual`, has.

    Attributes:
        tangents: static method (ctx, saved, *along) ↦ tangents of the outputs, in differentiable
            operations: `saved` is what `ctx.save_for_forward` was given, `along` the tangents of
            the inputs, None for those that are not tensors.
        dual: the subclass.
    """

    tangents: ClassVar[Callable[..., Any]]
    dual: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "jvp" not in vars(cls) and hasattr(cls, "tangents"):
            rules = {"jvp": staticmethod(_jvp(cls.tangents))}
            cls.dual = FunctionMeta(cls.__name__, (cls,), rules)


def applied(function: type[BothModes], *args: Any) -> Any:
    """Outputs of the function, differentiable in both modes; in reverse mode where compiled."""
    return (function if torch.compiler.is_compiling() else function.dual).apply(*args)


def _jvp(rule: Callable[..., Any]) -> Callable[..., Any]:
    """Rule as torch calls it, with derivatives of its own.

    Torch turns forward mode off while it calls a `jvp`, which leaves a second tangent (of
    jacfwd(jacfwd(f))) out without an error. So it is turned on, for values without the first.
    """

    def jvp(ctx: Any, *along: Any) -> Any:
        saved = tuple(None if x is None else unpack_dual(x).primal for x in ctx.saved_tensors)
        with _set_fwd_grad_enabled(True):
            return rule(ctx, saved, *along)

    return jvp


def batch_in_front(info: Any, in_dims: tuple[int | None, ...], args: tuple[Any, ...]) -> list[Any]:
    """Arguments of a function with the mapped dimension first; a tensor without it is expanded.

    Args:
        info: torch's record, with `batch_size`.
        in_dims: torch's tuple, the mapped dimension of each argument.
        args: tensors, and other values, which are returned unchanged.
    """
    front = []
    for arg, dim in zip(args, in_dims, strict=True):
        if not isinstance(arg, Tensor):
            front.append(arg)
        elif dim is None:
            front.append(arg.expand(info.batch_size, *arg.shape))
        else:
            front.append(arg.movedim(dim, 0))
    return front


def one_by_one(
    function: Any, info: Any, in_dims: tuple[int | None, ...], args: tuple[Any, ...]
) -> tuple[Any, Any]:
    """Rule of `torch.vmap` for an autograd function without batch dimensions: a loop.

    Args:
        function: its `apply`.
        info, in_dims, args: as `batch_in_front` has them.

    Returns:
        Its outputs, stacked, and their mapped dimensions. An output of None stays None.
    """

    def at(index: int) -> list[Any]:
        pairs = zip(args, in_dims, strict=True)
        return [arg if dim is None else arg.select(dim, index) for arg, dim in pairs]

    found = [function(*at(index)) for index in range(info.batch_size)]
    if isinstance(found[0], Tensor):
        return torch.stack(found), 0
    stacked = [None if each[0] is None else torch.stack(each) for each in zip(*found, strict=True)]
    return tuple(stacked), tuple(None if each is None else 0 for each in stacked)


class _Constant(BothModes):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> None:
        """Nothing."""

    tangents = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Tensor, int]:
        return applied(_Constant, x), in_dims[0]


def constant(x: Tensor) -> Tensor:
    """Copy without a derivative; `detach` has no rule for `is_grads_batched`."""
    result: Tensor = x.detach() if torch.compiler.is_compiling() else applied(_Constant, x)
    return result


def is_differentiated(*inputs: Tensor | None) -> bool:
    """Whether a backward pass at these inputs will be differentiated itself, in either mode."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return torch.is_grad_enabled()
    return any(x is not None and unpack_dual(x).tangent is not None for x in inputs)
