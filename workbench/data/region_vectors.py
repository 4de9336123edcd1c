"""A vector for every region, computed in parallel, kept in files, and never computed twice.

A file holds those of neighbouring slots of the store, whichever selection of its regions asked for
them: training part, held-out part and all of them share what has been computed.
"""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import xxhash
from jaxtyping import Float32, Int, Shaped
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from workbench.data.regions import Regions

BLOCK = 32
"""Slots of a file, and at most so many regions are a task of a worker."""

Describe = Callable[[Regions], Float32[np.ndarray, "regions entries"]]
"""Vectors of regions, in their order; picklable."""


class VectorFiles:
    """Vectors of a store's regions by slot, in a folder.

    Args:
        folder: made if it is not there.
        key: what the vectors depend on beside the region: its store, how they are computed.
        entries: of a vector.
    """

    def __init__(self, folder: Path, key: str, entries: int) -> None:
        self.entries = entries
        self._folder = folder / xxhash.xxh3_128_hexdigest(key.encode())
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(
        self, block: int
    ) -> tuple[Int[np.ndarray, "slots"], Float32[np.ndarray, "slots entries"]]:
        """What is there of a block; nothing where its file is missing, or is no such file."""
        place = self._place(block)
        if place.is_file():
            try:
                found = load_file(place)
                if found["vectors"].shape == (len(found["slots"]), self.entries):
                    return found["slots"], found["vectors"]
            except (SafetensorError, KeyError):
                pass  # written by something else: computed again, and overwritten
        return np.zeros(0, np.int64), np.zeros((0, self.entries), np.float32)

    def add(
        self,
        block: int,
        slots: Int[np.ndarray, "slots"],
        vectors: Float32[np.ndarray, "slots entries"],
    ) -> None:
        """Put vectors beside those that are there; a killed process leaves the file as it was."""
        known, kept = self.read(block)
        place = self._place(block)
        partial = place.with_suffix(".part")
        together = {
            "slots": np.concatenate([known, slots.astype(np.int64)]),
            "vectors": np.concatenate([kept, vectors]),
        }
        save_file(together, partial)
        partial.replace(place)

    def _place(self, block: int) -> Path:
        return self._folder / f"{block:06d}.safetensors"


def region_vectors(
    regions: Regions,
    describe: Describe,
    entries: int,
    *,
    files: VectorFiles | None = None,
    workers: int = 2,
    progress: bool = True,
    title: str = "regions",
) -> Float32[np.ndarray, "regions entries"]:
    """The vector of every region, in their order.

    Args:
        regions: any selection of a store's.
        describe: computes the vectors of some of them.
        entries: of a vector.
        files: where vectors are looked up and kept; None: all are computed.
        workers: processes; 1 computes in this one.
        progress: show a bar on stderr.
        title: of the bar.
    """
    vectors = np.empty((len(regions), entries), np.float32)
    missing: dict[int, np.ndarray] = {}
    for block, positions in _blocks(regions):
        there = np.zeros(len(positions), bool)
        if files is not None:
            known, kept = files.read(block)
            order = {int(slot): i for i, slot in enumerate(known)}
            rows = np.array([order.get(int(slot), -1) for slot in regions.slots[positions]])
            there = rows >= 0
            vectors[positions[there]] = kept[rows[there]]
        if not there.all():
            missing[block] = positions[~there]
    left = sum(map(len, missing.values()))
    bar = tqdm(total=len(regions), initial=len(regions) - left, desc=title, unit="region",
               disable=not progress)  # fmt: skip
    with bar:
        tasks = {block: regions.select(positions) for block, positions in missing.items()}
        for block, found in _computed(tasks, describe, workers):
            if files is not None:
                files.add(block, tasks[block].slots, found)
            vectors[missing[block]] = found
            bar.update(len(found))
    return vectors


def _blocks(regions: Regions) -> Iterator[tuple[int, Shaped[np.ndarray, "some"]]]:
    """Each block of slots that the selection touches, with the positions of its regions."""
    blocks = regions.slots // BLOCK
    order = np.argsort(blocks, kind="stable")
    numbers, starts = np.unique(blocks[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)


def _computed(
    tasks: dict[int, Regions], describe: Describe, workers: int
) -> Iterator[tuple[int, Float32[np.ndarray, "regions entries"]]]:
    """The vectors of each task, as they come."""
    if workers == 1 or len(tasks) < 2:
        for block, part in tasks.items():
            yield block, describe(part)
        return
    pool = ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), _prepare)
    try:
        running = {pool.submit(describe, part): block for block, part in tasks.items()}
        for done in as_completed(running):
            yield running[done], done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """One thread a worker; Ctrl-C is the parent's, who ends the workers."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
