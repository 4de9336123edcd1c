"""Folders of images: which files are taken, in which order, and what they are called.

A file is taken by its suffix. Hidden files and folders are left out. Links to files and folders are
followed; a folder is searched once, whatever leads to it, and a link to a folder that contains the
whole one is not followed, so that loops end.
"""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image

from pipelines.errors import PipelineError

NOT_DECODED = {"BUFR", "GRIB", "HDF5", "MPEG", "PALM", "PDF"}
"""Formats whose suffixes Pillow knows and whose files it does not decode."""
NAMED = 5
"""Number of files that a note names."""


@dataclass
class ImageFolder:
    """Content of a folder, at any depth.

    Attributes:
        root: the folder.
        files: image files, sorted by path.
        others: files without a suffix of an image, broken links, and what is no file at all.
        hidden: hidden files, and hidden folders, which are not searched.
        closed: folders that could not be searched.
        repeated: links to folders that are searched already, or that contain the root.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what is not taken, each with the number and the first names."""
        left_out = {
            "files that are no images": self.others,
            "hidden files and folders": self.hidden,
            "folders that cannot be opened": self.closed,
            "links to folders that are searched already": self.repeated,
        }
        return tuple(
            f"{len(paths)} {what} are not taken: {first_names(self.root, paths)}"
            for what, paths in left_out.items()
            if paths
        )


def search(root: Path | str) -> ImageFolder:
    """Search a folder for images; none is opened.

    Raises:
        PipelineError: there is no folder, or no image in it.
    """
    found = ImageFolder(Path(root))
    if not found.root.is_dir():
        raise PipelineError(
            f"a folder of images in {root}",
            "a file" if found.root.exists() else "no such folder",
            "name the folder that holds the images",
        )
    top, searched, starts = found.root.resolve(), set[Path](), [found.root]
    for start in starts:  # which grows: links come after all folders that lie here themselves
        around = start != found.root and top.is_relative_to(start.resolve())
        if around or start.resolve() in searched:
            found.repeated.append(start)
        else:
            starts += _search(start, found, searched)
    found.files.sort()
    if not found.files:
        raise PipelineError(
            f"images in {root} or below it (.jpg, .png, .tif, .webp and others)",
            f"none among {len(found.others)} files",
            "name another folder",
        )
    return found


def _search(start: Path, found: ImageFolder, searched: set[Path]) -> list[Path]:
    """Search a folder, add what is there to `found`, and give the links to folders."""
    links: list[Path] = []
    for place, folders, files in os.walk(
        start, onerror=lambda error: found.closed.append(Path(error.filename))
    ):
        here = Path(place)
        if here.resolve() in searched:  # below the target of a link
            folders.clear()
            continue
        searched.add(here.resolve())
        found.hidden += [here / name for name in (*folders, *files) if name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links += [here / name for name in folders if (here / name).is_symlink()]
        for path in (here / name for name in files if not name.startswith(".")):
            (found.files if is_image(path) else found.others).append(path)
    return links


def is_image(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one, with the suffix of an image."""
    return is_image_name(path.name) and path.is_file()


def image_names(root: Path, files: Sequence[Path]) -> list[str]:
    """Names of images, unique and usable as names of files, in the order of the files.

    A name is the file's own without its suffix; where several would have it, its path below the
    root too, as in `beach-1`; where this is not enough, its suffix, as in `beach-1-png`.
    """
    inside = [path.relative_to(root) if path.is_relative_to(root) else path for path in files]
    names = [plain_name(path.stem) for path in inside]
    longer = [plain_name("-".join(path.with_suffix("").parts)) for path in inside]
    longest = [
        plain_name(f"{name}-{path.suffix[1:]}") for name, path in zip(longer, inside, strict=True)
    ]
    for more in (longer, longest):
        counts = Counter(names)
        names = [b if counts[a] > 1 else a for a, b in zip(names, more, strict=True)]
    return unique_names(names)


def unique_names(names: Iterable[str]) -> list[str]:
    """Names for files, of letters, digits, `_` and `-`; those that repeat are numbered."""
    plain = [plain_name(name) for name in names]
    counts, taken, found = Counter(plain), set(plain), []
    for name in plain:
        number, own = 1, name
        while counts[name] > 1 and own in taken:
            own, number = f"{name}-{number}", number + 1
        taken.add(own)
        found.append(own)
    return found


def plain_name(name: str) -> str:
    """The name with `_` for what is neither letter, digit nor `-`; é is one letter."""
    return re.sub(r"[^\w-]", "_", unicodedata.normalize("NFC", name)) or "image"


def first_names(root: Path, paths: Sequence[Path]) -> str:
    """The first paths below the root in words, in UTF-8."""
    shown = sorted(str(path.relative_to(root)) for path in paths)[:NAMED]
    text = ", ".join(shown) + " …" * (len(paths) > NAMED)
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def is_image_name(name: str) -> bool:
    """Whether a file's name has the suffix of an image; hidden files are none."""
    _, dot, suffix = name.rpartition(".")
    return (dot + suffix).lower() in _suffixes() and not name.startswith(".")


@cache
def _suffixes() -> frozenset[str]:
    """Suffixes of the image files that Pillow decodes."""
    Image.init()
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, format in known if format not in NOT_DECODED)
