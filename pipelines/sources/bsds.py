"""The Berkeley segmentation datasets: from either published layout to records, and to pixels.

BSDS500: `images/{train,val,test}/*.jpg`, `groundTruth/{train,val,test}/*.mat`, all annotators of
an image in one file. BSDS300: `images/{train,test}/*.jpg`, `human/{color,gray}/<user>/*.seg`, one
file an annotator, and `iids_{train,test}.txt`, which names the images of a folder that count
(where there is none, all do). The layouts name the same images differently: BSDS300's held-out
images, `test` there, are BSDS500's `val`; BSDS500's own `test` images came later. Which folder is
trained on and which is held out is therefore the protocol's to say (`PROTOCOLS`), and a record
carries the answer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import folders, images, label_maps, schema
from pipelines.errors import BadInput, PipelineError
from pipelines.records import Item, Listing, RawFile, read_file
from pipelines.schema import STRING, Field
from pipelines.sources.source import (
    PIXEL_LIMIT,
    SCENES,
    Option,
    Parameters,
    Reader,
    Source,
    most_pixels,
)

BSDS300, BSDS500 = "BSDS300", "BSDS500"

PROTOCOLS: dict[str, dict[str, dict[str, str]]] = {
    "bsds300": {
        BSDS500: {"train": "train", "val": "test"},
        BSDS300: {"train": "train", "test": "test"},
    },
    "bsds500": {
        BSDS500: {"train": "train", "val": "val", "test": "test"},
        BSDS300: {"train": "train", "test": "val"},
    },
}
"""protocol → layout → image folder → split. A folder that is not named is left out.

