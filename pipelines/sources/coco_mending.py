"""COCO's annotation files as exporters write them: mended record by record, all of it noted.

A file that is as COCO has it is decoded in one pass. In any other one, what a record lacks concerns
that record: numbers may be text, sizes, boxes, areas and categories may be absent. A record that
cannot be told apart or placed is left out, one that has nothing to be drawn is kept, for the task
that meets it to quarantine. Notes say how many, and which.
"""

import itertools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipelines.errors import BadInput, PipelineError
from pipelines.sources import masks
from pipelines.sources.coco_records import NO_BOX, NOTHING, Annotation, Category, Image, Instances

SOME = 5
"""Number of records that a note names."""
NAMES = ("file_name", "coco_url", "path")
"""Keys of an image's file, in the order in which they are asked; LVIS has its URL alone."""
BROKEN = msgspec.Raw(b'"numbers out of range"')
"""Segmentation that cannot be written as JSON."""
LARGEST = 2**63 - 1
LARGEST_SIDE = 2**31 - 1
BYTES = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
"""Python's stand-ins for bytes that are no UTF-8, to Latin-1."""


class Notes:
    """Count of what was mended or left out of a file.

    Args:
        name: the file's, as notes have it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._said: list[str] = []
        self._cases: defaultdict[tuple[str, str], list[str]] = defaultdict(list)

    def add(self, things: str, how: str, named: object) -> None:
        """Count one of the things; the note is "3 things in NAME how: the first ones named"."""
        self._cases[things, how].append(_text(str(named)))

    def say(self, sentence: str) -> None:
        """Add a note of its own."""
        self._said.append(sentence)

    def sentences(self) -> list[str]:
        """The notes."""
        return self._said + [
            f"{len(named)} {things} in {self.name} {how}: {some(named)}"
            for (things, how), named in self._cases.items()
        ]


def some(names: Sequence[str]) -> str:
    """The first names."""
    return ", ".join(names[:SOME]) + (" …" if len(names) > SOME else "")


def read(path: Path, notes: Notes) -> Instances:
    """The instances of a file, with ids that are unique and categories that are declared.

    Raises:
        PipelineError: it is no file of COCO's instance annotations, or it contradicts itself.
    """
    content = path.read_bytes()
    try:
        found = msgspec.json.decode(content, type=Instances)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _mended(_decoded(content, path, notes), path, notes)
    gone = _ambiguous(found.images, notes)
    annotations = [each for each in found.annotations if each.image_id not in gone]
    lost = len(found.annotations) - len(annotations)
    for number in sorted(gone):
        how = f"are those of several files, which are left out with their {lost} objects"
        notes.add("image ids", how, number)
    known = _categories(found.categories, path)
    if known:
        annotations = [each for each in annotations if _is_declared(each, known, notes)]
    for number in sorted({each.category_id for each in annotations} - known):
        notes.add("categories", "are not declared and have their ids for names", number)
    images = {each.id: each for each in reversed(found.images) if each.id not in gone}
    return Instances(list(images.values()), _annotations_once(annotations, notes), found.categories)


def _decoded(content: bytes, path: Path, notes: Notes) -> dict[str, Any]:
    """A file's JSON as Python has it, which takes NaN, marks of byte order and bytes in Latin-1."""
    try:
        found: Any = json.loads(_as_text(content, notes))
    except (ValueError, RecursionError) as error:
        raise PipelineError(
            f"COCO's instance annotations in {path}",
            f"no JSON ({error})",
            "export or copy the file again",
        ) from error
    keys = [key for key in ("images", "annotations") if isinstance(found, dict) and key in found]
    if len(keys) < 2 or not all(isinstance(found[key], list) for key in keys):
        has = (
            f"the keys {_text(', '.join(found))}"
            if isinstance(found, dict)
            else type(found).__name__
        )
        raise PipelineError(
            f"COCO's instance annotations in {path}: lists of `images` and `annotations`",
            has or "no key",
            "export the annotations as COCO instances",
        )
    return dict(found)


def _as_text(content: bytes, notes: Notes) -> str:
    encoding = json.detect_encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode(encoding, "surrogateescape")
    for byte in re.findall("[\udc80-\udcff]", text):
        notes.add("bytes", "are not UTF-8 and are read as Latin-1", f"0x{BYTES[ord(byte)]:x}")
    return text.translate(BYTES)


def _mended(found: dict[str, Any], path: Path, notes: Notes) -> Instances:
    def each(key: str, mend: Callable[[dict, Notes], Any]) -> list[Any]:
        records = found.get(key) or []
        if not isinstance(records, list):
            raise PipelineError(
                f"a list of `{key}` in {path}", type(records).__name__, "correct the file"
            )
        return [made for one in records if (made := _one(key, one, mend, notes)) is not None]

    return Instances(
        each("images", _image), each("annotations", _annotation), each("categories", _category)
    )


def _one(key: str, record: Any, mend: Callable[[dict, Notes], Any], notes: Notes) -> Any:
    if isinstance(record, dict):
        return mend(record, notes)
    notes.add(key, "are no objects of JSON and are left out", str(record)[:20])
    return None


def _image(record: dict, notes: Notes) -> Image | None:
    number = whole(record.get("id"))
    name = next((text for key in NAMES if (text := _text(record.get(key)))), "")
    if number is None:
        _leave_out("images", "id", record, notes)
        return None
    if not name:
        notes.add("images", f"have none of {', '.join(NAMES)} and are left out", number)
        return None
    return Image(number, name, _side(record.get("height")), _side(record.get("width")))


