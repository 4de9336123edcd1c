"""Files of COCO's images: found by the names that the annotations have, and those left over.

A name is sought in the split's folder, then, as it may begin with that folder's own name, in those
around it. A name that leads elsewhere (absolute, a URL, or upwards) stands for the file of that
name in the folder, if no other image has it. Regular files alone are taken.
"""

import os
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from pipelines import folders
from pipelines.records import RawFile
from pipelines.sources.coco_layouts import Dataset, Split

ELSEWHERE = re.compile(r"^([A-Za-z]:)?/|^[A-Za-z][\w+.-]*://|(^|/)\.\.(/|$)")
"""Names of images that lead out of every folder: absolute, URLs, and upwards."""


class ImageFiles:
    """The files of a split's images.

    Args:
        base: the folder that paths are relative to.
        split: the split.
        names: the names of all its images.

    Attributes:
        base: as given.
        folder: the folder that has some of them; where none has, the first that is there, or None.
        moved: names that lead elsewhere, of files that are in the folder.
    """

    def __init__(self, base: Path, split: Split, names: Sequence[str]) -> None:
        self.base, self._here = base, "."
        elsewhere = {_last(name) for name in names if _leads_elsewhere(name)}
        self._alone = Counter(each for each in map(_last, set(names)) if each in elsewhere)
        self._around: list[str] = []
        self.moved: list[str] = []
        self.folder: Path | None = None
        there = [folder for folder in split.folders if folder.is_dir()]
        for folder in (*there, *there[:1]):  # the first one again, where none has an image
            self.folder, self._here = folder, os.path.relpath(folder, base)
            self._around = [str(each) for each in PurePosixPath(self._here).parents]
            if any(self.find(name) for name in names):
                break
        self.moved.clear()

    def find(self, name: str) -> RawFile | None:
        """The regular file of an image; None where there is none."""
        if self.folder is None:
            return None
        for path in self._candidates(name):
            size = _size_of(f"{self.base}/{path}")
            if size is not None:
                if _leads_elsewhere(name):
                    self.moved.append(name)
                return RawFile(path, size)
        return None

    def _candidates(self, name: str) -> Iterator[str]:
        """Paths, relative to the base, where the image of a name may lie."""
        for spelled in dict.fromkeys((name, name.replace("\\", "/"))):
            if not _leads_elsewhere(spelled):
                yield _joined(self._here, spelled)
                if "/" in spelled:  # as in images/a.jpg, of images/
                    yield from (_joined(each, spelled) for each in self._around)
            elif self._alone[_last(spelled)] == 1:
                # Of a URL as LVIS has it, COCO's own folder and file.
                tail = "/".join(PurePosixPath(spelled).parts[-2:])
                if "://" in spelled:
                    yield from (_joined(each, tail) for each in (self._here, *self._around))
                yield _joined(self._here, _last(spelled))


def left_over(
    dataset: Dataset, read: Iterable[Split], chosen: Iterable[Path], taken: Iterable[str]
) -> list[str]:
    """Sentences on the images and annotations of a dataset that are not taken.

    Args:
        dataset: the dataset.
        read: those of its splits that are asked for.
        chosen: the folders in which images were sought.
        taken: paths of the images that are listed, relative to the dataset's base.
    """
    base = dataset.base
    by_folder: defaultdict[str, set[str]] = defaultdict(set)
    for folder in chosen:
        by_folder[os.path.relpath(folder, base)] |= set()
    for path in taken:
        folder_of, _, name = path.rpartition("/")
        by_folder[folder_of or "."].add(name)
    notes = []
    for each, names in sorted(by_folder.items()):
        if unnamed := sorted(set(_images_in(base / each)) - names):
            notes.append(
                f"{len(unnamed)} images in {each}/ are named by no annotations that are read: "
                f"{folders.first_names(base, [base / each / name for name in unnamed])}"
            )
    read = set(read)
    aside = {place for split in dataset.splits if split not in read for place in split.folders}
    around = {str(parent) for each in by_folder for parent in PurePosixPath(each).parents}
    for folder in _folders_in(base):
        each = os.path.relpath(folder, base)
        if each in by_folder or each in around or folder in aside:
            continue
        if count := len(_images_in(folder)):
            notes.append(f"{count} images in {each}/ are left out: no annotations name that folder")
    known = {split.file for split in dataset.splits}
    if others := [path for path in base.glob("annotations/*.json") if path not in known]:
        notes.append(
            f"{len(others)} other files of annotations/ are not taken: "
            f"{folders.first_names(base, others)}"
        )
    return notes


def _folders_in(base: Path) -> list[Path]:
    """The folders of a dataset, and those in its images/."""
    found: list[Path] = []
    for around in (base, base / "images"):
        if around.is_dir():
            found += sorted(path for path in around.iterdir() if path.is_dir())
    return [path for path in found if not path.name.startswith(".")]


def _images_in(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir() if folders.is_image_name(path.name)]
    except OSError:  # no permission, or gone
        return []


def _leads_elsewhere(name: str) -> bool:
    return bool(ELSEWHERE.search(name) or ELSEWHERE.search(name.replace("\\", "/")))


def _last(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _joined(folder: str, name: str) -> str:
    path = str(PurePosixPath(name))
    return path if folder == "." else f"{folder}/{path}"


def _size_of(path: str) -> int | None:
    """Bytes of a regular file; None for anything else, or where there is nothing."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- three times as fast, once for each image
    except (OSError, ValueError):  # of a name that no system has
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
