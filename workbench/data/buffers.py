"""Memory for batches on the host that is used again once nobody looks at it any more.

A fresh batch of 15 MB costs the kernel thousands of zeroed pages, which takes longer than filling
it. For CUDA there is no need of this: torch keeps pinned memory in the same manner.
"""

import math
import weakref

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


class Buffers:
    """Hands out tensors; their memory comes back when the last tensor that shares it goes.

    Safe to use from several threads. A copy in another process starts with nothing.

    Args:
        keep: how many of a size are kept while they are not in use.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._free: dict[int, list[np.ndarray]] = {}

    def __reduce__(self) -> tuple:
        return Buffers, (self._keep,)

    def take(self, shape: tuple[int, ...]) -> UInt8[Tensor, "..."]:
        """A tensor of arbitrary content."""
        size = math.prod(shape)
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        # The tensor's storage holds this array, and nothing else does.
        lent = memory[:]
        weakref.finalize(lent, self._give_back, memory).atexit = False
        return torch.from_numpy(lent).view(shape)

    def _give_back(self, memory: np.ndarray) -> None:
        free = self._free[len(memory)]
        if len(free) < self._keep:
            free.append(memory)
