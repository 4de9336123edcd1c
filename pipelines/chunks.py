"""Files of one unit of a pixel array, written block after block, whole or not at all.

The bytes are those of zarr v3's specification (its codecs `bytes` and `sharding_indexed`), written
here because zarr's own writer holds a whole shard in memory.
"""

import os
from pathlib import Path

import google_crc32c
import numpy as np
import xxhash
from numcodecs import zstd

from pipelines.files import target_errors

LEVEL = -1
"""Compression level of zstd. Photographs take a tenth more room than at level 3, are decompressed
twice as fast and compressed three times as fast: below level 1 zstd leaves the bytes that it cannot
match as they are, and decoding those was half of a loader's time.
"""
ABSENT = 2**64 - 1
"""Offset and length of an inner chunk that a shard does not have."""


class ChunkFile:
    """File of one uncompressed chunk of `unit` items: their bytes and, after the last one, zeros.

    Args:
        path: final path of the chunk.
        part: the file to write until then, on the same filesystem.
        unit: items a chunk; the array's last one may be given fewer.

    Used as a context: `write` blocks of items, then `commit`. Without it nothing is left behind.

    Raises:
        TargetError: the disk does not take it.
    """

    def __init__(self, path: Path, part: Path, unit: int) -> None:
        self.path = path
        self.unit = unit
        self.items = 0
        self.item_bytes = 0
        self._part = part
        with target_errors(path):
            self._file = part.open("wb", buffering=0)

    def write(self, block: np.ndarray) -> list[int]:
        """Append items (n, …); returns their digests."""
        self.item_bytes = block[0].nbytes
        self.items += len(block)
        with target_errors(self.path):
            self._append(block)
        return [xxhash.xxh3_64_intdigest(item) for item in block]

    def commit(self) -> int:
        """Give the file its name, once it is on the disk; its size in bytes."""
        with target_errors(self.path):
            self._complete()
            size = self._file.tell()
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._part.replace(self.path)
        return size

    def __enter__(self) -> "ChunkFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _append(self, block: np.ndarray) -> None:
        self._put(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)

    def _complete(self) -> None:
        """A chunk is full-sized in zarr; what nobody has written takes no room on the disk."""
        end = self.unit * self.item_bytes
        self._file.truncate(end)
        self._file.seek(end)

    def _put(self, content: bytes | memoryview) -> None:
        left = memoryview(content)
        while left:  # an unbuffered file may take less than it is given
            left = left[self._file.write(left) :]


class ShardFile(ChunkFile):
    """File of one shard of `unit` inner chunks of one item each: zstd, crc32c, index at the end."""

    def __init__(self, path: Path, part: Path, unit: int) -> None:
        super().__init__(path, part, unit)
        self._index = np.full((unit, 2), ABSENT, "<u8")
        self._end = 0

    def _append(self, block: np.ndarray) -> None:
        for position, item in enumerate(block, start=self.items - len(block)):
            content = zstd.compress(np.ascontiguousarray(item), LEVEL)
            self._index[position] = self._end, len(content) + 4
            self._put_checked(content)

    def _complete(self) -> None:
        self._put_checked(self._index.tobytes())

    def _put_checked(self, content: bytes) -> None:
        checksum = google_crc32c.value(content).to_bytes(4, "little")
        self._put(content + checksum)
        self._end += len(content) + 4
