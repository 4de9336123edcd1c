"""Holds a store against its ledger: every chunk is there, and every value is what was written.

A chunk that is missing would be read as zeros, and a flipped bit as another image; here both are
faults that name the unit, the scene's raw file and the command that mends them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from tqdm.auto import tqdm

from pipelines.ledger import Ledger, UnitMark, array_digest
from pipelines.plan import Plan, Unit
from pipelines.store import PIXELS, array_of, read_attributes

THREADS = 4


@dataclass(frozen=True)
class Fault:
    """What is wrong with a part of a store."""

    unit: int
    where: str
    source: str
    what: str

    def __str__(self) -> str:
        return f"unit {self.unit}, {self.where}, from {self.source}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What verifying came to.

    Attributes:
        store: the store's folder.
        units: how many were compared.
        faults: what is wrong with them.
        unfinished: units that have no mark, so that there is nothing to compare.
    """

    store: Path
    units: int
    faults: tuple[Fault, ...]
    unfinished: tuple[int, ...]

    @property
    def ok(self) -> bool:
        """Whether the store is complete and whole."""
        return not self.faults and not self.unfinished

    @property
    def repair(self) -> str:
        """The command that writes the faulty and the unfinished units again."""
        redo = "".join(f" --redo {unit}" for unit in sorted({fault.unit for fault in self.faults}))
        return f"python -m pipelines resume --store {self.store}{redo}"

    def __str__(self) -> str:
        lines = [f"{self.store}: {self.units} units verified, {len(self.faults)} faults"]
        lines.extend(f"  {fault}" for fault in self.faults)
        if self.unfinished:
            lines.append(f"  {len(self.unfinished)} units are not written yet")
        if not self.ok:
            lines.append(f"  to mend: {self.repair}")
        return "\n".join(lines)


def verify(path: Path | str, *, progress: bool = True) -> Verification:
    """Read all of a store again and compare it with the ledger; writes nothing.

    Raises:
        PipelineError: no store there, or one without a ledger.
    """
    path = Path(path)
    read_attributes(path)
    ledger = Ledger(path)
    plan, marks = ledger.plan(), ledger.marks()
    units = [unit for unit in plan.units if unit.index in marks]
    faults: list[Fault] = []
    # Digests and codecs release the interpreter's lock: threads are enough.
    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=plan.scenes, disable=not progress) as bar:
        found = pool.map(lambda unit: list(_faults(path, plan, unit, marks[unit.index])), units)
        for unit, each in zip(units, found, strict=True):
            faults.extend(each)
            bar.update(len(unit.records))
    unfinished = tuple(unit.index for unit in plan.units if unit.index not in marks)
    return Verification(path, len(units), tuple(faults), unfinished)


def _faults(path: Path, plan: Plan, unit: Unit, mark: UnitMark) -> Iterator[Fault]:
    group = zarr.open_group(path, mode="r")
    for slot, record, digests in zip(
        range(unit.start, unit.stop), unit.records, mark.pixels, strict=True
    ):
        for name in PIXELS:
            if what := _compare(path, array_of(group, name), slot, slot, digests[name]):
                where = f"{name} of scene {record.id}"
                yield Fault(unit.index, where, f"{plan.root}/{record.image.path}", what)
    for name, digest in mark.table.items():
        if what := _compare(path, array_of(group, name), unit.index, unit.slots, digest):
            yield Fault(unit.index, name, plan.root, what)


def _compare(path: Path, array: zarr.Array, chunk: int, slots: int | slice, digest: str) -> str:
    """What is wrong with one chunk's range of slots; nothing if it is as it was written."""
    key = array.metadata.encode_chunk_key((chunk, *(0,) * (array.ndim - 1)))
    if not (path / array.path / key).is_file():
        return "its chunk is missing"
    try:
        found = array_digest(np.asarray(array[slots]))
    # A damaged chunk ends in whatever error its codecs meet first.
    except Exception as error:  # noqa: BLE001
        return f"its chunk is damaged ({type(error).__name__}: {error})"
    return "" if found == digest else "its values are not those that were written"
