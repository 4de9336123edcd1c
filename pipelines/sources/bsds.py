"""The Berkeley segmentation datasets: from either published layout to records, and to pixels.

BSDS500: `images/{train,val,test}/*.jpg`, `groundTruth/{train,val,test}/*.mat`, all annotators of
an image in one file. BSDS300: `images/{train,test}/*.jpg`, `human/{color,gray}/<user>/*.seg`, one
file an annotator. The layouts name the same images differently: BSDS300's held-out images, `test`
there, are BSDS500's `val`; BSDS500's own `test` images came later. Which folder is trained on and
which is held out is therefore the protocol's to say (`PROTOCOLS`), and a record carries the answer.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipelines.errors import BadInput, PipelineError
from pipelines.sources import formats
from pipelines.sources.records import Listing, RawFile, Scene, SceneRecord

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

NESTED = ("", "data", "BSDS500/data", "BSR/BSDS500/data", "BSDS500", "BSDS300")
"""Where below a given folder the dataset may lie, as its archives unpack."""


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


def discover(root: Path, protocol: str = "bsds300") -> Listing:
    """Every scene of the dataset that the protocol uses, in the order split, id.

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
        images = sorted(folder.glob("*.jpg"), key=lambda path: _natural(path.stem))
        found = [truths.pop((folder.name, image.stem), []) for image in images]
        if folder.name in splits:
            split = splits[folder.name]
            records.extend(
                _record(base, image, split, truth)
                for image, truth in zip(images, found, strict=True)
            )
        else:
            notes.append(
                f"{len(images)} images of {layout}'s {folder.name} folder are left out: "
                f"protocol {protocol} does not use them"
            )
    if not records:
        raise PipelineError(
            f"images/{{{','.join(splits)}}}/*.jpg in {base}",
            _contents(base / "images"),
            "name the unpacked dataset's folder with --root",
        )
    order = list(dict.fromkeys(splits.values()))
    records.sort(key=lambda record: order.index(record.split))
    if alone := {name for folder, name in truths if folder in splits}:
        notes.append(f"{len(alone)} ground truths have no image: {_some(alone)}")
    return Listing(base, layout, tuple(records), tuple(notes))


def read(record: SceneRecord, root: Path) -> Scene:
    """The pixels and all label maps of a record; `root` is its listing's root.

    Raises:
        BadInput: the scene itself is broken.
        PipelineError: a file is another one than the record describes.
        OSError: a file cannot be read at all.
    """
    content = _read_file(root, record.image)
    image = formats.decode_image(content, record.image.path)
    if not record.annotations:
        raise BadInput(
            f"a ground truth for {record.image.path}", "none", "restore it or take the image out"
        )
    labels: list[np.ndarray] = []
    digests: list[str] = []
    for file in record.annotations:
        truth = _read_file(root, file)
        digests.append(hashlib.sha256(truth).hexdigest())
        if file.path.endswith(".mat"):
            labels.extend(formats.decode_mat(truth, file.path))
        else:
            labels.append(formats.decode_seg(truth, file.path))
    sources = ", ".join(file.path for file in record.annotations)
    if not labels:
        raise BadInput(f"at least one segmentation in {sources}", "none", "restore the file")
    if any(each.shape != image.shape[:2] for each in labels):
        # The annotators may have seen the image as EXIF turns it: then only that way fits.
        upright = formats.decode_upright_image(content, record.image.path)
        if any(each.shape != upright.shape[:2] for each in labels):
            shapes = sorted({each.shape for each in labels})
            raise BadInput(
                f"label maps of {_size(image.shape)} as {record.image.path} has",
                f"{', '.join(_size(shape) for shape in shapes)} in {sources}",
                "restore the file that is not the original",
            )
        image = upright
    return Scene(image, tuple(labels), hashlib.sha256(content).hexdigest(), tuple(digests))


def _record(base: Path, image: Path, split: str, truths: list[Path]) -> SceneRecord:
    height, width = formats.peek_image(image)
    return SceneRecord(
        id=image.stem,
        split=split,
        image=_raw_file(base, image),
        annotations=tuple(_raw_file(base, path) for path in truths),
        height=height,
        width=width,
        annotators=sum(formats.peek_annotators(path) for path in truths),
    )


def _raw_file(base: Path, path: Path) -> RawFile:
    return RawFile(path.relative_to(base).as_posix(), path.stat().st_size)


def _read_file(root: Path, file: RawFile) -> bytes:
    """The file's bytes, if they still are as many as when the plan was made."""
    content = (Path(root) / file.path).read_bytes()
    if len(content) != file.size:
        raise PipelineError(
            f"{file.size} bytes in {file.path} as the plan has it",
            f"{len(content)}",
            "plan anew: run with --overwrite",
        )
    return content


def _mat_files(base: Path) -> dict[tuple[str, str], list[Path]]:
    """(image folder, image name) → the one file with all its segmentations."""
    paths = (base / "groundTruth").glob("*/*.mat")
    return {(path.parent.name, path.stem): [path] for path in paths}


def _seg_files(base: Path) -> dict[tuple[str, str], list[Path]]:
    """(image folder, image name) → its segmentations, in the order of the users' numbers.

    Those made from the colour image: they are the ones that BSDS500 kept. Those made from its
    grey version serve where a dataset has no others.
    """
    color = base / "human" / "color"
    source = color if color.is_dir() else base / "human" / "gray"
    folders = {path.stem: path.parent.name for path in (base / "images").glob("*/*.jpg")}
    files = defaultdict(list)
    for path in sorted(source.glob("*/*.seg"), key=lambda path: _natural(path.parent.name)):
        # Every protocol has a train folder: what has no image is noted there, not lost.
        files[folders.get(path.stem, "train"), path.stem].append(path)
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
