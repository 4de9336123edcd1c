"""Items of the profile `remote`: inner chunks of one item in zarr's shards, on disk or at a URL.

A shard ends in its index: offset and length of every inner chunk, and a CRC-32C of these
(zarr v3, sharding-indexed codec, version 1.0). It is read and checked once; from then on an item
is one ranged read, a CRC-32C and a zstd frame that is decompressed straight into its place.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import google_crc32c
import numpy as np
from fsspec import AbstractFileSystem
from numcodecs import zstd

from pipelines.chunks import ABSENT
from pipelines.store.description import ArrayDescription

CHECKSUM = 4
"""Bytes of a CRC-32C, little-endian, after what it covers."""
RESIDUE = 0x48674BC7
"""The CRC-32C of anything that its own CRC-32C follows."""

Fetch = Callable[[Sequence[str], Sequence[int], Sequence[int]], Iterable[bytes | Exception]]
"""Ranged reads: paths, first bytes (negative: from the end), lengths; bytes or error of each."""


def fetch_local(
    paths: Sequence[str], starts: Sequence[int], sizes: Sequence[int]
) -> Iterator[bytes | Exception]:
    """`Fetch` from files of this machine, one after the other: they use the same memory again."""
    for path, start, size in zip(paths, starts, sizes, strict=True):
        # System calls instead of a file object: that would take as long as reading 100 kB.
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if start < 0:  # a file that is shorter than its index is read from its beginning
                    start = max(0, os.fstat(descriptor).st_size + start)
                content = os.pread(descriptor, size, start)
            finally:
                os.close(descriptor)
        except OSError as error:
            yield error
        else:
            yield content


def fetch_from(filesystem: AbstractFileSystem) -> Fetch:
    """`Fetch` through fsspec, which asks for all ranges at once where its protocol can."""

    def fetch(
        paths: Sequence[str], starts: Sequence[int], sizes: Sequence[int]
    ) -> list[bytes | Exception]:
        ends = [
            start + size if start >= 0 else None for start, size in zip(starts, sizes, strict=True)
        ]
        return list(filesystem.cat_ranges(list(paths), list(starts), ends, on_error="return"))

    return fetch


class Sharded:
    """A reader of an array of shards whose inner chunks are items.

    Args:
        array: the array, whose `file` names shards for `fetch`.
        fetch: reads ranges of files.
    """

    def __init__(self, array: ArrayDescription, fetch: Fetch) -> None:
        self._array, self._unit, self._fetch = array, array.unit, fetch
        self._indexes: dict[int, np.ndarray] = {}

    def read(self, slots: list[int], out: np.ndarray, read_before: np.ndarray) -> None:
        """Fill `out`, (n, bytes of an item) uint8; see `ItemReader`."""
        shards = [slot // self._unit for slot in slots]
        self._read_indexes(shards, slots)
        where: list[list[int]] = [
            self._indexes[shard][slot % self._unit].tolist()
            for shard, slot in zip(shards, slots, strict=True)
        ]
        for slot, found in zip(slots, where, strict=True):
            if found == [ABSENT, ABSENT]:
                raise self._array.damaged(slot, "its chunk is missing in its shard")
        payloads = self._fetch(
            [self._array.file(shard) for shard in shards],
            [offset for offset, _ in where],
            [size for _, size in where],
        )
        for slot, item, payload, (_, size) in zip(slots, out, payloads, where, strict=True):
            body = self._checked_body(slot, payload, size, "its chunk")
            try:
                zstd.decompress(body, item)
            except RuntimeError as error:
                raise self._array.damaged(slot, f"its chunk is damaged ({error})") from error

    def _read_indexes(self, shards: list[int], slots: list[int]) -> None:
        """Read and check the indexes of shards that are met for the first time."""
        pairs = zip(shards, slots, strict=True)
        new = {shard: slot for shard, slot in pairs if shard not in self._indexes}
        size = 16 * self._unit + CHECKSUM
        files = [self._array.file(shard) for shard in new]
        found = self._fetch(files, [-size] * len(new), [size] * len(new))
        for (shard, slot), payload in zip(new.items(), found, strict=True):
            body = self._checked_body(slot, payload, size, "its shard's index")
            self._indexes[shard] = np.frombuffer(body, "<u8").reshape(self._unit, 2)

    def _checked_body(
        self, slot: int, payload: bytes | Exception, size: int, what: str
    ) -> memoryview:
        """Content before a checksum, if it is complete and agrees with it."""
        if isinstance(payload, Exception):
            raise self._array.unreadable(slot, payload) from payload
        if len(payload) != size:
            raise self._array.damaged(slot, f"{what} has {len(payload)} bytes instead of {size}")
        if google_crc32c.value(payload) != RESIDUE:
            raise self._array.damaged(slot, f"{what} does not agree with its checksum")
        return memoryview(payload)[:-CHECKSUM]
