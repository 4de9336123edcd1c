"""COCO's segmentations to masks, as pycocotools draws them, down to a region's frame."""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipelines.errors import BadInput
from pipelines.sources import run_lengths as runs

RESAMPLING = Image.Resampling.BILINEAR
"""Filter for images and masks; Pillow widens it where it shrinks, so that nothing aliases."""
MOST_SIDES = 10
"""How far from the image a polygon may reach, in heights and widths."""
MOST_STEPS = 5e7
"""The most steps of an outline; pycocotools takes five for a pixel, 8 bytes each."""
MOST_RUN_PIXELS = 1 << 31
"""Pixels of run lengths that pycocotools can count."""


def draw(
    segmentation: msgspec.Raw,
    size: tuple[int, int],
    name: str,
    columns: tuple[int, int] | None = None,
) -> np.ndarray:
    """The mask of a segmentation as JSON; arguments and errors as `measure` has them.

    Args:
        segmentation, size, name: see there.
        columns: first and last but one of those wanted; default: all.

    Returns:
        (height, columns) uint8, 1 inside.
    """
    return runs.paint(measure(segmentation, size, name), size[0], *(columns or (0, size[1])))


def measure(segmentation: msgspec.Raw, size: tuple[int, int], name: str) -> np.ndarray:
    """The run lengths of a segmentation as JSON: polygons or run lengths, compressed or not.

    A polygon that crosses itself is filled by the even-odd rule, as pycocotools does. Parts of
    fewer than three points have no area and are passed over.

    Args:
        segmentation: as the annotation has it.
        size: height and width of the image.
        name: name of the annotation, for errors.

    Returns:
        (runs,) int64, zeros and ones in turn, down the columns, from the left.

    Raises:
        BadInput: it is no segmentation, or one of another size.
    """
    height, width = size
    try:
        shape = msgspec.json.decode(segmentation)
        lengths = _of_polygons(shape, height, width) if isinstance(shape, list) else _runs(shape)
        if list(lengths["size"]) != [height, width]:
            raise ValueError(f"run lengths of height and width {lengths['size']}")
        return runs.lengths_of(lengths)
    # pycocotools meets what it is given with errors of any type
    except Exception as error:
        raise BadInput(
            f"polygons or run lengths for {width}×{height} pixels in the segmentation of {name}",
            f"something else ({error or type(error).__name__})",
            "correct the annotation or take it out",
        ) from error


def box_around(segmentation: msgspec.Raw) -> tuple[float, float, float, float]:
    """x, y, width and height of the box around a segmentation as JSON, whatever its image.

    Raises:
        BadInput: it is no segmentation, or nothing is inside.
    """
    try:
        shape = msgspec.json.decode(segmentation)
        if isinstance(shape, list):
            points = np.concatenate(list(_polygons(shape)))
            (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
            box = left, top, right - left, bottom - top
        else:
            box = runs.bounds(runs.lengths_of(_runs(shape)), shape["size"][0])
    except Exception as error:
        raise BadInput(
            "polygons or run lengths", f"something else ({error})", "correct the annotation"
        ) from error
    if not (box[2] > 0 and box[3] > 0):
        raise BadInput("a segmentation with pixels inside", "none", "correct the annotation")
    return box


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


def _runs(shape: Any) -> dict:
    """Run lengths as JSON, whose size is that of an image."""
    if not isinstance(shape, dict):
        raise ValueError(f"neither a list nor an object, but {type(shape).__name__}")
    sides = shape["size"]
    if not (isinstance(sides, list) and len(sides) == 2 and all(type(each) is int for each in sides)
            and min(sides) > 0 and sides[0] * sides[1] < MOST_RUN_PIXELS):  # fmt: skip
        raise ValueError(f"run lengths of height and width {sides}")
    return shape


def _of_polygons(polygons: list[Any], height: int, width: int) -> Any:
    """Run lengths of the union of polygons, which pycocotools draws in memory by their length."""
    usable, length = [], 0.0
    for points in _polygons(polygons):
        if (np.abs(points) > MOST_SIDES * np.array([width, height])).any():
            raise ValueError(f"points beyond {MOST_SIDES} times the image's sides")
        length += np.abs(np.diff(points, axis=0, append=points[:1])).max(1).sum()
        usable.append(points.ravel().tolist())
    if 5 * length > MOST_STEPS:
        raise ValueError(f"outlines of {length:.0f} pixels, more than {MOST_STEPS / 5:.0f}")
    return coco_mask.merge(coco_mask.frPyObjects(usable, height, width))


def _polygons(polygons: list[Any]) -> Iterator[np.ndarray]:
    """The polygons of three points or more, (points, 2) float64 each, all of it finite."""
    found = False
    if not any(isinstance(each, list | dict) for each in polygons):
        polygons = [polygons]  # VIA writes the corners of its rectangles so
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) % 2:
            raise ValueError("a polygon is a list of x, y, x, y, …")
        # Four numbers would be taken for a box.
        if len(polygon) < 6:
            continue
        points = np.array(polygon, np.float64)  # text of numbers too; null becomes NaN
        if points.ndim != 1 or not np.isfinite(points).all():
            raise ValueError("a polygon is a list of finite numbers")
        found = True
        yield points.reshape(-1, 2)
    if not found:
        raise ValueError("no polygon of three points or more")
