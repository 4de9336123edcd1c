"""Items of the profile `local`: uncompressed chunk files, mapped into memory.

A chunk file is the bytes of a unit's items, one after the other. It is mapped when an item of it
is first asked for, and stays so. A map costs a file descriptor, so their number is bounded: items
of the files beyond it are read with `pread`, at two thirds of the speed. (Evicting maps in favour
of newer ones would be slower than either: under a global shuffle every file is equally likely
next, and mapping one takes longer than reading an item.)

A file that is cut short while it is mapped ends the process with SIGBUS, as with any map. The
pipelines never do that: they replace files whole, and a map keeps the file that it was made of.
"""

import mmap
import os
import resource
from collections.abc import Callable

import numpy as np

from pipelines.store.items import ItemArray


def default_maps() -> int:
    """How many files an array keeps mapped: an eighth of the descriptors that a process may have.

    Images and masks of two splits then leave half of them to the rest of the program.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 8192 if limit == resource.RLIM_INFINITY else min(limit // 8, 8192)


class Mapped(ItemArray):
    """An array whose chunk files are mapped into memory.

    Args:
        path, name, shape, dtype, digests: as for `ItemArray`.
        unit: items a chunk.
        file: the path of a chunk by its index.
        maps: how many files may be mapped at a time.
    """

    def __init__(
        self,
        path: str,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        digests: np.ndarray,
        *,
        unit: int,
        file: Callable[[int], str],
        maps: int | None = None,
    ) -> None:
        super().__init__(path, name, shape, dtype, digests)
        self._unit, self._file = unit, file
        self._budget = default_maps() if maps is None else maps
        self._maps: dict[int, np.ndarray] = {}

    def _read(self, slots: list[int], out: np.ndarray) -> None:
        # One copy an item: numpy releases the interpreter's lock for each.
        for item, slot in zip(out, slots, strict=True):
            chunk, position = divmod(slot, self._unit)
            mapped = self._maps.get(chunk)
            if mapped is not None:
                item[:] = mapped[position]
                continue
            try:
                self._open(chunk, position, slot, item)
            except OSError as error:
                raise self._unreadable(slot, error) from error

    def _open(self, chunk: int, position: int, slot: int, item: np.ndarray) -> None:
        """Read one item of a file that is not mapped, and map it if there is room."""
        size = self._unit * self.item_bytes
        descriptor = os.open(self._file(chunk), os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor).st_size
            if found != size:
                raise self._damaged(slot, f"its chunk has {found} bytes instead of {size}")
            if len(self._maps) < self._budget:
                mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
                self._maps[chunk] = np.frombuffer(mapped, np.uint8).reshape(self._unit, -1)
                item[:] = self._maps[chunk][position]
            elif (got := os.preadv(descriptor, [item.data], position * len(item))) != len(item):
                raise self._damaged(slot, f"its chunk ended after {got} of {len(item)} bytes")
        finally:
            os.close(descriptor)
