"""A zip of CIFAR-10's images, {train,test}/<category>/NNNN.jpg: its directory, and its members.

The directory is read once, for the plan. A member is read by its place, without the directory:
that of 60,000 members takes a second to parse, as long as decoding a unit. The official order is
lost in a zip: images are sorted by category and name, which keeps it within a category.
"""

import hashlib
import os
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from pipelines import images
from pipelines.errors import BadInput, PipelineError
from pipelines.records import RawFile
from pipelines.sources.cifar_records import SIDE, SPLITS, Found, ImagePlace, ImagesRecord

MEMBER = re.compile(r"(?:.*/)?(train|test)/([^/]+)/(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
"""Name of an image: split, category, number in the category."""
LOCAL_HEADER = 30
"""Bytes of a member's header before its name."""
MOST_BYTES = 1 << 20
"""Most bytes of an image file."""
SOME = 4


def find_zipped(base: Path) -> Found:
    """Images of the one zip of a folder, by its directory.

    Raises:
        PipelineError: several zips, a damaged one, or one whose members cannot be read in place.
    """
    paths = sorted(base.glob("*.zip"))
    if len(paths) != 1:
        raise PipelineError(
            f"one zip in {base}", ", ".join(path.name for path in paths), "move the others away"
        )
    path = paths[0]
    try:
        with zipfile.ZipFile(path) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
    except zipfile.BadZipFile as error:
        raise PipelineError(
            f"a whole zip in {path}", f"a damaged one ({error})", "restore the file"
        ) from error
    matched = {each.filename: MEMBER.fullmatch(each.filename) for each in members}
    found = [(match, each) for each in members if (match := matched[each.filename])]
    names = sorted({match[2] for match, _ in found})
    places: dict[str, list[tuple[int, int, ImagePlace]]] = {split: [] for split in SPLITS}
    for match, each in found:
        split, category = match[1].lower(), names.index(match[2])
        name = f"{split}/{match[2]}/{match[3]}"
        places[split].append((category, int(match[3]), _place(path, name, category, each)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    raw = RawFile(path.name, path.stat().st_size)
    records = tuple(
        ImagesRecord(raw, digest, split, zipped=True, images=tuple(p for *_, p in sorted(each)))
        for split, each in places.items()
    )
    others = [name for name, match in matched.items() if not match]
    shown = ", ".join(others[:SOME]) + (" …" if len(others) > SOME else "")
    notes = (f"{len(others)} other members of {path.name} are left out: {shown}",) if others else ()
    return Found(tuple(names), records, notes)


def read_member(file: int, record: ImagesRecord, each: ImagePlace) -> np.ndarray:
    """The image of a member, (32, 32, 3) uint8.

    Args:
        file: descriptor of the record's file.
        record: the record.
        each: place of the image.

    Raises:
        BadInput: it is damaged, or an image of another size.
    """
    name = f"{each.id} of {record.file.path}"
    header = os.pread(file, LOCAL_HEADER, each.offset)
    method = int.from_bytes(header[8:10], "little")
    skipped = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    content = os.pread(file, each.length, each.offset + LOCAL_HEADER + skipped)
    try:
        if method:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, MOST_BYTES)
        problem = "" if zlib.crc32(content) == each.crc32 else "another CRC-32"
    except zlib.error as error:
        problem = str(error)
    if problem:
        raise BadInput(
            f"the bytes of {name} as the zip's directory has them", problem, "restore the zip"
        )
    image = images.decode_image(content, name)
    height, width = image.shape[:2]
    if (height, width) != (SIDE, SIDE):
        raise BadInput(f"{SIDE}×{SIDE} pixels in {name}", f"{width}×{height}", "restore the image")
    return image


def _place(path: Path, name: str, category: int, each: zipfile.ZipInfo) -> ImagePlace:
    in_place = each.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if each.flag_bits & 1 or not in_place:
        raise PipelineError(
            f"members of {path} that are stored or deflated, and not encrypted",
            f"{each.filename} of method {each.compress_type}, flags {each.flag_bits:#x}",
            "zip the folders anew",
        )
    return ImagePlace(name, category, -1, each.header_offset, each.compress_size, each.CRC)
