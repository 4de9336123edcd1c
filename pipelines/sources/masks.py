"""COCO's segmentations to masks, as pycocotools draws them, down to a region's frame."""

from typing import Any

import msgspec
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipelines.errors import BadInput
from pipelines.sources import run_lengths as runs

RESAMPLING = Image.Resampling.BILINEAR
"""Filter for images and masks; Pillow widens it where it shrinks, so that nothing aliases."""


def draw(
    segmentation: msgspec.Raw,
    size: tuple[int, int],
    name: str,
    columns: tuple[int, int] | None = None,
) -> np.ndarray:
    """The mask of a segmentation as JSON: polygons or run lengths, compressed or not.

    A polygon that crosses itself is filled by the even-odd rule, as pycocotools does. Parts of
    fewer than three points have no area and are passed over.

    Args:
        segmentation: as the annotation has it.
        size: height and width of the image.
        name: name of the annotation, for errors.
        columns: first and last but one of those wanted; default: all.

    Returns:
        (height, columns) uint8, 1 inside.

    Raises:
        BadInput: it is no segmentation, or one of another size.
    """
    height, width = size
    try:
        shape = msgspec.json.decode(segmentation)
        lengths = _of_polygons(shape, height, width) if isinstance(shape, list) else shape
        if list(lengths["size"]) != [height, width]:
            raise ValueError(f"run lengths of height and width {lengths['size']}")
        return runs.decode(lengths, *(columns or (0, width)))
    # pycocotools meets what it is given with errors of any type
    except Exception as error:
        raise BadInput(
            f"polygons or run lengths for {width}×{height} pixels in the segmentation of {name}",
            f"something else ({error or type(error).__name__})",
            "correct the annotation or take it out",
        ) from error


def fit(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize a crop of a mask: 1 where at least half of the cell is inside; never empty.

    Args:
        mask: (rows, columns) uint8, some of it 1.
        height, width: size of the result.
    """
    rows, columns = mask.shape
    grey = Image.fromarray(np.multiply(mask, 255, order="C"))
    fitted = np.asarray(grey.resize((width, height), RESAMPLING)) >> 7
    if not fitted.any():
        # Thinner than half a cell everywhere: the cells that it touches stand for it.
        y, x = np.nonzero(mask)
        fitted[y * height // rows, x * width // columns] = 1
    return fitted


def _of_polygons(polygons: list[Any], height: int, width: int) -> Any:
    """Run lengths of the union of polygons."""
    usable = []
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) % 2:
            raise ValueError("a polygon is a list of x, y, x, y, …")
        # Four numbers would be taken for a box.
        if len(polygon) >= 6:
            usable.append(polygon)
    if not usable:
        raise ValueError("no polygon of three points or more")
    return coco_mask.merge(coco_mask.frPyObjects(usable, height, width))
