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
from pipelines.sources.coco_records import Annotation, ImageRecord
from pipelines.sources.source import Parameters


class _Picture:
    """The image of a record, read and decoded once, when it is first asked for."""

    def __init__(self, record: ImageRecord, root: Path) -> None:
        self._record = record
        content = read_file(root, record.file)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._content = content

    @cached_property
    def image(self) -> Image.Image:
        """RGB, of the size that the annotations have; `BadInput` if it cannot be had."""
        record = self._record
        return images.open_annotated(self._content, record.file.path, record.height, record.width)


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
        options: `longest`, pixels of a region's longer side, and `size` of its frame.
        categories: contiguous numbers by official id.
    """
    longest, size = int(options["longest"]), int(options["size"])
    picture = _Picture(record, root)
    for each in record.objects:
        name = f"annotation {each.id} of {record.file.path}"
        row: dict[str, Any] = {
            "split": record.split,
            "image_source": record.file.path,
            "image_sha256": picture.sha256,
            "category": categories[each.category_id],
            "category_id": each.category_id,
            "image_id": record.id,
            "annotation_id": each.id,
            "box": list(each.bbox),
            "area": each.area,
            "crowd": bool(each.iscrowd),
        }
        try:
            image, mask = _cut(picture.image, each, longest, name)
        except BadInput as error:
            yield Item(str(each.id), record.file.path, row, None, problem=str(error))
            continue
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
    picture = _Picture(record, root)
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
        yield Item(str(record.id), record.file.path, row, None, problem=str(error))
        return
    row |= {"height": record.height, "width": record.width, "annotators": 1}
    yield Item(str(record.id), record.file.path, row, {"image": image, "label": labels[None]})


def _cut(
    image: Image.Image, each: Annotation, longest: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """The region's pixels (height, width, 3) and mask (height, width), resized."""
    x, y, w, h = each.bbox
    left, top = max(0, math.floor(x)), max(0, math.floor(y))
    right, bottom = min(image.width, math.ceil(x + w)), min(image.height, math.ceil(y + h))
    if w <= 0 or h <= 0 or left >= right or top >= bottom:
        raise BadInput(
            f"a box of {name} inside its {image.width}×{image.height} pixels",
            f"{w:g}×{h:g} at ({x:g}, {y:g})",
            "correct the annotation or take it out",
        )
    frame = image.height, image.width
    mask = masks.draw(each.segmentation, frame, name, (left, right))[top:bottom]
    if not mask.any():
        raise BadInput(
            f"a segmentation of {name} that covers a pixel in its box",
            "none covered",
            "correct the annotation or take it out",
        )
    scale = longest / max(right - left, bottom - top)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    pixels = image.crop((left, top, right, bottom)).resize((width, height), masks.RESAMPLING)
    return np.asarray(pixels), masks.fit(mask, height, width)


def _label_map(record: ImageRecord) -> np.ndarray:
    """(height, width) uint16."""
    labels = np.zeros((record.height, record.width), np.uint16)
    drawn = [
        masks.draw(
            each.segmentation,
            (record.height, record.width),
            f"annotation {each.id} of {record.file.path}",
        )
        for each in record.objects
    ]
    for index in sorted(range(len(drawn)), key=lambda i: (-int(drawn[i].sum()), i)):
        labels[drawn[index] > 0] = index + 1
    return labels
