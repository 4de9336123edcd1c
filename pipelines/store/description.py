"""`ArrayDescription`: place, layout and items of an array of a store, for its reader."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from pipelines.errors import StoreError
from pipelines.store.damage import damaged


@dataclass(frozen=True)
class ArrayDescription:
    """Description of an array of a store.

    Attributes:
        path: the store's folder or URL.
        name: the array's name.
        shape: number of items, then an item's shape.
        dtype: dtype of the values.
        unit: items a chunk (profile `local`) or shard (profile `remote`).
        file: index of a chunk or shard → its path.
    """

    path: str
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    unit: int
    file: Callable[[int], str]

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def damaged(self, slot: int, what: str) -> StoreError:
        """Error for an item that differs from what was written; `what` names the damage."""
        return damaged(self.path, self.name, slot, what)

    def unreadable(self, slot: int, error: Exception) -> StoreError:
        """Error for a read that failed: a missing file is damage, anything else is not."""
        if isinstance(error, FileNotFoundError):
            return self.damaged(slot, "its chunk is missing")
        return StoreError(
            f"to read {self.name} of slot {slot} in {self.path}",
            f"{type(error).__name__}: {error}",
            "check access to the store and its medium, then try again",
        )


@runtime_checkable
class ItemReader(Protocol):
    """A reader of an array's items in the layout of one profile."""

    def read(self, slots: list[int], out: np.ndarray, read_before: np.ndarray) -> None:
        """Fill `out` with the bytes of items.

        Args:
            slots: n slots, each in the array.
            out: (n, bytes of an item) uint8.
            read_before: (items,) bool, whether an item was read before by this process.

        Raises:
            StoreError: an item is missing or damaged.
        """
