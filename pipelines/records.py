"""Records: what a source tells a plan of an image file, and the items that it reads from one.

A record is one image file with what is known about it: identity, sizes, annotations, no pixels.
Records are written as lines of JSON beside the store, and a task reads those of its own unit:
neither the plan's header nor the Dask graph grows with them. Paths are relative to the dataset's
folder: a dataset that is moved keeps its records.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pipelines.errors import PipelineError
from pipelines.schema import Schema

Value = str | int | bool | float
"""The value of a plan's parameter."""


@dataclass(frozen=True)
class RawFile:
    """File of the dataset: its path relative to the dataset's folder, and its size in bytes."""

    path: str
    size: int


@runtime_checkable
class Record(Protocol):
    """Record of an image file, which gives one or more items."""

    @property
    def items(self) -> int:
        """Number of slots of the store that the record fills."""

    def part(self, start: int, stop: int) -> "Record":
        """The record of some of its items."""


@dataclass(frozen=True)
class Listing:
    """The content of a dataset's folder, as discovery found it.

    Attributes:
        root: the folder that the records' paths are relative to.
        layout: the layout's name.
        schema: schema of the store that the records give.
        records: records in the order in which the store keeps them.
        splits: items of each split, in the store's order.
        raw_bytes: size of all files that will be read.
        largest: height and width of the largest image.
        categories: official id and name of each category; its position is its contiguous number.
        notes: sentences about what was left out, and why.
        attributes: attributes of the store that its product adds, by name.
    """

    root: Path
    layout: str
    schema: Schema
    records: Sequence[Record]
    splits: tuple[tuple[str, int], ...]
    raw_bytes: int
    largest: tuple[int, int]
    categories: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()
    attributes: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Item:
    """The content of one slot of a store.

    Attributes:
        id: the name for messages.
        source: the image file, relative to the dataset's folder.
        row: the values of the table, by column.
        pixels: the content by pixel array, or None: it is quarantined, and `problem` says why.
        corner: row and column of the frame at which the content begins.
        problem: why it could not be read.
    """

    id: str
    source: str
    row: dict[str, Any]
    pixels: dict[str, np.ndarray] | None
    corner: tuple[int, int] = (0, 0)
    problem: str = ""


def read_file(root: Path, file: RawFile) -> bytes:
    """The file's bytes, if they still are as many as when the plan was made.

    Raises:
        PipelineError: the file has changed.
        OSError: it cannot be read at all.
    """
    path = Path(root) / file.path
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading from a pipe waits for ever
        raise PipelineError(f"a file in {file.path}", "a pipe or device", "restore the file")
    content = path.read_bytes()
    if len(content) != file.size:
        raise PipelineError(
            f"{file.size} bytes in {file.path} as the plan has it",
            f"{len(content)}",
            "plan anew: run with --overwrite",
        )
    return content
