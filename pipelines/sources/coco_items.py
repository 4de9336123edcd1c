"""Items of COCO's records: regions cut out of images, or whole scenes.

An image is decoded once for all of its objects. Pixels are placed as the paper has it (§6.1): a
region is cropped by its box, resized so that its longer side has a given length, and padded with
zeros to a square around it; its mask goes the same way. A pixel that the box touches belongs to
the crop.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipelines import images
from pipelines.errors import BadInput
from pipelines.records import Item, read_file
from pipelines.sources import masks
from pipelines.sources import run_lengths as runs
from pipelines.sources.coco_records import NO_BOX, Annotation, ImageRecord
from pipelines.sources.source import Parameters, most_pixels

LEAST_INSIDE = 0.5
"""The least part of a segmentation's pixels that its box holds."""
MOST_OBJECTS = int(np.iinfo(np.uint16).max)
"""Objects of a scene, whose labels are 16 bits."""


class _Picture:
    """The image of a record, read and decoded once, when it is first asked for."""

    def __init__(self, record: ImageRecord, root: Path, options: Parameters) -> None:
        self._record, self._most = record, most_pixels(options)
        content = read_file(root, record.file)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._content = content

    @cached_property
    def image(self) -> Image.Image:
        """RGB, of the size that the annotations have; `BadInput` if it cannot be had."""
        record, path = self._record, self._record.file.path
        if not (record.height and record.width):
            images.open_picture(self._content, path, most_pixels=self._most)
            raise BadInput(
                f"a size of {path} by its annotations that is its file's, of at most "
                f"{self._most / 1e6:g} million pixels",
                "another",
                "correct the size, or raise --most-pixels",
            )
        return images.open_annotated(self._content, path, record.height, record.width, self._most)


def regions(
    record: ImageRecord,
    root: Path,
    options: Parameters,
    categories: Mapping[int, int],
) -> Iterator[Item]:
    """Items of the objects of an image, one each.

    Args:
        record: the image.
        root: the dataset's folder.
        options: `longest`, pixels of a region's longer side, `size` of its frame, `most_pixels`.
        categories: contiguous numbers by official id.
    """
    longest, size = int(options["longest"]), int(options["size"])
    picture = _Picture(record, root, options)
    for each in record.objects:
        name = _name(each, record)
        row: dict[str, Any] = {
            "split": record.split,
            "image_source": record.file.path,
            "image_sha256": picture.sha256,
            "category": categories[each.category_id],
            "category_id": each.category_id,
            "image_id": record.id,
            "annotation_id": each.id,
            "box": list(each.bbox),
            "area": 0.0 if each.area is None else each.area,
            "crowd": bool(each.iscrowd),
        }
        try:
            image, mask, area = _cut(picture.image, each, longest, name)
        except BadInput as error:
            yield Item(str(each.id), record.file.path, row, None, problem=str(error))
            continue
        row |= {"area": float(area)} if each.area is None else {}
        height, width = mask.shape
        top, left = (size - height) // 2, (size - width) // 2
        row |= {"height": height, "width": width, "top": top, "left": left}
        pixels = {"image": image, "mask": mask}
        yield Item(str(each.id), record.file.path, row, pixels, (top, left))


def scenes(
    record: ImageRecord,
    root: Path,
    options: Parameters,
    categories: Mapping[int, int],
) -> Iterator[Item]:
    """Item of a scene: the image and a map of its instances.

    Label k is the k-th object in the order of annotation ids, 0 what no object covers; the row's
    `category` and `annotation_id` list them. Smaller objects lie over larger ones. Objects whose
    segmentation cannot be drawn leave the scene out: a map that lacks them would be wrong.
    """
    picture = _Picture(record, root, options)
    count = len(record.objects)
    row: dict[str, Any] = {
        "split": record.split,
        "id": str(record.id),
        "image_id": record.id,
        "image_source": record.file.path,
        "image_sha256": picture.sha256,
        "instances": count,
        "category": [categories[each.category_id] for each in record.objects],
        "annotation_id": [each.id for each in record.objects],
    }
    try:
        image = np.asarray(picture.image)
        labels = _label_map(record)
    except BadInput as error:
        listed = {key: row[key][:MOST_OBJECTS] for key in ("category", "annotation_id")}
        yield Item(str(record.id), record.file.path, row | listed, None, problem=str(error))
        return
    row |= {"height": record.height, "width": record.width, "annotators": 1}
    yield Item(str(record.id), record.file.path, row, {"image": image, "label": labels[None]})


