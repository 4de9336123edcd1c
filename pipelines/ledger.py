"""What has been done, kept beside the arrays: `<store>.ledger/`.

`plan.json` is the plan; `unit-00003.json` appears when unit 3 is complete in the store, and holds
the digests of what was written and the scenes that were quarantined. A mark is written to a
temporary file, flushed to the disk and renamed, so that a mark that exists is whole, and work
that has no mark is done again.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import PipelineError
from pipelines.plan import Plan


@dataclass(frozen=True)
class Quarantined:
    """A scene that could not be read: its slot is in the store, invalid and empty."""

    slot: int
    id: str
    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.id} ({self.source}): {self.reason}"


@dataclass(frozen=True)
class UnitMark:
    """The ledger's entry for a unit that is complete.

    Attributes:
        index: the unit's.
        pixels: for each scene, the digests of what its slot holds, by name of the array.
        table: digests of the arrays that have one value a scene.
        quarantined: the scenes whose slots are invalid.
    """

    index: int
    pixels: tuple[Mapping[str, str], ...]
    table: Mapping[str, str]
    quarantined: tuple[Quarantined, ...] = ()

    @property
    def digest(self) -> str:
        """One digest of the unit: equal exactly if its arrays are, whenever it was written."""
        content = json.dumps([self.pixels, self.table], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of an array's dtype, shape and values; strings count by their text."""
    if array.dtype.kind in "OT":
        # Strings, which have one encoding here and several in memory.
        digest = hashlib.sha256(json.dumps(array.tolist()).encode())
    else:
        digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class Ledger:
    """The ledger of a store."""

    def __init__(self, store: Path | str) -> None:
        store = Path(store)
        self.store = store
        self.folder = store.with_name(store.name + ".ledger")

    def __repr__(self) -> str:
        return f"Ledger({self.folder}, {len(self.marks())} units done)"

    def exists(self) -> bool:
        """Whether it holds a plan."""
        return self._plan_file.is_file()

    def open(self, plan: Plan) -> None:
        """Begin the ledger of a plan."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._plan_file, plan.to_json())

    def plan(self) -> Plan:
        """The plan that the store was begun with.

        Raises:
            PipelineError: there is none that this version can read.
        """
        try:
            return Plan.from_json(json.loads(self._plan_file.read_text()))
        except FileNotFoundError:
            found = "no such file"
        except (ValueError, KeyError, TypeError) as error:
            found = f"something else ({error})"
        raise PipelineError(
            f"the plan of {self.store} in {self._plan_file}",
            found,
            "name another --store, or rebuild it: python -m pipelines run … --overwrite",
        )

    def record(self, mark: UnitMark) -> None:
        """Mark a unit as done."""
        write_atomically(self.folder / f"unit-{mark.index:05d}.json", asdict(mark))

    def marks(self) -> dict[int, UnitMark]:
        """The units that are done, by index."""
        marks = (
            self._read(json.loads(path.read_text()))
            for path in sorted(self.folder.glob("unit-*.json"))
        )
        return {mark.index: mark for mark in marks}

    @property
    def _plan_file(self) -> Path:
        return self.folder / "plan.json"

    @staticmethod
    def _read(fields: dict[str, Any]) -> UnitMark:
        quarantined = tuple(Quarantined(**each) for each in fields["quarantined"])
        pixels = tuple(fields["pixels"])
        return UnitMark(**{**fields, "pixels": pixels, "quarantined": quarantined})


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that the file is there whole or not at all, even when the power goes."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
