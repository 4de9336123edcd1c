"""Pool of host memory for batches, reused when no tensor refers to it any more.

A fresh batch of 15 MB costs the kernel thousands of zeroed pages, which takes longer than filling
it. CUDA does not need this: torch pools pinned memory itself.
"""

import math
import weakref

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor


class Buffers:
    """Pool of buffers; a buffer returns when the last tensor that shares its memory is deleted.

    Safe to use from several threads. A copy in another process starts empty.

    Args:
        keep: number of unused buffers of each size that are kept.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._free: dict[int, list[np.ndarray]] = {}

    def __reduce__(self) -> tuple:
        return Buffers, (self._keep,)

    def take(self, shape: tuple[int, ...]) -> UInt8[Tensor, "..."]:
        """Take a tensor of undefined content."""
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
