"""COCO's instance annotations: from a file of them to records, image by image.

Where they lie: `coco_layouts`. Records come in the order split, image id, annotation id.

A file that cannot be read as a whole, or that contradicts itself, is an error before anything is
written. What is wrong with one image or annotation is mended or left out, and noted
(`coco_mending`), or quarantined by the task that meets it (`coco_items`).
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipelines import images as image_files
from pipelines import schema
from pipelines.errors import PipelineError
from pipelines.records import Listing
from pipelines.schema import Field, Schema
from pipelines.sources import coco_items, coco_layouts, coco_mending
from pipelines.sources.coco_files import ImageFiles, left_over
from pipelines.sources.coco_layouts import Split
from pipelines.sources.coco_mending import Notes, some
from pipelines.sources.coco_records import Annotation, Image, ImageRecord, Instances
from pipelines.sources.source import (
    PIXEL_LIMIT,
    REGIONS,
    SCENES,
    Option,
    Parameters,
    Reader,
    Source,
    most_pixels,
)


@dataclass(frozen=True)
class _Wanted:
    """Choice of what is wanted of a dataset.

    Attributes:
        whole: images, not their objects one by one.
        crowds: annotations of crowds too.
        most_pixels: pixels of an image.
    """

    whole: bool
    crowds: bool
    most_pixels: int


def discover(root: Path, product: str, parameters: Parameters) -> Listing:
    """Listing of every object of the dataset, by image.

    Args:
        root: the dataset's folder, see `coco_layouts`.
        product: "regions" or "scenes".
        parameters: the values of `SOURCE.options`.

    Raises:
        PipelineError: no dataset, parameters that do not fit together, or annotations that
            contradict themselves.
    """
    size = int(parameters.get("size", 0))
    if product == REGIONS.name and not 0 < int(parameters["longest"]) <= size:
        raise PipelineError(
            f"regions that fit into frames of {size} px",
            f"--longest {parameters['longest']}",
            "correct --longest or --size",
        )
    wanted = _Wanted(
        product != REGIONS.name, parameters["crowds"] == "include", most_pixels(parameters)
    )
    dataset = coco_layouts.find(
        Path(root), str(parameters["annotations"]), str(parameters["images"])
    )
    splits = _asked(dataset, str(parameters["splits"]))
    records: list[ImageRecord] = []
    notes: list[str] = []
    categories: dict[int, str] = {}
    undeclared: set[int] = set()
    folders = []
    for split in splits:
        own = Notes(split.label)
        instances = coco_mending.read(split.file, own)
        _add_categories(categories, instances, split.file)
        undeclared |= {each.category_id for each in instances.annotations}
        files = ImageFiles(dataset.base, split, [each.file_name for each in instances.images])
        records += _records(split, files, instances, wanted, own)
        notes += own.sentences()
        folders += [files.folder] if files.folder else []
    for number in undeclared - set(categories):
        categories[number] = f"category {number}"
    notes += left_over(dataset, splits, folders, (each.file.path for each in records))
    records = [record for record in records if record.items]
    if wanted.whole:
        records = _confirmed(records, dataset.base)
    if not records:
        raise PipelineError(
            f"images with annotated objects in {dataset.base}",
            "; ".join(["none", *notes]),
            "name another --root or --split, or --annotations FILE and --images FOLDER",
        )
    counts = dict.fromkeys((record.split for record in records), 0)
    for record in records:
        counts[record.split] += record.items
    canvas = (
        max(1, *(record.height for record in records)),
        max(1, *(record.width for record in records)),
    )
    objects = max(len(record.objects) for record in records)
    return Listing(
        dataset.base,
        dataset.layout,
        _schema(product, size, canvas, min(objects, coco_items.MOST_OBJECTS)),
        records,
        splits=tuple(counts.items()),
        raw_bytes=sum(record.file.size for record in records),
        largest=canvas,
        categories=tuple(sorted(categories.items())),
        notes=tuple(notes),
    )


def _asked(dataset: coco_layouts.Dataset, names: str) -> list[Split]:
    """The splits that are asked for, or all, in the order of the store."""
    asked = {name for name in names.split(",") if name}
    known = [split.name for split in dataset.splits]
    if missing := asked - set(known):
        raise PipelineError(
            f"splits out of {', '.join(known)} in {dataset.base}",
            ", ".join(sorted(missing)),
            "correct --split",
        )
    splits = [split for split in dataset.splits if not asked or split.name in asked]
    return sorted(splits, key=lambda split: (split.name != "train", split.name))


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


def _add_categories(categories: dict[int, str], instances: Instances, path: Path) -> None:
    """Join the categories of a split to those of the others, which must mean the same."""
    for each in instances.categories:
        if categories.setdefault(each.id, each.name) != each.name:
            raise PipelineError(
                f"category {each.id} to be {categories[each.id]!r} as in the other split",
                f"{each.name!r} in {path}",
                "give each dataset a folder of its own, or name one with --split",
            )


def _records(
    split: Split, files: ImageFiles, instances: Instances, wanted: _Wanted, notes: Notes
) -> list[ImageRecord]:
    """The images of one file of annotations that are there, with their objects."""
    by_image: defaultdict[int, list[Annotation]] = defaultdict(list)
    crowds = boxed = 0
    for annotation in sorted(instances.annotations, key=lambda each: each.id):
        if annotation.iscrowd and not wanted.crowds:
            crowds += 1
        else:
            by_image[annotation.image_id].append(annotation)
    records, absent, lost = [], [], 0
    for image in sorted(instances.images, key=lambda each: each.id):
        objects = tuple(by_image.pop(image.id, ()))
        file = files.find(image.file_name)
        if file is None:
            absent.append(image.file_name)
            lost += len(objects)
            continue
        boxed += sum(each.boxed for each in objects)
        size = _size(image, files.base, file.path, wanted, notes)
        records.append(ImageRecord(image.id, split.name, file, *size, objects, wanted.whole))
    if crowds:
        notes.say(f"{crowds} crowds of {split.name} are left out; --crowds include keeps them")
    if absent:
        notes.say(
            f"{len(absent)} images in {split.label} have {_nowhere(split, files)} and are left out "
            f"with their {lost} objects: {some(absent)}"
        )
    if by_image:
        stray = [str(each.id) for objects in by_image.values() for each in objects]
        notes.say(
            f"{len(stray)} annotations in {split.label} point at no image and are left out: "
            f"{some(stray)}"
        )
    if files.folder and files.moved:
        notes.say(
            f"{len(files.moved)} images in {split.label} have names that lead elsewhere, whose "
            f"last part is a file in {files.folder.name}/: {some(files.moved)}"
        )
    if boxed:
        notes.say(
            f"{boxed} of {len(instances.annotations)} annotations in {split.label} have no "
            "segmentation: the box is the mask"
        )
    if not wanted.whole and (bare := sum(not record.items for record in records)):
        notes.say(f"{bare} images of {split.name} have no object, and give no region")
    return records


def _nowhere(split: Split, files: ImageFiles) -> str:
    """Words for where an image was sought in vain."""
    if files.folder:
        return f"no file in {files.folder.name}/"
    tried = ", ".join(f"{each.relative_to(files.base)}/" for each in split.folders)
    return f"no folder ({tried})"


def _size(image: Image, base: Path, path: str, wanted: _Wanted, notes: Notes) -> tuple[int, int]:
    """Height and width of an image; 0, 0 where they are beyond the limit."""
    height, width = image.height, image.width
    if not (height and width):
        height, width = image_files.peek_stored(base / path)
        notes.add("images", "have no size but that of their files", image.file_name)
    return (height, width) if height * width <= wanted.most_pixels else (0, 0)


def _confirmed(records: list[ImageRecord], base: Path) -> list[ImageRecord]:
    """The records, those that would decide the canvas with the sizes of their files' headers.

    The task that meets one whose header says something else quarantines it: it needs no room.
    """
    false: set[int] = set()
    for key in (lambda each: records[each].height, lambda each: records[each].width):
        for index in sorted(range(len(records)), key=key, reverse=True):
            record = records[index]
            if {record.height, record.width} == {*image_files.peek_stored(base / record.file.path)}:
                break
            false.add(index)
    return [
        msgspec.structs.replace(record, height=0, width=0) if index in false else record
        for index, record in enumerate(records)
    ]


SOURCE = Source(
    name="coco",
    title="COCO 2017, instances",
    folder="coco2017",
    readers=(
        Reader(REGIONS, ImageRecord, coco_items.regions, coco_items.name_region),
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
        Option(
            "annotations",
            "",
            "coco only: a file of annotations, together with --images, for a dataset that has none "
            f"of these layouts: {coco_layouts.LAYOUTS}.",
            place="file",
        ),
        Option(
            "images",
            "",
            "coco only: the folder of the images that --annotations names. Relative paths are "
            "sought in --root first.",
            place="folder",
        ),
        PIXEL_LIMIT,
    ),
)