def name_region(record: ImageRecord) -> str:
    """The record of one object in words."""
    return _name(record.objects[0], record)


def _name(each: Annotation, record: ImageRecord) -> str:
    return f"annotation {each.id} of {record.file.path}"


def _cut(
    image: Image.Image, each: Annotation, longest: int, name: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """The region's pixels (height, width, 3) and mask (height, width), resized; its area before."""
    left, top, right, bottom = _corners(each, image.height, image.width, name)
    lengths = _measure(each, (image.height, image.width), name)
    mask = runs.paint(lengths, image.height, left, right)[top:bottom]
    inside, area = int(mask.sum(dtype=np.int64)), runs.area(lengths)
    if not inside:
        raise BadInput(
            f"a segmentation of {name} that covers a pixel in its box",
            "none covered",
            "correct the annotation or take it out",
        )
    if inside < LEAST_INSIDE * area:
        raise BadInput(
            f"a box of {name} around its segmentation",
            f"{inside / area:.0%} of the segmentation's pixels inside",
            "correct the box, or take it out: it follows from the segmentation then",
        )
    scale = longest / max(right - left, bottom - top)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    pixels = image.crop((left, top, right, bottom)).resize((width, height), masks.RESAMPLING)
    return np.asarray(pixels), masks.fit(mask, height, width), area


def _corners(each: Annotation, height: int, width: int, name: str) -> tuple[int, int, int, int]:
    """The pixels that a box touches: first column and row, those after the last ones."""
    x, y, w, h = each.bbox
    # Beyond the image as far as anybody likes; sums of floats may even be infinite.
    left, right = (max(-1.0, min(edge, width + 1.0)) for edge in (x, x + w))
    top, bottom = (max(-1.0, min(edge, height + 1.0)) for edge in (y, y + h))
    corners = (
        max(0, math.floor(left)), max(0, math.floor(top)),
        min(width, math.ceil(right)), min(height, math.ceil(bottom)),
    )  # fmt: skip
    if each.bbox == NO_BOX:
        raise BadInput(
            f"a box or a segmentation of {name} to take it from",
            "neither",
            "correct the annotation or take it out",
        )
    if w <= 0 or h <= 0 or corners[0] >= corners[2] or corners[1] >= corners[3]:
        raise BadInput(
            f"a box of {name} inside its {width}×{height} pixels",
            f"{w:g}×{h:g} at ({x:g}, {y:g})",
            "correct the annotation or take it out",
        )
    return corners


def _measure(each: Annotation, size: tuple[int, int], name: str) -> np.ndarray:
    """The run lengths of an annotation's mask, which is its box where it has no segmentation."""
    if each.boxed:
        return runs.of_box(_corners(each, *size, name), *size)
    return masks.measure(each.segmentation, size, name)


def _label_map(record: ImageRecord) -> np.ndarray:
    """(height, width) uint16."""
    if len(record.objects) > MOST_OBJECTS:
        raise BadInput(
            f"at most {MOST_OBJECTS} objects in {record.file.path}",
            f"{len(record.objects)}",
            "take some out",
        )
    size = record.height, record.width
    labels = np.zeros(size, np.uint16)
    drawn = [_measure(each, size, _name(each, record)) for each in record.objects]
    for index in sorted(range(len(drawn)), key=lambda i: (-runs.area(drawn[i]), i)):
        labels[runs.paint(drawn[index], record.height, 0, record.width) > 0] = index + 1
    return labels
