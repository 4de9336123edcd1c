"""Items of the profile `local`: uncompressed chunk files, mapped into memory.

A chunk file is the bytes of a unit's items, one after the other. It is mapped when an item of it
is first asked for, and stays so. A map costs a file descriptor, so their number is bounded: items
of the files beyond it are read with `pread`, at about half the speed. (Evicting maps in favour
of newer ones would be slower than either: under a global shuffle every file is equally likely
next, and mapping one takes longer than reading an item.)

A disk is told of all the items of a request before the first of them is copied, which nearly
triples the rate of an epoch that finds nothing in the page cache. Telling costs a fifth of the
rate of one that finds everything there, so it is left out where an item was read before, unless
the array is too large to stay in memory.

A file that is cut short while it is mapped ends the process with SIGBUS, as with any map. The
pipelines never do that: they replace files whole, and a map keeps the file that it was made of.
"""

import mmap
import os
import resource
from typing import NamedTuple

import numpy as np

from pipelines.store.description import ArrayDescription


def default_maps() -> int:
    """Number of files that an array keeps mapped: an eighth of the process's descriptors.

    Images and masks of two splits then leave half of them to the rest of the program.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 8192 if limit == resource.RLIM_INFINITY else min(limit // 8, 8192)


def memory_bytes() -> int:
    """Memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class _Map(NamedTuple):
    """A chunk file in memory: the map, and its items as rows of bytes."""

    memory: mmap.mmap
    items: np.ndarray


class Mapped:
    """A reader of an array whose chunk files are mapped into memory."""

    def __init__(self, array: ArrayDescription) -> None:
        self._array, self._unit, self._item_bytes = array, array.unit, array.item_bytes
        self._most_maps = default_maps()
        self._maps: dict[int, _Map] = {}
        self._stays_cached = array.shape[0] * self._item_bytes <= memory_bytes() // 2

    def read(self, slots: list[int], out: np.ndarray, read_before: np.ndarray) -> None:
        """Fill `out`, (n, bytes of an item) uint8; see `ItemReader`."""
        for slot in slots:
            if not (self._stays_cached and read_before[slot]):
                self._announce(slot)
        # One copy an item: numpy releases the interpreter's lock for each.
        for item, slot in zip(out, slots, strict=True):
            chunk, position = divmod(slot, self._unit)
            mapped = self._maps.get(chunk)
            if mapped is not None:
                item[:] = mapped.items[position]
            else:
                self._read_unmapped(chunk, position, slot, item)

    def _announce(self, slot: int) -> None:
        """Let the kernel begin to read an item, if its file is mapped or can be."""
        chunk, position = divmod(slot, self._unit)
        mapped = self._maps.get(chunk)
        if mapped is None:
            if len(self._maps) >= self._most_maps:
                return
            mapped = self._maps[chunk] = self._map(chunk, slot)
        start = position * self._item_bytes
        page = start - start % mmap.PAGESIZE
        mapped.memory.madvise(mmap.MADV_WILLNEED, page, start + self._item_bytes - page)

    def _map(self, chunk: int, slot: int) -> _Map:
        size = self._unit * self._item_bytes
        descriptor = self._open(chunk, slot)
        try:
            found = os.fstat(descriptor).st_size
            if found != size:
                raise self._array.damaged(slot, f"its chunk has {found} bytes instead of {size}")
            memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return _Map(memory, np.frombuffer(memory, np.uint8).reshape(self._unit, -1))

    def _read_unmapped(self, chunk: int, position: int, slot: int, item: np.ndarray) -> None:
        descriptor = self._open(chunk, slot)
        try:
            got = os.preadv(descriptor, [item.data], position * len(item))
        finally:
            os.close(descriptor)
        if got != len(item):
            raise self._array.damaged(
                slot, f"its chunk ended after {got} of the item's {len(item)} bytes"
            )

    def _open(self, chunk: int, slot: int) -> int:
        try:
            return os.open(self._array.file(chunk), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._array.unreadable(slot, error) from error
