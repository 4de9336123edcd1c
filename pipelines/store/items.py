"""Items of one array of a store, gathered by slot without zarr's machinery.

A loader with a global shuffle asks for a hundred items from a hundred places. zarr would decode
each through an event loop, and a whole chunk for one item; here an item costs one copy (`Mapped`)
or one ranged read and one decompression (`Sharded`).

An item is compared with its digest in the store's table the first time that the process reads it.
Readers are safe to use from several threads, and a copy in another process opens the store anew.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
from xxhash import xxh3_64_intdigest

from pipelines.errors import StoreError
from pipelines.store.damage import damaged


class ItemArray(ABC):
    """One array of a store, read item by item.

    Attributes:
        path: the store's folder or URL.
        name: the array's name.
        shape: items, then an item's shape.
        dtype: of the values.
    """

    def __init__(
        self, path: str, name: str, shape: tuple[int, ...], dtype: np.dtype, digests: np.ndarray
    ) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype
        self._digests = digests
        self._checked = np.zeros(len(digests), bool)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name} {self.shape} {self.dtype} in {self.path})"

    def __reduce__(self) -> tuple:
        # Neither maps nor what was checked travel: another process sees for itself.
        from pipelines.store.arrays import open_items

        return open_items, (self.path, self.name)

    @property
    def item_bytes(self) -> int:
        """Bytes of one item."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def gather(self, slots: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Items in the order of their slots.

        Args:
            slots: (n,) integers from 0; any order, repeats allowed.
            out: where to put them: (n, …) of the array's dtype, C-contiguous; made if not given.

        Returns:
            `out`: (n, …).

        Raises:
            StoreError: an item is missing, cut short, or not what was written.
            IndexError: a slot that the array does not have.
            ValueError: `out` has another shape, dtype or layout.
        """
        slots = np.asarray(slots, np.int64)
        if len(slots) and not 0 <= slots.min() <= slots.max() < len(self):
            raise IndexError(
                f"slots from 0 to {len(self) - 1} expected, "
                f"{slots.min()} … {slots.max()} found; count from the store's first item"
            )
        shape = (len(slots), *self.shape[1:])
        if out is None:
            out = np.empty(shape, self.dtype)
        elif out.shape != shape or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(
                f"a C-contiguous {self.dtype} array of {shape} expected, "
                f"{out.dtype} of {out.shape} found; allocate it with np.empty"
            )
        self._read(slots.tolist(), out.reshape(len(slots), math.prod(shape[1:])).view(np.uint8))
        self._compare(slots, out)
        return out

    @abstractmethod
    def _read(self, slots: list[int], out: np.ndarray) -> None:
        """Fill `out`, (n, bytes of an item) uint8, with the items' bytes."""

    def _compare(self, slots: np.ndarray, items: np.ndarray) -> None:
        """Hold what was not read before against its digest."""
        for position in np.flatnonzero(~self._checked[slots]).tolist():
            slot = int(slots[position])
            if xxh3_64_intdigest(items[position]) != self._digests[slot]:
                raise self._damaged(slot, "its values are not those that were written")
            self._checked[slot] = True

    def _damaged(self, slot: int, what: str) -> StoreError:
        return damaged(self.path, self.name, slot, what)

    def _unreadable(self, slot: int, error: Exception) -> StoreError:
        """The error for a read that failed: a missing file is damage, anything else is not."""
        if isinstance(error, FileNotFoundError):
            return self._damaged(slot, "its chunk is missing")
        return StoreError(
            f"to read {self.name} of slot {slot} in {self.path}",
            f"{type(error).__name__}: {error}",
            "check access to the store and its medium, then try again",
        )
