"""The synthetic scenes in COCO's layout: every region an object, its texture the category.

The annotations have all the forms of the real ones: polygons, run lengths compressed and not, a
crowd, and a grey JPEG among those in colour. Which form an object has follows from its number.
"""

import json
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from skimage.measure import find_contours

from pipelines.sources.sample_scenes import SampleScene
from pipelines.sources.textures import NAMES

FOLDERS = {"train": "train2017", "val": "val2017"}
"""Split → the folder of its images."""
OBJECTS = 100
"""Factor of annotation ids: the image's id times this, plus the object's number."""
GREY_EVERY = 7
"""Period of the grey images."""
COMPRESSED, RUNS, CROWD = 3, 4, 11
"""Periods of the objects with compressed run lengths, with plain ones, and of the crowds."""


def category_id(texture: int) -> int:
    """Official id of a texture's category; ids leave gaps, as COCO's do."""
    return 2 * texture + 1


def is_grey(number: int) -> bool:
    """Whether the scene's JPEG has one channel."""
    return number % GREY_EVERY == GREY_EVERY - 1


class Annotations:
    """The annotations of a split, scene after scene."""

    def __init__(self) -> None:
        self._images: list[dict[str, Any]] = []
        self._objects: list[dict[str, Any]] = []

    def add(self, number: int, name: str, scene: SampleScene) -> None:
        """Add a scene that was drawn, as image `number` in the file `name`."""
        truth = scene.annotations[0]
        height, width = truth.shape
        self._images.append({"id": number, "file_name": name, "height": height, "width": width})
        for index, texture in enumerate(scene.textures):
            each = OBJECTS * number + index
            form = len(self._objects) + 1
            mask = np.asfortranarray(truth == index + 1, np.uint8)
            self._objects.append(
                {
                    "id": each,
                    "image_id": number,
                    "category_id": category_id(texture),
                    "iscrowd": int(form % CROWD == 0),
                    "area": float(mask.sum()),
                    "bbox": _box(mask),
                    "segmentation": _segmentation(mask, form),
                }
            )

    def encode(self) -> bytes:
        """The content of `instances_*.json`."""
        categories = [
            {"id": category_id(texture), "name": name} for texture, name in enumerate(NAMES)
        ]
        return json.dumps(
            {"images": self._images, "annotations": self._objects, "categories": categories}
        ).encode()


def _box(mask: np.ndarray) -> list[float]:
    """x, y, width, height of the smallest box around the mask."""
    y, x = np.nonzero(mask)
    left, top = float(x.min()), float(y.min())
    return [left, top, float(x.max()) + 1 - left, float(y.max()) + 1 - top]


def _segmentation(mask: np.ndarray, form: int) -> Any:
    if form % CROWD == 0 or form % RUNS == 0:
        edges = np.flatnonzero(np.diff(mask.ravel("F"), prepend=0, append=0))
        counts = np.diff([0, *edges, mask.size]) if mask.flat[-1] == 0 else np.diff([0, *edges])
        return {"counts": counts.tolist(), "size": list(mask.shape)}
    if form % COMPRESSED == 0:
        runs = coco_mask.encode(mask)
        return {"counts": runs["counts"].decode("ascii"), "size": list(mask.shape)}
    # Outlines in pixels, x before y; those of holes would be filled too and are left out.
    outlines = find_contours(np.pad(mask, 1), 0.5)
    outer = max(outlines, key=len)
    return [np.round(outer[:, ::-1] - 0.5, 2).ravel().tolist()]
