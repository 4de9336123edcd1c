"""What a run will do, decided before anything is written: frozen, hashable, fingerprinted.

Scenes are cut into units, the ranges of scene slots that one task writes; a unit's boundaries are
chunk boundaries of the store. Two plans with the same fingerprint write the same bytes, wherever
the dataset lies: the fingerprint covers the inputs' identity (relative paths and sizes in bytes)
and every parameter, not the dataset's folder and not the files' times.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.errors import PipelineError
from pipelines.sources import bsds
from pipelines.sources.records import RawFile, SceneRecord

SCHEMA_VERSION = 1
"""Of the store: dims, names, dtypes, chunks, codecs. A store of another version is refused."""
CODE_VERSION = 1
"""Of the decoding: raised when the same raw files would give other arrays."""
DEFAULT_UNIT = 16


@dataclass(frozen=True)
class Unit:
    """The range of scene slots that one task writes, and what it writes there."""

    index: int
    start: int
    records: tuple[SceneRecord, ...]

    @property
    def stop(self) -> int:
        """The slot after its last one."""
        return self.start + len(self.records)

    @property
    def slots(self) -> slice:
        """Its range along the dimension `scene`."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Plan:
    """A store to be written.

    Attributes:
        kind: which source reads the records.
        root: the dataset's folder, as a string.
        layout: the layout found there.
        protocol: what decided the records' splits.
        records: one a scene, in the store's order.
        unit: scenes a unit.
        canvas: height and width that every image fits into.
        annotators: the most segmentations that an image has.
        notes: what was left out, and why.
    """

    kind: str
    root: str
    layout: str
    protocol: str
    records: tuple[SceneRecord, ...]
    unit: int
    canvas: tuple[int, int]
    annotators: int
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION
    code_version: int = CODE_VERSION

    @property
    def scenes(self) -> int:
        """How many scenes it has."""
        return len(self.records)

    @property
    def units(self) -> tuple[Unit, ...]:
        """All of its units, in order."""
        starts = range(0, self.scenes, self.unit)
        return tuple(
            Unit(index, start, self.records[start : start + self.unit])
            for index, start in enumerate(starts)
        )

    @property
    def array_bytes(self) -> int:
        """Bytes of the image and label arrays before compression: the most that will be written."""
        height, width = self.canvas
        return self.scenes * height * width * (3 + 2 * self.annotators)

    @property
    def splits(self) -> dict[str, int]:
        """Scenes of each split."""
        names = [record.split for record in self.records]
        return {name: names.count(name) for name in dict.fromkeys(names)}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the store's content."""
        identity = self.to_json()
        del identity["root"], identity["notes"]
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The plan for `json.dump`."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Plan":
        """The plan that `to_json` was given."""
        records = tuple(
            SceneRecord(
                **{
                    **record,
                    "image": RawFile(**record["image"]),
                    "annotations": tuple(RawFile(**file) for file in record["annotations"]),
                }
            )
            for record in fields["records"]
        )
        canvas, notes = tuple(fields["canvas"]), tuple(fields["notes"])
        return cls(**{**fields, "records": records, "canvas": canvas, "notes": notes})

    def describe(self) -> str:
        """What would run, for a person."""
        height, width = self.canvas
        raw = sum(record.raw_size for record in self.records)
        lines = [
            f"{self.layout} in {self.root}, protocol {self.protocol}",
            f"  scenes       {self.scenes} "
            f"({', '.join(f'{count} {name}' for name, count in self.splits.items())})",
            f"  canvas       {width}×{height} px, up to {self.annotators} annotators",
            f"  units        {len(self.units)} of {self.unit} scenes, one task each",
            f"  reads        {raw / 1e6:.1f} MB",
            f"  writes       at most {self.array_bytes / 1e6:.1f} MB; zstd makes it far less",
            f"  fingerprint  {self.fingerprint}",
        ]
        return "\n".join(lines + [f"  note         {note}" for note in self.notes])

    def __repr__(self) -> str:
        return (
            f"Plan({self.kind}, {self.scenes} scenes in {len(self.units)} units, "
            f"protocol {self.protocol}, {self.fingerprint[:12]})"
        )


def plan_bsds(root: Path | str, *, protocol: str = "bsds300", unit: int = DEFAULT_UNIT) -> Plan:
    """The plan for a Berkeley segmentation dataset; reads the files' headers.

    Raises:
        PipelineError: no dataset there, or nothing readable in it.
    """
    if protocol not in bsds.PROTOCOLS:
        raise PipelineError(
            f"a protocol out of {', '.join(bsds.PROTOCOLS)}", repr(protocol), "name one of them"
        )
    if unit < 1:
        raise PipelineError("at least one scene a unit", f"{unit}", "raise --unit")
    listing = bsds.discover(Path(root), protocol)
    records = listing.records
    return Plan(
        kind="bsds",
        root=str(listing.root.resolve()),
        layout=listing.layout,
        protocol=protocol,
        records=records,
        unit=unit,
        # At least one pixel and annotator: a dataset of nothing but broken files has a store too.
        canvas=(
            max(1, *(record.height for record in records)),
            max(1, *(record.width for record in records)),
        ),
        annotators=max(1, *(record.annotators for record in records)),
        notes=listing.notes,
    )
