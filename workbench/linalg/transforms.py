"""Rules of `torch.vmap` for autograd functions that take leading batch dimensions anyway."""

from typing import Any

from torch import Tensor


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
