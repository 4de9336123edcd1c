"""Compares a store with its ledger: every chunk is there, and every value is what was written.

A chunk that is missing would be read as zeros, and a flipped bit as another image; here both are
faults that name the unit, the item's raw file and the command that mends them.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash
import zarr
from tqdm.auto import tqdm

from pipelines.ledger import Columns, Ledger
from pipelines.plan import Plan, Unit
from pipelines.profiles import TABLE_ROWS
from pipelines.schema import Field, digest_name
from pipelines.store.attributes import array_of, read_attributes
from pipelines.task import chunk_path

THREADS = 4


@dataclass(frozen=True)
class Fault:
    """A part of a store that is not what was written; a fault of the table has no unit."""

    unit: int | None
    where: str
    source: str
    what: str

    def __str__(self) -> str:
        unit = "table" if self.unit is None else f"unit {self.unit}"
        return f"{unit}, {self.where}, from {self.source}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """The result of verifying a store.

    Attributes:
        store: the store's folder.
        units: number of units that were compared.
        faults: faults of these units.
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
        """The command that writes the faulty and the unfinished units, and the table, again."""
        units = sorted({fault.unit for fault in self.faults if fault.unit is not None})
        redo = "".join(f" --redo {unit}" for unit in units)
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
    attributes = read_attributes(path)
    ledger = Ledger(path)
    plan, done = ledger.plan(), ledger.done()
    units = [unit for unit in plan.units if unit.index in done]
    group = zarr.open_group(path, mode="r")
    faults: list[Fault] = []
    # Digests and codecs release the interpreter's lock: threads are enough.
    with ThreadPoolExecutor(THREADS) as pool, tqdm(total=plan.items, disable=not progress) as bar:
        found = pool.map(lambda unit: list(_faults(group, plan, unit, ledger)), units)
        for unit, each in zip(units, found, strict=True):
            faults.extend(each)
            bar.update(unit.items)
    if attributes["complete"]:
        faults.extend(_table_faults(group, plan, ledger, units))
    unfinished = tuple(unit.index for unit in plan.units if unit.index not in done)
    return Verification(path, len(units), tuple(faults), unfinished)


def _faults(group: zarr.Group, plan: Plan, unit: Unit, ledger: Ledger) -> Iterator[Fault]:
    """Faults of a unit's pixels: one for each item, or for the chunk where none can be read."""
    columns = ledger.columns(unit.index)
    sources = [f"{plan.root}/{source}" for source in columns["image_source"]]
    for field in plan.schema.pixels:
        array = array_of(group, field.name)
        if not (ledger.store / chunk_path(plan, field, unit.index)).is_file():
            yield Fault(unit.index, field.name, _span(sources), "its chunk is missing")
            continue
        try:
            items = np.asarray(array[unit.start : unit.stop])
        # A damaged chunk ends in whatever error its codecs meet first.
        except Exception as error:  # noqa: BLE001
            what = f"its chunk is damaged ({type(error).__name__}: {error})"
            yield Fault(unit.index, field.name, _span(sources), what)
            continue
        for slot in _changed(items, columns, field):
            where = f"{field.name} of {plan.item} {unit.start + slot}"
            what = "its values are not those that were written"
            yield Fault(unit.index, where, sources[slot], what)


def _changed(items: np.ndarray, columns: Columns, field: Field) -> list[int]:
    """Positions of the items that have other digests than the ledger has."""
    expected = columns[digest_name(field.name)]
    return [
        position
        for position, (item, digest) in enumerate(zip(items, expected, strict=True))
        if xxhash.xxh3_64_intdigest(np.ascontiguousarray(item).data) != digest
    ]


def _table_faults(
    group: zarr.Group, plan: Plan, ledger: Ledger, units: list[Unit]
) -> Iterator[Fault]:
    """Faults of the table, array by array, for as many units at a time as share chunks."""
    source = str(ledger.folder)
    missing = set()
    for field in plan.schema.table:
        array = array_of(group, field.name)
        if array.nchunks_initialized != array.nchunks:
            missing.add(field.name)
            yield Fault(None, f"column {field.name}", source, "a chunk is missing")
    together = max(1, TABLE_ROWS // plan.unit)
    for first in range(0, len(units), together):
        part = units[first : first + together]
        rows = [ledger.columns(unit.index) for unit in part]
        for field in plan.schema.table:
            if field.name not in missing:
                found = _rows_fault(array_of(group, field.name), field, part, rows)
                if found:
                    yield Fault(None, f"column {field.name}", source, found)


def _rows_fault(array: zarr.Array, field: Field, units: list[Unit], rows: list[Columns]) -> str:
    """The fault of a column in some units in words; empty if there is none."""
    start = units[0].start
    try:
        values = np.asarray(array[start : units[-1].stop])
    except Exception as error:  # noqa: BLE001 -- as above
        return f"a chunk is damaged ({type(error).__name__}: {error})"
    for unit, columns in zip(units, rows, strict=True):
        expected = np.array(columns[field.name], field.numpy)
        if not np.array_equal(values[unit.start - start : unit.stop - start], expected):
            return f"the values of unit {unit.index} are not those that were written"
    return ""


def _span(sources: list[str]) -> str:
    return sources[0] if len(set(sources)) == 1 else f"{sources[0]} … {sources[-1]}"
