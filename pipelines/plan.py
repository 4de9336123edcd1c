"""Plans: what a run will write, decided before it begins; frozen, hashable, fingerprinted.

A plan is a small header: its records, which grow with the dataset, are lines of JSON apart from it
(`Planned.records`, a file beside the store), and a unit knows where its own lines begin and end.
A unit is the range of slots that one task writes; its boundaries are chunk boundaries of the
store, and an image whose objects fall into two units is in the lines of both.

Two plans with the same fingerprint write the same bytes, wherever the dataset lies: the
fingerprint covers the inputs' identity (relative paths, sizes in bytes, annotations) and every
parameter, not the dataset's folder and not the files' times.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from pipelines.profiles import LOCAL
from pipelines.records import Listing, Record, Value
from pipelines.schema import SCHEMA_VERSION, Schema

CODE_VERSION = 2
"""Version of the decoding: raised when the same raw files would give other arrays."""
BLOCK_BYTES = 512 << 10
"""A task hands on its pixels in blocks of about so many bytes, or of one item: few enough to be
still in the processor's cache when they are written, which halves what writing takes.
"""
PLACES = ("weights", "annotations", "images")
"""Parameters that say where files lie: records and attributes say what is in them."""
LIBRARIES_BYTES = 256 << 20
"""Memory of a worker before it has read anything, about."""


@dataclass(frozen=True)
class Unit:
    """The range of slots that one task writes, and where its records are.

    Attributes:
        index: number of the unit; also that of its chunks.
        start, stop: slots along the items' dimension.
        offset, length: place of its lines, bytes in the file of records.
    """

    index: int
    start: int
    stop: int
    offset: int
    length: int

    @property
    def items(self) -> int:
        """Slots that it fills."""
        return self.stop - self.start


@dataclass(frozen=True)
class Plan:
    """A store to be written.

    Attributes:
        dataset: name of the source that reads the records.
        product: name of a product of the source.
        root: the dataset's folder, as a string.
        layout: the layout found there.
        parameters: parameters of the source, sorted by name.
        profile: profile of the pixel arrays on the disk.
        schema: the store's arrays.
        unit: items a unit; the last one may have fewer.
        units: all of them, in order.
        splits: items of each split, in the store's order.
        categories: official id and name of each category, in the order of their contiguous numbers.
        raw_bytes: size of all files that will be read.
        largest: height and width of the largest image.
        records_sha256: of all records.
        notes: sentences on what was left out, and why.
        attributes: attributes that the product adds to the store, sorted by name.
    """

    dataset: str
    product: str
    root: str
    layout: str
    parameters: tuple[tuple[str, Value], ...]
    profile: str
    schema: Schema
    unit: int
    units: tuple[Unit, ...]
    splits: tuple[tuple[str, int], ...]
    categories: tuple[tuple[int, str], ...]
    raw_bytes: int
    largest: tuple[int, int]
    records_sha256: str
    notes: tuple[str, ...] = ()
    attributes: tuple[tuple[str, Value], ...] = ()
    schema_version: int = SCHEMA_VERSION
    code_version: int = CODE_VERSION

    @property
    def options(self) -> dict[str, Value]:
        """The parameters by name."""
        return dict(self.parameters)

    @property
    def items(self) -> int:
        """Number of slots of the store."""
        return self.units[-1].stop

    @property
    def item(self) -> str:
        """Name of an item, as "scene" or "region"."""
        return self.schema.dimension

    @property
    def array_bytes(self) -> int:
        """Bytes of the pixel arrays, uncompressed."""
        return self.items * self.schema.item_bytes

    @property
    def task_bytes(self) -> int:
        """Memory that a worker needs, about: libraries, the largest image, a block of pixels."""
        height, width = self.largest
        blocks = 2 * max(BLOCK_BYTES, self.schema.item_bytes)
        return LIBRARIES_BYTES + 16 * height * width + blocks + max(u.length for u in self.units)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the store's content."""
        identity: dict[str, Any] = msgspec.to_builtins(self)
        for each in ("root", "notes", "units"):  # the units follow from the rest
            del identity[each]
        identity["parameters"] = {k: v for k, v in self.parameters if k not in PLACES}
        return hashlib.sha256(msgspec.json.encode(identity, order="sorted")).hexdigest()

    def describe(self) -> str:
        """The plan in words."""
        splits = ", ".join(f"{count} {name}" for name, count in self.splits)
        given = [f"{name} {value}" for name, value in self.parameters if value != ""]
        parameters = ", ".join(given)
        frames = ", ".join(
            f"{field.name} {'×'.join(map(str, field.shape))} {field.dtype}"
            for field in self.schema.pixels
        )
        height, width = self.largest
        lines = [
            f"{self.layout} in {self.root}: {self.product}" + f", {parameters}" * bool(parameters),
            f"  {self.item + 's':<12} {self.items} ({splits})",
            f"  each         {frames}",
            f"  units        {len(self.units)} of {self.unit} {self.item}s, one task each",
            f"  reads        {self.raw_bytes / 1e6:.1f} MB, images of up to {width}×{height} px",
            f"  writes       {self.array_bytes / 1e6:.1f} MB, {self._on_disk}",
            f"  memory       about {self.task_bytes / 2**20:.0f} MiB a worker",
            f"  fingerprint  {self.fingerprint}",
        ]
        if self.categories:
            lines.insert(2, f"  categories   {len(self.categories)}")
        return "\n".join(lines + [f"  note         {note}" for note in self.notes])

    def __repr__(self) -> str:
        return (
            f"Plan({self.dataset} {self.product}, {self.items} {self.item}s in "
            f"{len(self.units)} units, {self.profile}, {self.fingerprint[:12]})"
        )

    @property
    def _on_disk(self) -> str:
        return (
            "profile local: just as many"
            if self.profile == LOCAL
            else f"profile {self.profile}: at most, before compression"
        )


