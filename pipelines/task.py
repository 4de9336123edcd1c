"""The task that writes one unit: idempotent, so that it may be killed and done again.

It reads item after item and hands them on in blocks to a thread that digests and writes: a worker
holds one image and a few blocks, whatever the unit's size, and its processor decodes while the
disk is busy. The unit's mark in the ledger is the last thing that it writes.
"""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipelines.chunks import ChunkFile, ShardFile
from pipelines.datasets import read_items
from pipelines.errors import PipelineError
from pipelines.ledger import Columns, Ledger, Quarantined, UnitMark
from pipelines.plan import BLOCK_BYTES, Plan
from pipelines.profiles import LOCAL
from pipelines.schema import STRING, Field, digest_name
from pipelines.sources.records import Item


def attempt_unit(index: int, store: str, fingerprint: str, root: str) -> UnitMark | Exception:
    """`write_unit` for a worker: an error that has its sentence is handed over, not logged."""
    try:
        return write_unit(index, store, fingerprint, root)
    except (PipelineError, OSError) as error:
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
        # Left last: when a task fails, its thread ends before its files are taken away.
        files = [stack.enter_context(each) for each in _files(plan, index, ledger)]
        pool = stack.enter_context(ThreadPoolExecutor(1, "writer"))
        last: list[Future] = []
        for start, items in _blocks(plan, unit.start, read_items(plan, ledger.records(unit))):
            blocks = [_block(field, items) for field in plan.schema.pixels]
            _drain(last, plan, columns)
            last = [pool.submit(f.write, block) for f, block in zip(files, blocks, strict=True)]
            _add_rows(columns, plan, items)
            bad += [
                Quarantined(slot, item.id, item.source, item.problem)
                for slot, item in enumerate(items, start=start)
                if item.pixels is None
            ]
        _drain(last, plan, columns)
        written = sum(file.commit() for file in files)
    return ledger.record(index, columns, written, bad)


@lru_cache(maxsize=4)
def _plan(store: str, fingerprint: str, root: str) -> Plan:
    return Ledger(store).plan()


def chunk_path(plan: Plan, field: Field, index: int) -> Path:
    """Where a unit's chunk of a pixel array lies in the store: zarr's default keys."""
    return Path(field.name, "c", str(index), *("0" for _ in field.shape))


def _files(plan: Plan, index: int, ledger: Ledger) -> Iterator[ChunkFile]:
    kind = ChunkFile if plan.profile == LOCAL else ShardFile
    for field in plan.schema.pixels:
        # A name of its own: a scheduler that lost sight of a worker runs its task elsewhere too.
        part = f"{index:05d}-{field.name}.{socket.gethostname()}-{os.getpid()}"
        yield kind(ledger.store / chunk_path(plan, field, index), ledger.parts / part, plan.unit)


def _blocks(plan: Plan, start: int, items: Iterator[Item]) -> Iterator[tuple[int, list[Item]]]:
    """The items with their first slot, in lists of about `BLOCK_BYTES` of pixels."""
    most = max(1, BLOCK_BYTES // plan.schema.item_bytes)
    block: list[Item] = []
    for item in items:
        block.append(item)
        if len(block) == most:
            yield start, block
            start, block = start + most, []
    if block:
        yield start, block


def _block(field: Field, items: list[Item]) -> np.ndarray:
    """The items' contents in their frames, zeros beside them: (items, *field.shape)."""
    block = np.zeros((len(items), *field.shape), field.numpy)
    for frame, item in zip(block, items, strict=True):
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
    """What the source says of the items; what it cannot say of a broken one is zero or empty."""
    for field in plan.schema.values:
        empty = "" if field.dtype == STRING else np.zeros((), field.numpy).item()
        for item in items:
            value = item.row.get(field.name, empty)
            if field.shape:
                value = [*(value or []), *[empty] * (field.shape[0] - len(value or []))]
            columns[field.name].append(value)
    columns["valid"] += [item.pixels is not None for item in items]


def _drain(written: list[Future], plan: Plan, columns: Columns) -> None:
    """Wait for the last blocks, and note their digests."""
    for field, future in zip(plan.schema.pixels, written, strict=False):
        columns[digest_name(field.name)] += future.result()