Both protocols mean the same images by the same split, whichever layout they come from. `bsds300`
(200 to train on, 100 held out) is the one of published results on BSDS300.
"""

ANNOTATIONS = (Field("annotation_sources", STRING), Field("annotation_sha256", STRING))
"""Columns of the table beside those of all scenes: a line for each ground-truth file."""
NESTED = ("", "data", "BSDS500/data", "BSR/BSDS500/data", "BSDS500", "BSDS300")
"""Folders below a given one where the dataset may lie, as its archives unpack."""


@dataclass(frozen=True)
class SceneRecord:
    """Record of an image with its human segmentations, before anything is decoded.

    Attributes:
        id: name of the image in its dataset.
        split: use of the image under the chosen protocol ("train", "test", …).
        image: the image file.
        annotations: the ground-truth files; none if the ground truth is missing.
        height, width: size in pixels by the header; 0 if the header is unreadable.
        annotators: number of segmentations by the headers; 0 if they are unreadable.
    """

    id: str
    split: str
    image: RawFile
    annotations: tuple[RawFile, ...]
    height: int
    width: int
    annotators: int

    @property
    def items(self) -> int:
        """Number of slots that the record fills."""
        return 1

    def part(self, start: int, stop: int) -> "SceneRecord":
        """A scene is not divided."""
        return self


@dataclass(frozen=True)
class Scene:
    """The decoded record.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        labels: one (height, width) uint16 map an annotator, labels ≥ 1.
        image_sha256: digest of the image file.
        annotation_sha256: digests of the ground-truth files, in the record's order.
    """

    image: np.ndarray
    labels: tuple[np.ndarray, ...]
    image_sha256: str
    annotation_sha256: tuple[str, ...]


def locate(root: Path) -> tuple[Path, str]:
    """The folder that holds `images/`, at or below the root, and the layout found there.

    Raises:
        PipelineError: there is no dataset.
    """
    for nested in NESTED:
        base = root / nested
        if (base / "images").is_dir():
            if (base / "groundTruth").is_dir():
                return base, BSDS500
            if (base / "human").is_dir():
                return base, BSDS300
    raise PipelineError(
        f"images/ beside groundTruth/ (BSDS500) or human/ (BSDS300) in {root}",
        _contents(root),
        "name the unpacked dataset's folder with --root",
    )


def discover(root: Path, protocol: str = "bsds300", most: int = images.LARGEST_PHOTO) -> Listing:
    """Listing of every scene of the dataset that the protocol uses, in the order split, id.

    Reads headers only. A scene without ground truth or with an unreadable header is listed all
    the same: `read` says what is wrong with it.

    Raises:
        PipelineError: no dataset, or no image that the protocol uses.
    """
    base, layout = locate(Path(root))
    splits = PROTOCOLS[protocol][layout]
    truths = _mat_files(base) if layout == BSDS500 else _seg_files(base)
    records: list[SceneRecord] = []
    notes: list[str] = []
    for folder in sorted(path for path in (base / "images").iterdir() if path.is_dir()):
        paths = _images(base, folder, notes)
        found = {path: truths.pop((folder.name, path.stem), []) for path in paths}
        if folder.name in splits:
            split = splits[folder.name]
            listed = _listed(base, folder.name, paths, notes)
            records.extend(_record(base, path, split, found[path], most) for path in listed)
        else:
            notes.append(
                f"{len(paths)} images of {layout}'s {folder.name} folder are left out: "
                f"protocol {protocol} does not use them"
            )
    if not records:
        raise PipelineError(
            f"images in images/{{{','.join(splits)}}}/ of {base}",
            _contents(base / "images"),
            "name the unpacked dataset's folder with --root",
        )
    order = list(dict.fromkeys(splits.values()))
    records.sort(key=lambda record: order.index(record.split))
    if alone := {name for folder, name in truths if folder in splits}:
        notes.append(f"{len(alone)} ground truths have no image: {_some(alone)}")
    files = [file for record in records for file in (record.image, *record.annotations)]
    # At least one pixel and annotator: a dataset of nothing but broken files has a store too.
    canvas = (
        max(1, *(record.height for record in records)),
        max(1, *(record.width for record in records)),
    )
    annotators = max(1, *(record.annotators for record in records))
    return Listing(
        base,
        layout,
        schema.scenes(canvas, annotators, *ANNOTATIONS),
        tuple(records),
        splits=tuple((name, count) for name in order if (count := _count(records, name))),
        raw_bytes=sum(file.size for file in files),
        largest=canvas,
        notes=tuple(notes),
    )


def items(
    record: SceneRecord,
    root: Path,
    options: Parameters,
    categories: Mapping[int, int],
) -> Iterator[Item]:
    """The scene of a record, decoded or quarantined; it needs no categories."""
    row: dict[str, Any] = {
        "id": record.id,
        "split": record.split,
        "image_source": record.image.path,
        "annotation_sources": "\n".join(file.path for file in record.annotations),
    }
    try:
        scene = read(record, root, most_pixels(options))
        _check_size(scene, record)
    except BadInput as error:
        yield Item(record.id, record.image.path, row, None, problem=str(error))
        return
    row |= {
        "height": scene.image.shape[0],
        "width": scene.image.shape[1],
        "annotators": len(scene.labels),
        "image_sha256": scene.image_sha256,
        "annotation_sha256": "\n".join(scene.annotation_sha256),
    }
    pixels = {"image": scene.image, "label": np.stack(scene.labels)}
    yield Item(record.id, record.image.path, row, pixels)


def read(record: SceneRecord, root: Path, most: int = images.LARGEST_PHOTO) -> Scene:
    """The pixels and all label maps of a record; `root` is its listing's root.

    `most` pixels may the image have, as when it was listed.

    Raises:
        BadInput: the scene itself is broken.
        PipelineError: a file is another one than the record describes.
        OSError: a file cannot be read at all.
    """
    content = read_file(root, record.image)
    image = images.decode_image(content, record.image.path, most)
    if not record.annotations:
        raise BadInput(
            f"a ground truth for {record.image.path}", "none", "restore it or take the image out"
        )
    labels: list[np.ndarray] = []
    digests: list[str] = []
    for file in record.annotations:
        truth = read_file(root, file)
        digests.append(hashlib.sha256(truth).hexdigest())
        if file.path.endswith(".mat"):
            labels.extend(label_maps.decode_mat(truth, file.path))
        else:
            labels.append(label_maps.decode_seg(truth, file.path))
    sources = ", ".join(file.path for file in record.annotations)
    if not labels:
        raise BadInput(f"at least one segmentation in {sources}", "none", "restore the file")
    if any(each.shape != image.shape[:2] for each in labels):
        # The annotators may have seen the image as EXIF turns it: then only that way fits.
        upright = images.decode_upright_image(content, record.image.path)
        if any(each.shape != upright.shape[:2] for each in labels):
            shapes = sorted({each.shape for each in labels})
            raise BadInput(
                f"label maps of {_size(image.shape)} as {record.image.path} has",
                f"{', '.join(_size(shape) for shape in shapes)} in {sources}",
                "restore the file that is not the original",
            )
        image = upright
    return Scene(image, tuple(labels), hashlib.sha256(content).hexdigest(), tuple(digests))


def _check_size(scene: Scene, record: SceneRecord) -> None:
    """Check that a decoded scene fits into its slot, which was sized by the headers."""
    height, width = scene.image.shape[:2]
    if height > record.height or width > record.width or len(scene.labels) > record.annotators:
        raise BadInput(
            f"{record.width}×{record.height} and {record.annotators} annotators for {record.id}, "
            "by the headers of its files",
            f"{width}×{height} and {len(scene.labels)}",
            "restore the files",
        )


def _images(base: Path, folder: Path, notes: list[str]) -> list[Path]:
    """Images of a folder in the order of their names, the first of each; the rest is noted."""
    files = sorted(folder.iterdir(), key=lambda path: (_natural(path.stem), path.suffix))
    found: dict[str, Path] = {}
    for path in filter(folders.is_image, files):
        found.setdefault(path.stem, path)
    paths = list(found.values())
    if left := [path for path in files if path not in paths and not path.name.startswith(".")]:
        notes.append(
            f"{len(left)} files of images/{folder.name} are not taken (no images, no regular "
            f"files, or a second image of the same name): {folders.first_names(base, left)}"
        )
    return paths


def _listed(base: Path, folder: str, paths: list[Path], notes: list[str]) -> list[Path]:
    """The images that BSDS300's list of a folder names; what differs is noted."""
    file = base / f"iids_{folder}.txt"
    if not file.is_file():
        return paths
    names = set(file.read_bytes().decode("utf-8", "replace").split())
    if unlisted := {path.stem for path in paths} - names:
        notes.append(
            f"{len(unlisted)} images of {folder} are left out: {file.name} does not name "
            f"{_some(unlisted)}"
        )
    if absent := names - {path.stem for path in paths}:
        notes.append(f"{file.name} names {len(absent)} images that are absent: {_some(absent)}")
    return [path for path in paths if path.stem in names]


