"""Files beside a run's log that spare a reader to parse it again; without them a run is the same.

Invariants:

- A kept file says which beginning of the log it was made from. It is used only where the log still
  begins so, and is made again where it is absent, damaged, or of another version.
- It is written whole or not at all. Where it cannot be written, a run is read without it.
"""

import mmap
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from workbench.runs.decimate import Positions
from workbench.runs.files import atomic_write
from workbench.runs.measurements import HEAD, Block, column

VERSION = 1
_MAGIC = b"workbench columns %d\n" % VERSION
_NUMBER = 8
"""Bytes of every number in the file, and of the unit at which arrays begin."""
_ENDS = 4096
"""Bytes at either end of a log's beginning by which it is recognised."""
_PIECE = 1 << 20


class Beginning(msgspec.Struct, frozen=True):
    """Beginning of a log: all lines that were parsed.

    Attributes:
        length: bytes.
        size: bytes of the whole log before it was read.
        modified: time at which the log was modified before it was read, nanoseconds.
        check: checksum of the first and the last bytes of the beginning.
    """

    length: int
    size: int
    modified: int
    check: int

    @classmethod
    def of(cls, file: BinaryIO, length: int, before: os.stat_result) -> "Beginning":
        """First `length` bytes of an open log.

        Args:
            file: log.
            length: number of bytes.
            before: state of the log before these bytes were read.
        """
        return cls(length, before.st_size, before.st_mtime_ns, _check(file, length))

    def is_all(self, now: os.stat_result) -> bool:
        """Whether the log is in the state in which it was read."""
        return (now.st_size, now.st_mtime_ns) == (self.size, self.modified)

    def fits(self, file: BinaryIO) -> bool:
        """Whether an open log still begins so; one that was changed without growing does not."""
        now = os.fstat(file.fileno())
        grown = now.st_size != self.size and now.st_size >= self.length
        return (grown or self.is_all(now)) and _check(file, self.length) == self.check


def _check(file: BinaryIO, length: int) -> int:
    file.seek(0)
    first = file.read(min(_ENDS, length))
    file.seek(max(0, length - _ENDS))
    return zlib.crc32(file.read(min(_ENDS, length)), zlib.crc32(first))


def write_kept(path: Path, magic: bytes, body: Sequence[Any]) -> None:
    """Write a kept file, if its folder is there and can be written to.

    Args:
        path: path of the file.
        magic: first bytes, which tell kinds and versions apart.
        body: pieces of memory, which a checksum goes before.
    """
    check = 0
    for piece in body:
        check = zlib.crc32(piece, check)
    try:
        with atomic_write(path, sync=False, make_folder=False) as file:
            for piece in (magic, _number(check), *body):
                file.write(piece)
    except OSError:  # read-only, full or gone: the file only saves time
        return


class _Header(msgspec.Struct, frozen=True):
    """Contents of a file of columns.

    Attributes:
        beginning: the log's beginning that was read.
        blocks: kind, names and number of events of each block; whether its events are measured.
        levels: name, number of values and sizes of the levels of each measurement that has some.
    """

    beginning: Beginning
    blocks: list[tuple[str, list[str], int, bool]]
    levels: list[tuple[str, int, list[int]]]


class Columns(msgspec.Struct):
    """Parsed beginning of a log.

    Attributes:
        beginning: what was parsed.
        blocks: blocks with whether their events are measurements at a step.
        levels: for measurements that have some, by name: number of values of which they were made,
            and the positions in each level.
    """

    beginning: Beginning
    blocks: list[tuple[Block, bool]]
    levels: dict[str, tuple[int, list[Positions]]]

    def write(self, path: Path) -> None:
        """Write the file; see `write_kept`."""
        header = msgspec.msgpack.encode(
            _Header(
                self.beginning,
                [(b.kind, list(b.names), len(b), measured) for b, measured in self.blocks],
                [(n, count, [len(x) for x in own]) for n, (count, own) in self.levels.items()],
            )
        )
        arrays = [values for block, _ in self.blocks for values in block.arrays().values()]
        arrays += [level for _, levels in self.levels.values() for level in levels]
        padding = b" " * (-(len(_MAGIC) + 2 * _NUMBER + len(header)) % _NUMBER)
        body = [_number(len(header)), header, padding, *map(np.ascontiguousarray, arrays)]
        write_kept(path, _MAGIC, body)

    @classmethod
    def read(cls, path: Path, log: BinaryIO) -> "Columns | None":
        """Columns of a file; None where there is none that is whole and fits the open log."""
        try:
            with path.open("rb") as file:
                if not find_body(file, _MAGIC):
                    return None
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:
            return None
        start = len(_MAGIC) + _NUMBER
        length = int.from_bytes(memory[start : start + _NUMBER], "little")
        header = msgspec.msgpack.decode(
            memory[start + _NUMBER : start + _NUMBER + length], type=_Header
        )
        if not header.beginning.fits(log):
            return None
        place = start + _NUMBER + length
        arrays = _Reader(memory, place + -place % _NUMBER)
        blocks = [
            (Block(kind, names, arrays.block(names, count)), measured)
            for kind, names, count, measured in header.blocks
        ]
        levels = {
            name: (count, [arrays.next(np.dtype(np.int64), size) for size in sizes])
            for name, count, sizes in header.levels
        }
        return cls(header.beginning, blocks, levels)


class _Reader:
    """Reader of one array after another from a mapped file; arrays are not copied."""

    def __init__(self, memory: mmap.mmap, place: int) -> None:
        self._memory, self._place = memory, place

    def next(self, dtype: np.dtype[Any], count: int) -> Any:
        values = np.frombuffer(self._memory, dtype, count, self._place)
        self._place += values.nbytes
        return values

    def block(self, names: Sequence[str], count: int) -> Mapping[str, Any]:
        keys = dict(Block("", names).arrays())  # empty, with the dtypes
        return {key: self.next(keys[key].dtype, count) for key in (*HEAD, *map(column, names))}


def find_body(file: BinaryIO, magic: bytes) -> bool:
    """Whether an open kept file is of this kind and version, and undamaged.

    The file is read piece by piece, not mapped, and then stands at the beginning of its body.
    """
    if file.read(len(magic)) != magic:
        return False
    stated, found = int.from_bytes(file.read(_NUMBER), "little"), 0
    start = file.tell()
    for piece in _pieces(file):
        found = zlib.crc32(piece, found)
    file.seek(start)
    return stated == found


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER, "little")