@dataclass(frozen=True)
class Planned:
    """A plan with its records, in memory: lines of JSON, by unit."""

    plan: Plan
    records: tuple[bytes, ...]


def make_plan(
    listing: Listing,
    *,
    dataset: str,
    product: str,
    parameters: dict[str, Value],
    profile: str,
    unit: int,
) -> Planned:
    """Cut a listing into units."""
    lines = tuple(_lines(listing.records, unit))
    sizes = [len(each) for each in lines]
    total = sum(count for _, count in listing.splits)
    units: list[Unit] = []
    for index, length in enumerate(sizes):
        start = index * unit
        offset = units[-1].offset + units[-1].length if units else 0
        units.append(Unit(index, start, min(start + unit, total), offset, length))
    digest = hashlib.sha256()
    for each in lines:
        digest.update(each)
    plan = Plan(
        dataset=dataset,
        product=product,
        root=str(listing.root.resolve()),
        layout=listing.layout,
        parameters=tuple(sorted(parameters.items())),
        profile=profile,
        schema=listing.schema,
        unit=unit,
        units=tuple(units),
        splits=listing.splits,
        categories=listing.categories,
        raw_bytes=listing.raw_bytes,
        largest=listing.largest,
        records_sha256=digest.hexdigest(),
        notes=listing.notes,
        attributes=listing.attributes,
    )
    return Planned(plan, lines)


def _lines(records: Iterable[Record], unit: int) -> Iterator[bytes]:
    """The records' lines, unit after unit; a record that straddles two is cut."""
    encoder = msgspec.json.Encoder()
    lines, free = bytearray(), unit
    for record in records:
        done = 0
        while done < record.items:
            stop = min(record.items, done + free)
            lines += _one_line(encoder.encode(record.part(done, stop))) + b"\n"
            free -= stop - done
            done = stop
            if not free:
                yield bytes(lines)
                lines, free = bytearray(), unit
    if lines:
        yield bytes(lines)


def _one_line(content: bytes) -> bytes:
    """JSON on one line: segmentations are kept as the file has them, perhaps over several."""
    broken = b"\n" in content or b"\r" in content
    return msgspec.json.format(content, indent=-1) if broken else content
