"""Batch files of CIFAR-10, binary or pickled: where each image lies in them, and its pixels.

An image is three planes of 1,024 bytes, in a pickle as in a binary file: both are read in place.
Numbers are those of the official order, from 0 in each split.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import PipelineError
from pipelines.records import RawFile
from pipelines.sources import arrays_only
from pipelines.sources.cifar_records import (
    BYTES,
    SIDE,
    SPLITS,
    Found,
    ImagePlace,
    ImagesRecord,
)

BATCHES = (*((f"data_batch_{k}", "train") for k in range(1, 6)), ("test_batch", "test"))
"""Name of each batch file, without suffix, and its split."""
META = "batches.meta"
ROWS = 10_000
"""Rows of an official batch file."""
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
"""MD5 of the official pickles (torchvision's `CIFAR10`); none are published of the binary files."""
AGAIN = "download it again: python -m pipelines download cifar10"


@dataclass(frozen=True)
class _Batch:
    """Content of a batch file: a label for each row, and places of the rows' pixels in the file."""

    content: bytes
    labels: list[int]
    first: int
    step: int


def find_binary(base: Path) -> Found:
    """Images of the official binary files."""
    names = _existing(base / f"{META}.txt").read_text(errors="replace").splitlines()
    return _batches(base, ".bin", tuple(filter(None, map(str.strip, names))), _binary)


def find_pickled(base: Path) -> Found:
    """Images of the official pickles."""
    meta = _existing(base / META)
    names = _entry(arrays_only.load(meta.read_bytes(), str(meta)), "label_names", meta)
    if not isinstance(names, list):
        raise PipelineError(f"a list `label_names` in {meta}", f"{type(names).__name__}", AGAIN)
    return _batches(base, "", tuple(map(_text, names)), _pickled)


def read_row(file: int, record: ImagesRecord, each: ImagePlace) -> np.ndarray:
    """The image of a row, (32, 32, 3) uint8.

    Args:
        file: descriptor of the record's file.
        record: the record.
        each: place of the image.

    Raises:
        PipelineError: its bytes are others than when the plan was made.
    """
    content = os.pread(file, BYTES, each.offset)
    if zlib.crc32(content) != each.crc32:
        raise PipelineError(
            f"the bytes of {each.id} in {record.file.path} as the plan has them",
            "others",
            "plan anew: run with --overwrite",
        )
    planes = np.frombuffer(content, np.uint8).reshape(3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def _batches(
    base: Path, suffix: str, names: tuple[str, ...], read: Callable[[Path], _Batch]
) -> Found:
    """The records of all batch files, whose names end in `suffix`."""
    records: list[ImagesRecord] = []
    short: list[str] = []
    altered: list[str] = []
    counted = dict.fromkeys(SPLITS, 0)
    for name, split in BATCHES:
        path = _existing(base / f"{name}{suffix}")
        batch = read(path)
        if strange := [label for label in batch.labels if not 0 <= label < len(names)]:
            raise PipelineError(
                f"labels from 0 to {len(names) - 1} in {path}", f"{strange[0]}", AGAIN
            )
        if len(batch.labels) != ROWS:
            short.append(f"{path.name} {len(batch.labels):,}")
        elif path.name in MD5 and hashlib.md5(batch.content).hexdigest() != MD5[path.name]:
            altered.append(path.name)
        images = tuple(_places(batch, split, counted[split]))
        counted[split] += len(images)
        file = RawFile(path.name, len(batch.content))
        digest = hashlib.sha256(batch.content).hexdigest()
        records.append(ImagesRecord(file, digest, split, zipped=False, images=images))
    notes = []
    if short:
        notes.append(f"not {ROWS:,} images a file as in CIFAR-10: {', '.join(short)}")
    if altered:
        notes.append(f"not CIFAR-10's files by their MD5: {', '.join(altered)}")
    return Found(names, tuple(records), tuple(notes))


def _places(batch: _Batch, split: str, first: int) -> Iterator[ImagePlace]:
    view = memoryview(batch.content)
    for row, label in enumerate(batch.labels):
        start, number = batch.first + row * batch.step, first + row
        crc32 = zlib.crc32(view[start : start + BYTES])
        yield ImagePlace(f"{split}/{number:05d}", label, number, start, BYTES, crc32)


def _binary(path: Path) -> _Batch:
    content = path.read_bytes()
    step = 1 + BYTES
    if not content or len(content) % step:
        raise PipelineError(
            f"rows of {step:,} bytes in {path}",
            f"{len(content):,} bytes, {len(content) % step:,} more than whole rows",
            AGAIN,
        )
    labels = np.frombuffer(content, np.uint8)[::step].tolist()
    return _Batch(content, labels, 1, step)


def _pickled(path: Path) -> _Batch:
    content = path.read_bytes()
    loaded = arrays_only.load(content, str(path))
    data, labels = _entry(loaded, "data", path), _entry(loaded, "labels", path)
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.shape[1:] == (BYTES,)):
        found = f"{data.dtype} of {data.shape}" if isinstance(data, np.ndarray) else type(data)
        raise PipelineError(f"`data` uint8 of (rows, {BYTES}) in {path}", f"{found}", AGAIN)
    whole = isinstance(labels, list) and all(type(label) is int for label in labels)
    if not whole or not len(data) or len(labels) != len(data):
        raise PipelineError(
            f"`labels`, a list of {len(data)} whole numbers, one or more, in {path}",
            f"{type(labels).__name__} of {np.size(labels)}",
            AGAIN,
        )
    return _Batch(content, labels, _find(content, data, path), BYTES)


def _find(content: bytes, data: np.ndarray, path: Path) -> int:
    """Where an array's bytes lie in its pickle."""
    whole = data.tobytes()
    start = content.find(whole[:BYTES])
    while start >= 0:
        if content.startswith(whole, start):
            return start
        start = content.find(whole[:BYTES], start + 1)
    raise PipelineError(
        f"`data` in one piece, row by row, in {path}",
        "an array that is stored in another way",
        "pickle a C-contiguous array with protocol 2 or later",
    )


def _entry(loaded: Any, key: str, path: Path) -> Any:
    """Value of a pickled dict, whose keys are bytes or strings."""
    entries = {_text(k): v for k, v in loaded.items()} if isinstance(loaded, dict) else {}
    if key not in entries:
        found = ", ".join(entries) or type(loaded).__name__
        raise PipelineError(f"a dict with `{key}` in {path}", found, AGAIN)
    return entries[key]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise PipelineError(f"{path.name} in {path.parent}", "no such file", AGAIN)
    return path
