"""`torch.vmap` for autograd functions that take leading batch dimensions anyway."""

from typing import Any

from torch import Tensor


def batch_in_front(info: Any, in_dims: tuple[int | None, ...], args: tuple[Any, ...]) -> list[Any]:
    """A function's arguments with the mapped dimension first; a tensor without it is expanded.

    Args:
        info: torch's, with `batch_size`.
        in_dims: torch's, where each argument has the mapped dimension.
        args: tensors, and others that pass as they are.
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
