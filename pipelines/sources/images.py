"""A folder of images of one's own: from files at any depth to records, and to pixels.

Images keep their sizes and are upright, as EXIF says. There is neither a split nor a ground truth:
the store has one split, `all`, and no label maps.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import folders, images, schema
from pipelines.errors import BadInput
from pipelines.records import Item, Listing, RawFile, read_file
from pipelines.sources.source import (
    PIXEL_LIMIT,
    SCENES,
    Parameters,
    Reader,
    Source,
    most_pixels,
)

SPLIT = "all"


@dataclass(frozen=True)
class PhotoRecord:
    """Record of an image file, before its pixels are decoded.

    Attributes:
        id: name of the image, unique in the folder.
        image: the file.
        height, width: size of the upright image in pixels by the header; 0 if it is unreadable.
    """

    id: str
    image: RawFile
    height: int
    width: int

    @property
    def items(self) -> int:
        """Number of slots that the record fills."""
        return 1

    def part(self, start: int, stop: int) -> "PhotoRecord":
        """An image is not divided."""
        return self


def discover(root: Path, most: int = images.LARGEST_PHOTO) -> Listing:
    """Listing of every image in a folder or below it, in the order of their paths.

    Reads headers only. A file that does not read, or has more than `most` pixels, is listed all the
    same, to be quarantined.

    Raises:
        PipelineError: no folder, or no image in it.
    """
    found = folders.search(root)
    files = [path for path in found.files if _is_text(path)]
    notes = list(found.notes)
    if strange := [path for path in found.files if not _is_text(path)]:
        named = folders.first_names(root, strange)
        notes.append(f"{len(strange)} files whose names are not UTF-8 are not taken: {named}")
    names = folders.image_names(root, files)
    records = [_record(root, name, path, most) for name, path in zip(names, files, strict=True)]
    canvas = (
        max(1, *(record.height for record in records)),
        max(1, *(record.width for record in records)),
    )
    return Listing(
        root,
        "a folder of images",
        schema.photographs(canvas),
        records,
        splits=((SPLIT, len(records)),),
        raw_bytes=sum(record.image.size for record in records),
        largest=canvas,
        notes=tuple(notes),
    )


def items(
    record: PhotoRecord,
    root: Path,
    options: Parameters,
    categories: Mapping[int, int],
) -> Iterator[Item]:
    """The image of a record, decoded or quarantined; it needs no categories."""
    path = record.image.path
    row: dict[str, Any] = {"id": record.id, "split": SPLIT, "image_source": path}
    try:
        content = _content(record, root)
        row["image_sha256"] = hashlib.sha256(content).hexdigest()
        pixels = images.decode_photo(content, path, most_pixels(options))
        height, width = pixels.shape[:2]
        if (height, width) != (record.height, record.width):
            raise BadInput(
                f"{record.width}×{record.height} pixels in {path} by its header",
                f"{width}×{height}",
                "save the image anew, for example as PNG",
            )
    except BadInput as error:
        yield Item(record.id, path, row, None, problem=str(error))
        return
    row |= {"height": height, "width": width}
    yield Item(record.id, path, row, {"image": pixels})


def _record(root: Path, name: str, path: Path, most: int) -> PhotoRecord:
    file = RawFile(path.relative_to(root).as_posix(), path.stat().st_size)
    return PhotoRecord(name, file, *images.peek_photo(path, most))


def _content(record: PhotoRecord, root: Path) -> bytes:
    """The file's bytes; a file without permission is no reason to stop a run over the others."""
    try:
        return read_file(root, record.image)
    except PermissionError as error:
        raise BadInput(
            f"permission to read {record.image.path}", "none", "give permission"
        ) from error


def _is_text(path: Path) -> bool:
    """Whether a path is UTF-8, as records and stores are."""
    return not any("\ud800" <= letter <= "\udfff" for letter in str(path))


SOURCE = Source(
    name="images",
    title="A folder of images of one's own",
    folder="",
    readers=(Reader(SCENES, PhotoRecord, items),),
    discover=lambda root, _, given: discover(root, most_pixels(given)),
    options=(PIXEL_LIMIT,),
)
