"""Where COCO's annotations and images lie: the layouts of COCO, CVAT, Roboflow and Label Studio.

annotations/instances_val2017.json  images in the first of val2017/, images/val2017/, val/,
                                    images/val/ and images/ (CVAT) that has some of them
SPLIT/_annotations.coco.json        images beside it (Roboflow)
result.json                         images in images/ (Label Studio)
any other                           a file and a folder that are named
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipelines import folders
from pipelines.errors import PipelineError

NESTED = ("", "coco2017", "coco")
"""Folders below a given one where the dataset may lie."""
ROBOFLOW, LABEL_STUDIO = "_annotations.coco.json", "result.json"
ALL = "all"
"""Split of a dataset that has one file of annotations only."""
LAYOUTS = (
    "annotations/instances_*.json beside the folders of images or images/, "
    f"SPLIT/{ROBOFLOW} (Roboflow), or {LABEL_STUDIO} beside images/ (Label Studio)"
)


@dataclass(frozen=True)
class Split:
    """A file of annotations.

    Attributes:
        name: the split's.
        file: the file.
        label: the file as notes name it.
        folders: where its images may lie, the likeliest first.
    """

    name: str
    file: Path
    label: str
    folders: tuple[Path, ...]


@dataclass(frozen=True)
class Dataset:
    """A dataset as it lies on the disk.

    Attributes:
        base: the folder that the paths of images are relative to.
        layout: the layout's name.
        splits: its files of annotations.
    """

    base: Path
    layout: str
    splits: tuple[Split, ...]


def find(root: Path, annotations: str, images: str) -> Dataset:
    """The dataset in a folder, or what a file and a folder make, named relative to it.

    Raises:
        PipelineError: there is none.
    """
    if annotations or images:
        return _named(root, annotations, images)
    for nested in NESTED:
        base = root / nested
        for layout, splits in (
            ("COCO", _of_coco(base)),
            ("COCO of Roboflow", _of_roboflow(base)),
            ("COCO of Label Studio", _of_label_studio(base)),
        ):
            if splits:
                return Dataset(base, layout, tuple(splits))
    others = [*root.glob("*.json"), *root.glob("*/*.json")]
    raise PipelineError(
        f"{LAYOUTS} in {root}",
        f"other files: {folders.first_names(root, others)}" if others else "none",
        "name the unpacked dataset's folder with --root, "
        "or any other layout with --annotations FILE --images FOLDER",
    )


def _named(root: Path, annotations: str, images: str) -> Dataset:
    file, folder = root / annotations, root / images
    lacking = [] if annotations and file.is_file() else [f"no file {annotations and file}"]
    lacking += [] if images and folder.is_dir() else [f"no folder {images and folder}"]
    if lacking:
        raise PipelineError(
            "a file of annotations and the folder of its images",
            " and ".join(each.strip() for each in lacking),
            "give both --annotations FILE and --images FOLDER",
        )
    name = _split_of(file) if file.stem.startswith("instances_") else ALL
    return Dataset(root, "COCO", (Split(name, file, file.name, (folder,)),))


def _of_coco(base: Path) -> list[Split]:
    files = sorted(base.glob("annotations/instances_*.json"))
    files = [path for path in files if path.is_file()]
    names = Counter(map(_split_of, files))
    splits = []
    for path in files:
        short, long = _split_of(path), path.stem.removeprefix("instances_")
        places = (long, f"images/{long}", short, f"images/{short}", "images")
        found = tuple(base / each for each in dict.fromkeys(places))
        splits.append(Split(short if names[short] == 1 else long, path, path.name, found))
    return splits


def _of_roboflow(base: Path) -> list[Split]:
    files = [path for path in sorted(base.glob(f"*/{ROBOFLOW}")) if path.is_file()]
    if not files and (base / ROBOFLOW).is_file():
        return [Split(ALL, base / ROBOFLOW, ROBOFLOW, (base,))]
    return [
        Split(path.parent.name, path, f"{path.parent.name}/{ROBOFLOW}", (path.parent,))
        for path in files
    ]


def _of_label_studio(base: Path) -> list[Split]:
    file, folder = base / LABEL_STUDIO, base / "images"
    return [Split(ALL, file, file.name, (folder,))] if file.is_file() and folder.is_dir() else []


def _split_of(path: Path) -> str:
    """instances_val2017.json → val."""
    name = path.stem.removeprefix("instances_")
    return re.sub(r"\d{4}$", "", name) or name
