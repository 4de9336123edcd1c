"""COCO's regions by the pipelines, by decoding alone, by a plain loop, by a task for each image.

The floor is the work that every preprocessing has to do, with the fastest functions known here,
the pipelines' own: read the JPEG and decode it to RGB, parse an object's segmentation, decode
its mask in the columns of its box, crop image and mask, resize both. It writes nothing, computes
no digest and builds no row. It runs over the plan's units in as many processes as there are
workers, with no Dask.

Starting processes is not timed; planning is, except for the floor and the bag, which are given
records. Only the pipelines wait until the disk has what they wrote.
"""

import contextlib
import io
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import dask.bag
import msgspec
import numpy as np
from distributed import Client
from PIL import Image
from pycocotools.coco import COCO

from pipelines import images, jobs
from pipelines.cluster import connect
from pipelines.plan import Planned
from pipelines.sources import masks
from pipelines.sources.coco_records import Annotation, ImageRecord
from workbench.bench.pipeline.data import ANNOTATIONS
from workbench.bench.pipeline.report import Rate, Task, in_turn, rates

OURS = "workbench, profile local"
FLOOR = "floor: decode and resize, write nothing"
LOOP = "pycocotools + PIL loop, JPEG and PNG"
BAG = "dask.bag, a task an image, npy"
LONGEST, SIZE = 200, 227
QUALITY = 90
"""Quality of JPEG crops."""


@dataclass(frozen=True)
class _Box:
    """Whole pixels that an object's box touches, and its size after resizing."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def resized(self) -> tuple[int, int]:
        """Width and height after resizing."""
        width, height = self.right - self.left, self.bottom - self.top
        scale = LONGEST / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom, the order in which Pillow crops."""
        return self.left, self.top, self.right, self.bottom


def box_of(bbox: Sequence[float], width: int, height: int) -> _Box:
    """The box of an annotation in an image of that size."""
    x, y, w, h = bbox
    return _Box(
        max(0, math.floor(x)),
        max(0, math.floor(y)),
        min(width, math.ceil(x + w)),
        min(height, math.ceil(y + h)),
    )


def preprocessing_rates(
    root: Path, scratch: Path, workers: Sequence[int], rounds: int
) -> list[Rate]:
    """Rows of seconds per region of all methods, for each number of workers."""
    made = jobs.planned("coco", root)
    warm_up(root)
    rows: list[Rate] = []
    for count in workers:
        with connect(workers=count) as client, _processes(count) as pool:
            tasks: dict[str, Task] = {
                OURS: partial(_ours, root, scratch / "ours.zarr", client),
                FLOOR: partial(_floor, made, pool),
                BAG: partial(_bag, made, scratch / "bag", client),
            }
            if count == 1:
                tasks[LOOP] = partial(_loop, root, scratch / "loop")
            few = replace(made, records=made.records[: 2 * count])
            _floor(few, pool)  # imports, in every process
            _bag(few, scratch / "bag", client)
            shutil.rmtree(scratch / "bag")
            case = f"{made.plan.items:,} regions, {count} worker{'s' * (count > 1)}"
            rows += rates(case, in_turn(tasks, rounds, partial(_clear, scratch)), OURS)
    return rows


def warm_up(root: Path) -> None:
    """Read all files into the page cache: disks are not compared here."""
    for path in root.glob("*/*.jpg"):
        path.read_bytes()


def _clear(scratch: Path) -> None:
    """Empty the folder and the disk's queue: writes that are left would slow the next method."""
    for path in scratch.iterdir():
        shutil.rmtree(path)
    os.sync()


@contextlib.contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield pool


def _ours(root: Path, store: Path, client: Client) -> int:
    return jobs.run("coco", root, store, client=client, progress=False).items


def _floor(made: Planned, pool: ProcessPoolExecutor) -> int:
    return sum(pool.map(partial(decode_unit, Path(made.plan.root)), made.records))


def decode_unit(root: Path, lines: bytes) -> int:
    """Decode, crop and resize the records of one unit, the floor; number of regions."""
    regions = 0
    for record in map(_record, lines.splitlines()):
        for _ in cut(root, record):
            regions += 1
    return regions


def _record(line: bytes) -> ImageRecord:
    return msgspec.json.decode(line, type=ImageRecord)


def cut(root: Path, record: ImageRecord) -> Iterator[tuple[Annotation, np.ndarray, np.ndarray]]:
    """Objects of an image: pixels (height, width, 3) and masks (height, width), resized."""
    path = record.file.path
    content = (root / path).read_bytes()
    picture = images.open_annotated(content, path, record.height, record.width)
    for each in record.objects:
        box = box_of(each.bbox, record.width, record.height)
        columns, size = (box.left, box.right), (record.height, record.width)
        mask = masks.draw(each.segmentation, size, path, columns)[box.top : box.bottom]
        width, height = box.resized
        pixels = picture.crop(box.corners).resize((width, height), masks.RESAMPLING)
        yield each, np.asarray(pixels), masks.fit(mask, height, width)


def _loop(root: Path, folder: Path) -> int:
    """Plain loop: one process, pycocotools for masks, Pillow for all else; number of regions."""
    regions = 0
    folder.mkdir()
    for path in sorted((root / ANNOTATIONS).glob("instances_*.json")):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(path)
        for number, image in coco.imgs.items():
            file = path.parents[1] / path.stem.removeprefix("instances_") / image["file_name"]
            picture = Image.open(file).convert("RGB")
            for each in coco.loadAnns(coco.getAnnIds(number, iscrowd=False)):
                box = box_of(each["bbox"], *picture.size)
                mask = Image.fromarray(coco.annToMask(each) * np.uint8(255)).crop(box.corners)
                resized = (
                    framed(part.resize(box.resized, Image.Resampling.BILINEAR))
                    for part in (picture.crop(box.corners), mask)
                )
                pixels, cover = resized
                pixels.save(folder / f"{each['id']}.jpg", quality=QUALITY)
                cover.point(lambda grey: 255 * (grey >= 128)).save(folder / f"{each['id']}.png")
                regions += 1
    return regions


def framed(picture: Image.Image) -> Image.Image:
    """Picture in the middle of a black square."""
    frame = Image.new(picture.mode, (SIZE, SIZE))
    frame.paste(picture, ((SIZE - picture.width) // 2, (SIZE - picture.height) // 2))
    return frame


def _bag(made: Planned, folder: Path, client: Client) -> int:
    """Run the floor's functions in a task for each image, which saves frames of its regions."""
    folder.mkdir(exist_ok=True)
    lines = b"".join(made.records).splitlines()
    bag = dask.bag.from_sequence(lines, npartitions=len(lines))
    save = partial(save_image, Path(made.plan.root), folder)
    return int(sum(client.compute(bag.map(save)).result()))


def save_image(root: Path, folder: Path, line: bytes) -> int:
    """Save the regions of an image as two files of arrays; number of regions."""
    record = _record(line)
    frames = np.zeros((len(record.objects), SIZE, SIZE, 3), np.uint8)
    covers = np.zeros((len(record.objects), SIZE, SIZE), np.uint8)
    for (_, pixels, mask), frame, cover in zip(cut(root, record), frames, covers, strict=True):
        height, width = mask.shape
        top, left = (SIZE - height) // 2, (SIZE - width) // 2
        place = slice(top, top + height), slice(left, left + width)
        frame[place], cover[place] = pixels, mask
    name = record.objects[0].id
    np.save(folder / f"{name}-image.npy", frames)
    np.save(folder / f"{name}-mask.npy", covers)
    return len(record.objects)
