"""COCO's instance annotations: from `annotations/instances_*.json` to records.

Each file of annotations names the images of a folder of the same name (`instances_val2017.json`,
`val2017/`), which is a split (`val`). Records come in the order split, image id, annotation id.

What is wrong with the JSON as a whole is an error before anything is written. What is wrong with
one image or annotation is quarantined by the task that meets it (`coco_items`), or, where there
is no image to speak of, left out and noted.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from pipelines import schema
from pipelines.errors import PipelineError
from pipelines.records import Listing, RawFile
from pipelines.schema import Field, Schema
from pipelines.sources import coco_items
from pipelines.sources.coco_records import Annotation, ImageRecord, Instances
from pipelines.sources.source import REGIONS, SCENES, Option, Parameters, Reader, Source

NESTED = ("", "coco2017", "coco")
"""Folders below a given one where the dataset may lie."""
LAYOUT = "COCO"
SOME = 5


def discover(root: Path, product: str, parameters: Parameters) -> Listing:
    """Listing of every object of the dataset, by image.

    Args:
        root: the folder that holds `annotations/` and the image folders.
        product: "regions" or "scenes".
        parameters: the values of `SOURCE.options`.

    Raises:
        PipelineError: no dataset, parameters that do not fit together, or annotations that
            contradict themselves.
    """
    size, crowds = int(parameters.get("size", 0)), parameters["crowds"] == "include"
    if product == REGIONS.name and not 0 < int(parameters["longest"]) <= size:
        raise PipelineError(
            f"regions that fit into frames of {size} px",
            f"--longest {parameters['longest']}",
            "correct --longest or --size",
        )
    splits = [split for split in str(parameters["splits"]).split(",") if split]
    base = _locate(Path(root))
    files = {_split_of(path): path for path in sorted((base / "annotations").glob("instances_*"))}
    files = {split: path for split, path in files.items() if _folder_of(path).is_dir()}
    if missing := set(splits) - set(files):
        raise PipelineError(
            f"splits out of {', '.join(sorted(files)) or 'those in annotations/'} in {base}",
            ", ".join(sorted(missing)),
            "correct --split",
        )
    records: list[ImageRecord] = []
    notes: list[str] = []
    categories: dict[int, str] = {}
    for split in sorted(splits or files, key=lambda name: (name != "train", name)):
        path = files[split]
        instances = _parse(path)
        _add_categories(categories, instances, path)
        records += _records(base, path, split, instances, product != REGIONS.name, crowds, notes)
    counts = dict.fromkeys((record.split for record in records), 0)
    for record in records:
        counts[record.split] += record.items
    if not sum(counts.values()):
        raise PipelineError(
            f"images with annotated objects in {base}", "none", "name another --root or --split"
        )
    canvas = max(record.height for record in records), max(record.width for record in records)
    return Listing(
        base,
        LAYOUT,
        _schema(product, size, canvas, max(len(record.objects) for record in records)),
        records,
        splits=tuple(counts.items()),
        raw_bytes=sum(record.file.size for record in records if record.items),
        largest=canvas,
        categories=tuple(sorted(categories.items())),
        notes=tuple(notes),
    )


def _locate(root: Path) -> Path:
    for nested in NESTED:
        base = root / nested
        if any((base / "annotations").glob("instances_*.json")):
            return base
    raise PipelineError(
        f"annotations/instances_*.json beside the folders of images in {root}",
        "none",
        "name the unpacked dataset's folder with --root",
    )


def _schema(product: str, size: int, canvas: tuple[int, int], objects: int) -> Schema:
    if product == REGIONS.name:
        return schema.regions(size)
    instances = (max(1, objects),)
    return schema.scenes(
        canvas,
        1,
        Field("image_id", "int64"),
        Field("instances", "int32"),
        Field("category", "int32", ("instance",), instances),
        Field("annotation_id", "int64", ("instance",), instances),
    )


def _split_of(path: Path) -> str:
    """instances_val2017.json → val."""
    return re.sub(r"\d{4}$", "", path.stem.removeprefix("instances_"))


def _folder_of(path: Path) -> Path:
    return path.parent.parent / path.stem.removeprefix("instances_")


def _parse(path: Path) -> Instances:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Instances)
    except msgspec.DecodeError as error:
        raise PipelineError(
            f"COCO's instance annotations in {path}",
            f"something else ({error})",
            "download the file again",
        ) from error


def _add_categories(categories: dict[int, str], instances: Instances, path: Path) -> None:
    """Join the categories of a split to those of the others, which must mean the same."""
    for each in instances.categories:
        if categories.setdefault(each.id, each.name) != each.name:
            raise PipelineError(
                f"category {each.id} to be {categories[each.id]!r} as in the other split",
                f"{each.name!r} in {path}",
                "give each dataset a folder of its own",
            )


def _records(
    base: Path,
    path: Path,
    split: str,
    instances: Instances,
    whole: bool,
    crowds: bool,
    notes: list[str],
) -> list[ImageRecord]:
    """The images of one file of annotations that are there, with their objects."""
    folder = _folder_of(path)
    _check_ids(instances, path)
    by_image: defaultdict[int, list[Annotation]] = defaultdict(list)
    skipped = 0
    for annotation in sorted(instances.annotations, key=lambda each: each.id):
        if annotation.iscrowd and not crowds:
            skipped += 1
        else:
            by_image[annotation.image_id].append(annotation)
    records, absent = [], []
    for image in sorted(instances.images, key=lambda each: each.id):
        objects = tuple(by_image.pop(image.id, ()))
        name = PurePosixPath(image.file_name)
        if name.is_absolute() or ".." in name.parts:
            raise PipelineError(
                f"file names below {folder} in {path}", repr(image.file_name), "correct the file"
            )
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            absent.append(image.file_name)
            continue
        file = RawFile(f"{folder.name}/{name}", size)
        if objects or whole:
            records.append(
                ImageRecord(image.id, split, file, image.height, image.width, objects, whole)
            )
    if skipped:
        notes.append(f"{skipped} crowds of {split} are left out; --crowds include keeps them")
    if absent:
        notes.append(
            f"{len(absent)} images in {path.name} have no file in {folder.name}/ and are left out "
            f"with their objects: {_some(absent)}"
        )
    if by_image:
        lost = [str(each.id) for objects in by_image.values() for each in objects]
        notes.append(
            f"{len(lost)} annotations in {path.name} point at no image and are left out: "
            f"{_some(lost)}"
        )
    return records


def _check_ids(instances: Instances, path: Path) -> None:
    """Check that ids are unique and that categories exist."""
    for what, things in (("image", instances.images), ("annotation", instances.annotations)):
        if len({each.id for each in things}) != len(things):
            raise PipelineError(
                f"a different id for each {what} in {path}", "ids twice", "download the file again"
            )
    known = {each.id for each in instances.categories}
    if unknown := {each.category_id for each in instances.annotations} - known:
        raise PipelineError(
            f"annotations of the categories that {path} declares",
            f"category {min(unknown)}",
            "download the file again",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SOME]) + (" …" if len(names) > SOME else "")


SOURCE = Source(
    name="coco",
    title="COCO 2017, instances",
    folder="coco2017",
    readers=(
        Reader(REGIONS, ImageRecord, coco_items.regions),
        Reader(SCENES, ImageRecord, coco_items.scenes),
    ),
    discover=discover,
    options=(
        Option(
            "longest",
            200,
            "coco regions only: pixels of a region's longer side.",
            products=(REGIONS.name,),
        ),
        Option(
            "size",
            227,
            "coco regions only: pixels of the square frame, zeros beside the region.",
            products=(REGIONS.name,),
        ),
        Option(
            "crowds",
            "exclude",
            "coco only: annotations of crowds.",
            choices=("exclude", "include"),
        ),
        Option(
            "splits",
            "",
            "coco only: a split, as in val; may be repeated. Default: all that are there.",
            repeated=True,
            flag="--split",
        ),
    ),
)