def _annotation(record: dict, notes: Notes) -> Annotation | None:
    numbers = {
        key: whole(record.get(key), bits)
        for key, bits in (("id", 64), ("image_id", 64), ("category_id", 32))
    }
    for key, number in numbers.items():
        if number is None:
            _leave_out("annotations", key, record, notes)
            return None
    area = number_of(record.get("area"))
    made = Annotation(
        **numbers,  # type: ignore[arg-type]
        bbox=_box(record.get("bbox")) or NO_BOX,
        area=None if math.isnan(area) else area,
        iscrowd=int(_is_true(record.get("iscrowd"))),
        segmentation=_segmentation(record.get("segmentation")),
    )
    return made if _box(record.get("bbox")) else _with_box(made, notes)


def _with_box(each: Annotation, notes: Notes) -> Annotation:
    """The annotation with the box around its segmentation."""
    if each.boxed:
        notes.add("annotations", "have neither a box nor a segmentation", each.id)
        return each
    try:
        box = masks.box_around(each.segmentation)
    except BadInput:
        notes.add("annotations", "have neither a box nor a segmentation that can be read", each.id)
        return each
    notes.add("annotations", "have no box of four numbers but that of their segmentation", each.id)
    return msgspec.structs.replace(each, bbox=box)


def _category(record: dict, notes: Notes) -> Category | None:
    number = whole(record.get("id"), 32)
    if number is None:
        _leave_out("categories", "id", record, notes)
        return None
    return Category(number, _text(record.get("name")) or f"category {number}")


def _leave_out(things: str, key: str, record: dict, notes: Notes) -> None:
    """Note a record that is left out because a key has no number, or one that no store keeps."""
    named = next((record[k] for k in ("id", "name", "file_name") if record.get(k) is not None), "?")
    value = "" if key == "id" else f" ({str(record.get(key))[:30]})"
    how = f"have no whole number as `{key}`, or too large a one, and are left out"
    notes.add(things, how, f"{str(named)[:30]}{value}")


def whole(value: Any, bits: int = 64) -> int | None:
    """Whole number that a signed integer of so many bits holds, or its text; else None."""
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            value = number_of(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = type(value) is int and -1 << (bits - 1) <= value < 1 << (bits - 1)
    return value if fits else None


def number_of(value: Any) -> float:
    """Finite number, or its text; else NaN."""
    try:
        found = float(value) if type(value) in (int, float, str) else math.nan
    except (ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def _side(value: Any) -> int:
    """Pixels of an image's side; 0 where there is no number."""
    number = number_of(value)
    return 0 if math.isnan(number) else int(min(max(number, 0), LARGEST_SIDE))


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    x, y, width, height = map(number_of, value)
    return None if math.isnan(x + y + width + height) else (x, y, width, height)


def _is_true(value: Any) -> bool:
    if isinstance(value, str) and value.strip().lower() in {"true", "yes"}:
        return True
    number = number_of(int(value) if isinstance(value, bool) else value)
    return not math.isnan(number) and number != 0


def _text(value: Any) -> str:
    """Text that can be written as UTF-8; numbers become text, and what is neither becomes ""."""
    text = str(value) if isinstance(value, str | int | float) else ""
    return text.encode("utf-8", "backslashreplace").decode()


def _segmentation(value: Any) -> msgspec.Raw:
    """JSON of a segmentation; its NaN become null, which no mask can be made of."""
    if value is None:
        return NOTHING
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except (ValueError, OverflowError, RecursionError):
        return BROKEN


def _ambiguous(images: list[Image], notes: Notes) -> set[int]:
    """The ids that several images have, each another file."""
    if len({each.id for each in images}) == len(images):
        return set()
    files: defaultdict[int, list[str]] = defaultdict(list)
    for each in images:
        files[each.id].append(each.file_name)
    for number, names in files.items():
        if len(names) > 1 == len(set(names)):
            notes.add("images", "are listed several times and taken once", number)
    return {number for number, names in files.items() if len(set(names)) > 1}


def _annotations_once(annotations: list[Annotation], notes: Notes) -> list[Annotation]:
    """The annotations, the later ones of an id under new ids."""
    counts = Counter(each.id for each in annotations)
    if len(counts) == len(annotations):
        return annotations
    for number, count in sorted(counts.items()):
        if count > 1:
            notes.add(
                "annotation ids", "are there several times, the later ones get new ids",
                f"{number} ({count} times)",
            )  # fmt: skip
    free = _free(counts, len(annotations))
    seen: set[int] = set()
    found = []
    for each in annotations:
        found.append(msgspec.structs.replace(each, id=next(free)) if each.id in seen else each)
        seen.add(each.id)
    return found


def _free(taken: Counter[int], most: int) -> Iterator[int]:
    """Ids after the largest one, or the smallest ones where these would be too large."""
    first = max(taken) + 1
    if first + most <= LARGEST:
        return itertools.count(first)
    return (number for number in itertools.count(1) if number not in taken)


def _categories(categories: list[Category], path: Path) -> set[int]:
    """The ids of the categories, each of which has one name."""
    names: dict[int, str] = {}
    for each in categories:
        if names.setdefault(each.id, each.name) != each.name:
            raise PipelineError(
                f"one name for category {each.id} in {path}",
                f"{names[each.id]!r} and {each.name!r}",
                "give one of them another id",
            )
    return set(names)


def _is_declared(each: Annotation, known: set[int], notes: Notes) -> bool:
    if each.category_id in known:
        return True
    notes.add(
        "annotations", "are of categories that are not declared and are left out",
        f"{each.id} (category {each.category_id})",
    )  # fmt: skip
    return False
