"""Vectors of regions, computed in parallel and cached in files.

A file holds the vectors of neighbouring slots of the store, whatever the selection of regions: the
training part, the held-out part and the whole store share computed vectors.
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
from tqdm.auto import tqdm

from workbench.data.regions import Regions

BLOCK = 32
"""Number of slots of a file, and largest number of regions in a worker's task."""

Describe = Callable[[Regions], Float32[np.ndarray, "regions entries"]]
"""Function that computes the vectors of regions, in their order; picklable."""


class VectorFiles:
    """Files of the vectors of a store's regions, by slot, in a folder.

    Args:
        folder: folder, made where missing.
        key: everything else that the vectors depend on: the store, the method.
        entries: length of a vector.
    """

    def __init__(self, folder: Path, key: str, entries: int) -> None:
        self.entries = entries
        self._folder = folder / xxhash.xxh3_128_hexdigest(key.encode())
        self._folder.mkdir(parents=True, exist_ok=True)

    def read(
        self, block: int
    ) -> tuple[Int[np.ndarray, "slots"], Float32[np.ndarray, "slots entries"]]:
        """Slots and vectors of a block; empty where its file is missing or invalid."""
        place = self._place(block)
        if place.is_file():
            try:
                found = load_file(place)
                if found["vectors"].shape == (len(found["slots"]), self.entries):
                    return found["slots"], found["vectors"]
            except (SafetensorError, KeyError):
                pass  # an invalid file is computed again and overwritten
        return np.zeros(0, np.int64), np.zeros((0, self.entries), np.float32)

    def add(
        self,
        block: int,
        slots: Int[np.ndarray, "slots"],
        vectors: Float32[np.ndarray, "slots entries"],
    ) -> None:
        """Add vectors to a block; a killed process leaves the file as it was."""
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
    """Vectors of regions, in their order.

    Args:
        regions: any selection of a store's regions.
        describe: function that computes the vectors of some regions.
        entries: length of a vector.
        files: cache of vectors; None: all are computed.
        workers: number of processes; 1 computes in this process.
        progress: show a progress bar on stderr.
        title: title of the bar.
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
    """Blocks of slots that the selection touches, with the positions of their regions."""
    blocks = regions.slots // BLOCK
    order = np.argsort(blocks, kind="stable")
    numbers, starts = np.unique(blocks[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)


def _computed(
    tasks: dict[int, Regions], describe: Describe, workers: int
) -> Iterator[tuple[int, Float32[np.ndarray, "regions entries"]]]:
    """Vectors of each task, in order of completion."""
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
    """Set up a worker: one thread; Ctrl-C is left to the parent, which ends the workers."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
