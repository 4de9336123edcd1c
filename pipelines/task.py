"""The task that writes one unit: idempotent, so that it may be killed and done again.

It reads item after item and writes them in blocks: a worker holds one image and one block, whatever
the unit's size. When a unit waits for the disk, its worker goes on to the next one. The unit's mark
in the ledger is the last thing that it writes.
"""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path
from threading import Lock

import numpy as np
from distributed import Status, get_worker, secede

from pipelines.chunks import ChunkFile, ShardFile
from pipelines.datasets import read_items
from pipelines.errors import UserError
from pipelines.files import target_errors
from pipelines.ledger import REACHED, Columns, Ledger, Quarantined, UnitMark
from pipelines.plan import BLOCK_BYTES, Plan
from pipelines.profiles import LOCAL
from pipelines.records import Item
from pipelines.schema import STRING, Field, digest_name


def attempt_unit(index: int, store: str, fingerprint: str, root: str) -> UnitMark | Exception:
    """`write_unit` for a worker: an error that has its sentence is handed over, not logged."""
    try:
        return write_unit(index, store, fingerprint, root)
    except (UserError, OSError) as error:
        return error


def write_unit(index: int, store: str, fingerprint: str, root: str) -> UnitMark:
    """Read a unit's records, write its chunks, mark it as done.

    An item that is broken is quarantined, with its slot empty and not valid. Any other error is
    raised, and the unit stays undone.

    Args:
        index: the unit.
        store: folder of the store, whose ledger has the plan.
        fingerprint: the plan's.
        root: the dataset's folder, which may have moved since a worker has last seen the plan.
    """
    plan = _plan(store, fingerprint, root)
    unit, ledger = plan.units[index], Ledger(store)
    bad: list[Quarantined] = []
    columns: Columns = {field.name: [] for field in plan.schema.table}
    with ExitStack() as stack:
        files = [stack.enter_context(each) for each in _files(plan, index, ledger)]
        frames = _frames(plan)
        reached = stack.enter_context(_reached(ledger, index))
        read = _followed(read_items(plan, ledger.records(unit)), unit.start, reached)
        for start, items in _blocks(plan, unit.start, read):
            for field, file, frame in zip(plan.schema.pixels, files, frames, strict=True):
                block = _fill(frame[: len(items)], field, items)
                columns[digest_name(field.name)] += file.write(block)
            _add_rows(columns, plan, items)
            bad += [
                Quarantined(slot, item.id, item.source, item.problem)
                for slot, item in enumerate(items, start=start)
                if item.pixels is None
            ]
        with _BEFORE_THE_DISK:
            _make_way()
            written = sum(file.commit() for file in files)
            return ledger.record(index, columns, written, bad)


_BEFORE_THE_DISK = Lock()
"""Held by the one unit of a worker that waits for the disk."""


_ATTEMPTS = count()
"""Tells a process's files apart."""


def _make_way() -> None:
    """Let this worker, if it is one, begin its next task.

    A worker that closes begins none, and it holds, while it waits for this task, the lock for which
    `secede` would wait: half a minute, until it loses patience with a unit that was all but done.
    """
    with suppress(ValueError):  # distributed's for "not in a worker"
        if get_worker().status == Status.running:
            secede()


@lru_cache(maxsize=4)
def _plan(store: str, fingerprint: str, root: str) -> Plan:
    return Ledger(store).plan()


def chunk_path(plan: Plan, field: Field, index: int) -> Path:
    """Path of a unit's chunk of a pixel array inside the store: zarr's default keys."""
    return Path(field.name, "c", str(index), *("0" for _ in field.shape))


def units_with_holes(plan: Plan, store: Path, done: Iterable[int]) -> list[int]:
    """Units out of those that are done of which a chunk's file is missing; none is read."""
    return [
        index
        for index in sorted(done)
        if not all((store / chunk_path(plan, each, index)).is_file() for each in plan.schema.pixels)
    ]


def _files(plan: Plan, index: int, ledger: Ledger) -> Iterator[ChunkFile]:
    kind = ChunkFile if plan.profile == LOCAL else ShardFile
    for field in plan.schema.pixels:
        # A name of its own: a scheduler that lost sight of a worker runs its task elsewhere too,
        # and a worker may begin a unit again while the task of a client that died still waits.
        part = f"{index:05d}-{field.name}.{socket.gethostname()}-{os.getpid()}-{next(_ATTEMPTS)}"
        yield kind(ledger.store / chunk_path(plan, field, index), ledger.parts / part, plan.unit)


@contextmanager
def _reached(ledger: Ledger, index: int) -> Iterator[Callable[[int], None]]:
    """A function that keeps the slot of the item that a unit is at.

    It stands in a file that an end of any kind takes away, but the death of the process: see
    `Ledger.reached`.
    """
    name = f"{index:05d}{REACHED}{socket.gethostname()}-{os.getpid()}-{next(_ATTEMPTS)}"
    path = ledger.parts / name
    with target_errors(path):
        file = path.open("wb", buffering=0)

    def keep(slot: int) -> None:
        with target_errors(path):
            file.seek(0)
            file.write(b"%012d" % slot)

    try:
        yield keep
    finally:
        file.close()
        path.unlink(missing_ok=True)


def _followed(items: Iterator[Item], start: int, reached: Callable[[int], None]) -> Iterator[Item]:
    """The items, of which the slot is told before one is read."""
    for slot in count(start):
        reached(slot)
        item = next(items, None)
        if item is None:
            return
        yield item


def _blocks(plan: Plan, start: int, items: Iterator[Item]) -> Iterator[tuple[int, list[Item]]]:
    """The items with their first slot, in lists of about `BLOCK_BYTES` of pixels."""
    most = _block_items(plan)
    block: list[Item] = []
    for item in items:
        block.append(item)
        if len(block) == most:
            yield start, block
            start, block = start + most, []
    if block:
        yield start, block


def _block_items(plan: Plan) -> int:
    return min(plan.unit, max(1, BLOCK_BYTES // plan.schema.item_bytes))


def _frames(plan: Plan) -> list[np.ndarray]:
    """Room for one block of every pixel array."""
    most = _block_items(plan)
    return [np.empty((most, *field.shape), field.numpy) for field in plan.schema.pixels]


def _fill(block: np.ndarray, field: Field, items: list[Item]) -> np.ndarray:
    """Put the items' contents into their frames, (items, *field.shape), zeros beside them."""
    for frame, item in zip(block, items, strict=True):
        frame.fill(0)  # here and not for all: the processor's cache still has it below
        if item.pixels is not None:
            content = item.pixels[field.name]
            corner = dict(zip(("y", "x"), item.corner, strict=True))
            starts = [corner.get(name, 0) for name in field.dims]
            place = tuple(
                slice(at, at + size) for at, size in zip(starts, content.shape, strict=True)
            )
            frame[place] = content
    return block


def _add_rows(columns: Columns, plan: Plan, items: list[Item]) -> None:
    """Append the items' rows; values that the source does not give are zero or empty."""
    for field in plan.schema.values:
        empty = "" if field.dtype == STRING else np.zeros((), field.numpy).item()
        for item in items:
            value = item.row.get(field.name, empty)
            if field.shape:
                value = [*(value or []), *[empty] * (field.shape[0] - len(value or []))]
            columns[field.name].append(value)
    columns["valid"] += [item.pixels is not None for item in items]
