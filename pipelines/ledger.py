"""The ledger of a store: its plan and the units that are done, in `<store>.ledger/`.

    plan.json            the plan
    records.jsonl        its records, unit after unit
    unit-00003.json      there when unit 3 is complete in the store: its digest, its quarantined
                         items, and its rows of the table
    parts/               files that are being written

A mark is written to a temporary file, flushed to the disk and renamed, so that a mark that exists
is whole, and work that has no mark is done again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pipelines.errors import PipelineError
from pipelines.files import atomic_write, target_errors
from pipelines.plan import Plan, Unit

PLAN, RECORDS = "plan.json", "records.jsonl"
REACHED = ".at-"
"""Part of the name of a file with the slot of the item that a worker is at."""


@dataclass(frozen=True)
class Quarantined:
    """An item that could not be read: its slot is in the store, invalid and empty."""

    slot: int
    id: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.id} ({self.source}): {self.reason}"


@dataclass(frozen=True)
class UnitMark:
    """The ledger's entry for a unit that is complete, without its rows.

    Attributes:
        index: the unit's.
        digest: of its rows, which hold the digests of all of its pixels: equal exactly if all of
            its arrays are, whenever it was written.
        written: bytes of its chunk files.
        quarantined: the items whose slots are invalid.
    """

    index: int
    digest: str
    written: int
    quarantined: tuple[Quarantined, ...] = ()


Columns = dict[str, list[Any]]
"""A unit's rows of the table, by column."""


class _Entry(msgspec.Struct):
    """The content of a mark's file."""

    mark: UnitMark
    columns: Columns


class _Head(msgspec.Struct):
    """The mark alone, without the rows."""

    mark: UnitMark


class Ledger:
    """The ledger of a store."""

    def __init__(self, store: Path | str) -> None:
        store = Path(store)
        self.store = store
        self.folder = store.with_name(store.name + ".ledger")

    def __repr__(self) -> str:
        return f"Ledger({self.folder}, {len(self.done())} units done)"

    def exists(self) -> bool:
        """Whether the ledger holds a plan."""
        return (self.folder / PLAN).is_file()

    @property
    def parts(self) -> Path:
        """The folder of files that are being written."""
        return self.folder / "parts"

    def open(self, plan: Plan, records: tuple[bytes, ...] | None = None) -> None:
        """Begin the ledger of a plan, or, without records, go on with it."""
        self.parts.mkdir(parents=True, exist_ok=True)
        if records is not None:
            _write(self.folder / RECORDS, *records)
        _write(self.folder / PLAN, msgspec.json.encode(plan))

    def sweep(self) -> None:
        """Take away the temporary files that a run which was killed has left.

        A task that outlived such a run, on a cluster of its own, loses its file and fails: nobody
        waits for it any more.
        """
        for left in (*self.parts.glob("*"), *self.folder.glob(".*")):
            left.unlink(missing_ok=True)

    def reached(self, index: int) -> set[int]:
        """The slots at which workers that died were in a unit, as far as these files are whole."""
        found = (path.read_bytes() for path in self.parts.glob(f"{index:05d}{REACHED}*"))
        return {int(slot) for slot in found if slot}

    def plan(self) -> Plan:
        """The plan that the store was begun with.

        Raises:
            PipelineError: there is none that this version can read.
        """
        path = self.folder / PLAN
        try:
            return msgspec.json.decode(path.read_bytes(), type=Plan)
        except FileNotFoundError:
            found = "no such file"
        except msgspec.DecodeError as error:
            found = f"something else ({error})"
        raise PipelineError(
            f"the plan of {self.store} in {path}",
            found,
            "name another --store, or rebuild it: python -m pipelines run … --overwrite",
        )

    def records(self, unit: Unit) -> bytes:
        """The lines of a unit's records."""
        with (self.folder / RECORDS).open("rb") as file:
            file.seek(unit.offset)
            return file.read(unit.length)

    def record(
        self, index: int, columns: Columns, written: int, bad: list[Quarantined]
    ) -> UnitMark:
        """Mark a unit as done."""
        digest = hashlib.sha256(msgspec.json.encode(columns, order="sorted")).hexdigest()
        mark = UnitMark(index, digest, written, tuple(bad))
        _write(self._path(index), msgspec.json.encode(_Entry(mark, columns)))
        return mark

    def done(self) -> set[int]:
        """The units that have a mark."""
        return {int(path.stem.removeprefix("unit-")) for path in self.folder.glob("unit-*.json")}

    def marks(self) -> dict[int, UnitMark]:
        """The units that are done, by index.

        Raises:
            PipelineError: a mark is broken.
        """
        return {index: self._read(index, _Head).mark for index in sorted(self.done())}

    def columns(self, index: int) -> Columns:
        """The rows of a unit that is done.

        Raises:
            PipelineError: they are not those that were written.
        """
        entry = self._read(index, _Entry)
        digest = hashlib.sha256(msgspec.json.encode(entry.columns, order="sorted")).hexdigest()
        if digest != entry.mark.digest:
            raise self._broken(index, "rows of another digest")
        columns: Columns = entry.columns
        return columns

    def _path(self, index: int) -> Path:
        return self.folder / f"unit-{index:05d}.json"

    def _read(self, index: int, kind: type) -> Any:
        try:
            return msgspec.json.decode(self._path(index).read_bytes(), type=kind)
        except msgspec.DecodeError as error:
            raise self._broken(index, str(error)) from error

    def _broken(self, index: int, found: str) -> PipelineError:
        return PipelineError(
            f"the mark of unit {index} in {self._path(index)}",
            f"a broken one ({found})",
            f"mend it: python -m pipelines resume --store {self.store} --redo {index}",
        )


def _write(path: Path, *content: bytes) -> None:
    with target_errors(path), atomic_write(path) as file:
        file.writelines(content)
