"""Items of one array of a store, gathered by slot without zarr's machinery.

A loader with a global shuffle asks for a hundred items from a hundred places. zarr would decode
each through an event loop, and a whole chunk for one item; here an item costs one copy (`Mapped`)
or one ranged read and one decompression (`Sharded`).

An item is compared with its digest in the store's table the first time that the process reads it.
Readers are safe to use from several threads, and a copy in another process opens the store anew.
"""

import math

import numpy as np
from xxhash import xxh3_64_intdigest

from pipelines.schema import digest_name
from pipelines.store.arrays import describe, find_array
from pipelines.store.attributes import Place
from pipelines.store.description import ArrayDescription, ItemReader


def open_items(path: Place, name: str, digests: np.ndarray | None = None) -> "ItemArray":
    """The items of one array of a store, by slot, whatever the store's profile.

    Args:
        path: the store's folder, or its URL for fsspec (profile `remote` only).
        name: name of an array with a digest an item: `image`, `mask`, `label`, `feature`.
        digests: digests of the items, where the store's table does not have them yet.

    Raises:
        StoreError: no such array there, or one in a layout that is not a profile's.
    """
    described, reader = describe(str(path), name)
    if digests is None:
        digests = np.asarray(find_array(str(path), digest_name(name))[:])
    return ItemArray(described, reader, digests)


def valid_slots(path: Place) -> np.ndarray:
    """Slots of the items that are not quarantined, int64, ascending: the rows of `open_store`.

    Raises:
        StoreError: no store there.
    """
    return np.flatnonzero(np.asarray(find_array(str(path), "valid")[:]))


class ItemArray:
    """Array of a store, read item by item.

    Args:
        array: the array.
        reader: reads its items.
        digests: (items,) uint64, XXH3 of each item's bytes.

    Attributes:
        path: the store's folder or URL.
        name: the array's name.
        shape: items, then an item's shape.
        dtype: dtype of the values.
        item_bytes: bytes of one item.
    """

    def __init__(self, array: ArrayDescription, reader: ItemReader, digests: np.ndarray) -> None:
        self.path, self.name, self.shape = array.path, array.name, array.shape
        self.dtype, self.item_bytes = array.dtype, array.item_bytes
        self._array, self._reader, self._digests = array, reader, digests
        self._checked = np.zeros(len(digests), bool)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"ItemArray({self.name} {self.shape} {self.dtype} in {self.path})"

    def __reduce__(self) -> tuple:
        # Neither maps nor the checked slots are copied: another process opens the store anew.
        return open_items, (self.path, self.name)

    def gather(self, slots: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Items in the order of their slots.

        Args:
            slots: (n,) integers from 0; any order, repeats allowed.
            out: array for the items, (n, …) of the array's dtype, C-contiguous; made if not given.

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
        content = out.reshape(len(slots), math.prod(shape[1:])).view(np.uint8)
        self._reader.read(slots.tolist(), content, self._checked)
        self._compare(slots, out)
        return out

    def _compare(self, slots: np.ndarray, items: np.ndarray) -> None:
        """Compare the items that are read for the first time with their digests."""
        for position in np.flatnonzero(~self._checked[slots]).tolist():
            slot = int(slots[position])
            if xxh3_64_intdigest(items[position]) != self._digests[slot]:
                raise self._array.damaged(slot, "its values are not those that were written")
            self._checked[slot] = True