def _count(records: list[SceneRecord], split: str) -> int:
    return sum(record.split == split for record in records)


def _record(base: Path, image: Path, split: str, truths: list[Path], most: int) -> SceneRecord:
    height, width = images.peek_image(image, most)
    return SceneRecord(
        id=image.stem,
        split=split,
        image=_raw_file(base, image),
        annotations=tuple(_raw_file(base, path) for path in truths),
        height=height,
        width=width,
        annotators=sum(label_maps.peek_annotators(path) for path in truths),
    )


def _raw_file(base: Path, path: Path) -> RawFile:
    return RawFile(path.relative_to(base).as_posix(), path.stat().st_size)


def _mat_files(base: Path) -> dict[tuple[str, str], list[Path]]:
    """(image folder, image name) → the one file with all its segmentations."""
    paths = (base / "groundTruth").glob("*/*.mat")
    return {(path.parent.name, path.stem): [path] for path in paths if path.is_file()}


def _seg_files(base: Path) -> dict[tuple[str, str], list[Path]]:
    """(image folder, image name) → its segmentations, in the order of the users' numbers.

    Those made from the colour image: they are the ones that BSDS500 kept. Those made from its
    grey version serve where a dataset has no others.
    """
    color = base / "human" / "color"
    source = color if color.is_dir() else base / "human" / "gray"
    homes = {path.stem: path.parent.name for path in (base / "images").glob("*/*")}
    files = defaultdict(list)
    regular = (path for path in source.glob("*/*.seg") if path.is_file())
    for path in sorted(regular, key=lambda path: _natural(path.parent.name)):
        # Every protocol has a train folder: what has no image is noted there, not lost.
        files[homes.get(path.stem, "train"), path.stem].append(path)
    return files


def _natural(name: str) -> tuple[bool, int, str]:
    """Sorting key: numbers by value, before other names."""
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:5]) + (" …" if len(ordered) > 5 else "")


def _contents(folder: Path) -> str:
    if not folder.is_dir():
        return "no such folder"
    names = {path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()}
    return _some(names) if names else "an empty folder"


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"


SOURCE = Source(
    name="bsds",
    title="Berkeley Segmentation Dataset, BSDS300 or BSDS500",
    folder="BSDS500",
    readers=(Reader(SCENES, SceneRecord, items),),
    discover=lambda root, _, given: discover(root, str(given["protocol"]), most_pixels(given)),
    options=(
        Option(
            "protocol",
            "bsds300",
            "bsds only. bsds300: its 200 train and 100 test images, which are BSDS500's train and "
            "val. bsds500: train, val and test as BSDS500 has them.",
            choices=tuple(sorted(PROTOCOLS)),
        ),
        PIXEL_LIMIT,
    ),
)
