"""Batches of 227×227 regions in random order: our loader, memory maps, torch over JPEGs.

All methods give the first input of a training: uint8 images, on the host, a hundred a batch, drawn
from all regions; with their masks, or without. Files are in the page cache. No method augments.

- A memory-map gather is numpy's fancy indexing into one file of all frames, in one thread or two.
- torch's DataLoader has two worker processes that stay between epochs. Over crops, it decodes a
  JPEG of a finished frame, and a PNG where the mask is wanted. Over COCO, it decodes the
  photograph, crops, resizes and pads, and draws the mask with pycocotools.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipelines import jobs
from pipelines.cluster import connect
from pipelines.store import open_items
from workbench.bench.pipeline.data import ANNOTATIONS
from workbench.bench.pipeline.preprocess import QUALITY, box_of, framed
from workbench.bench.pipeline.report import Rate, Task, in_turn, rates
from workbench.data import Loader, Regions

OURS = "workbench, profile local"
COMPRESSED = "workbench, profile remote (compressed)"
FIRST = "workbench, profile local: opening, and the first epoch"
MAP = "memory-map gather"
MAP_THREADS = "memory-map gather, 2 threads"
CROPS = "DataLoader over JPEG crops"
COCO = "DataLoader over COCO's JPEGs"
BATCH = 100
THREADS = 2
"""Number of threads or processes of each method but the gather in one thread."""
IMAGES, BOTH = ("image",), ("image", "mask")
CASES = {"images": IMAGES, "images and masks": BOTH}


@dataclass(frozen=True)
class LoadingSizes:
    """Sizes and repeats of the measurement.

    Attributes:
        seconds: time for which fast methods repeat epochs in each round.
        crops, photographs: number of regions in an epoch by DataLoader.
        rounds: number of rounds; each runs every method.
    """

    seconds: float = 1.0
    crops: int = 4000
    photographs: int = 600
    rounds: int = 5


@dataclass(frozen=True)
class Shelf:
    """Regions of one dataset in every form.

    Attributes:
        folder: folder of all forms.
        regions: number of regions.
        sources: path of each region's photograph.
        annotations: box, segmentation, height and width of the photograph, of each region.
    """

    folder: Path
    regions: int
    sources: tuple[Path, ...]
    annotations: tuple[dict, ...]

    def store(self, profile: str) -> Path:
        """The store of a profile."""
        return self.folder / f"{profile}.zarr"

    def frames(self, name: str) -> np.ndarray:
        """All frames of an array, memory-mapped."""
        frames: np.ndarray = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return frames


def fill_shelf(root: Path, folder: Path, workers: int = 2) -> Shelf:
    """Preprocess a dataset in both profiles and copy its frames to the other forms."""
    with connect(workers=workers) as client:
        for profile in ("local", "remote"):
            store = folder / f"{profile}.zarr"
            jobs.run("coco", root, store, profile=profile, client=client, progress=False)
    regions = Regions.open(folder / "local.zarr")
    (folder / "crops").mkdir()
    for name in BOTH:
        items = open_items(folder / "local.zarr", name)
        shape = (len(regions), *items.shape[1:])
        frames = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape)
        for position, slot in enumerate(regions.slots):
            frame = items.gather(np.array([slot]))[0]
            frames[position] = frame
            if name == "image":
                path = folder / "crops" / f"{position}.jpg"
                Image.fromarray(frame).save(path, quality=QUALITY)
            else:
                Image.fromarray(frame * np.uint8(255)).save(folder / "crops" / f"{position}.png")
        frames.flush()
    sources = tuple(root / source for source in regions.table["image_source"].values)
    return Shelf(folder, len(regions), sources, _annotations(root, regions))


def _annotations(root: Path, regions: Regions) -> tuple[dict, ...]:
    """Annotations of the JSON files, in the order of the regions."""
    found: dict[int, dict] = {}
    for path in (root / ANNOTATIONS).glob("instances_*.json"):
        content = json.loads(path.read_bytes())
        pictures = {each["id"]: each for each in content["images"]}
        for each in content["annotations"]:
            picture = pictures[each["image_id"]]
            found[each["id"]] = {
                **{name: each[name] for name in ("bbox", "segmentation")},
                **{name: picture[name] for name in ("height", "width")},
            }
    return tuple(found[each] for each in regions.table["annotation_id"].values.tolist())


class Crops(Dataset):
    """Torch dataset of a JPEG, and a PNG, for each region."""

    def __init__(self, shelf: Shelf, masks: bool) -> None:
        self._folder, self._masks, self._count = shelf.folder / "crops", masks, shelf.regions

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> list[Tensor]:
        kinds = ("jpg", "png") if self._masks else ("jpg",)
        return [
            _tensor(np.array(Image.open(self._folder / f"{position}.{kind}"))) for kind in kinds
        ]


class Photographs(Dataset):
    """Torch dataset of a whole photograph for each region, cut when it is asked for."""

    def __init__(self, shelf: Shelf, masks: bool) -> None:
        self._shelf, self._masks = shelf, masks

    def __len__(self) -> int:
        return self._shelf.regions

    def __getitem__(self, position: int) -> list[Tensor]:
        each = self._shelf.annotations[position]
        parts = [Image.open(self._shelf.sources[position]).convert("RGB")]
        box = box_of(each["bbox"], *parts[0].size)
        if self._masks:
            parts.append(Image.fromarray(_drawn(each) * np.uint8(255)))
        resize = partial(Image.Image.resize, size=box.resized, resample=Image.Resampling.BILINEAR)
        return [_tensor(np.array(framed(resize(part.crop(box.corners))))) for part in parts]


def _drawn(each: dict) -> np.ndarray:
    """Mask of an annotation, drawn as pycocotools' annToMask does."""
    shape, height, width = each["segmentation"], each["height"], each["width"]
    if isinstance(shape, list):
        shape = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
    elif isinstance(shape["counts"], list):
        shape = coco_mask.frPyObjects(shape, height, width)
    drawn: np.ndarray = coco_mask.decode(shape)
    return drawn


def _tensor(frame: np.ndarray) -> Tensor:
    tensor = torch.from_numpy(frame)
    return tensor.permute(2, 0, 1) if frame.ndim == 3 else tensor >= 128


def loading_rates(shelf: Shelf, sizes: LoadingSizes) -> list[Rate]:
    """Rows of seconds per region of all methods, with masks and without."""
    rows: list[Rate] = []
    for what, fields in CASES.items():
        tasks: dict[str, Task] = {
            OURS: _for_a_while(_loader(shelf.store("local"), fields), sizes.seconds),
            FIRST: partial(_first_epoch, shelf.store("local"), fields),
            COMPRESSED: _for_a_while(_loader(shelf.store("remote"), fields), sizes.seconds),
            MAP: _for_a_while(partial(_gather, shelf, fields, 1), sizes.seconds),
            MAP_THREADS: _for_a_while(partial(_gather, shelf, fields, THREADS), sizes.seconds),
            CROPS: _data_loader(Crops(shelf, fields == BOTH), sizes.crops),
            COCO: _data_loader(Photographs(shelf, fields == BOTH), sizes.photographs),
        }
        in_turn(tasks, 1)  # files into the page cache, digests compared, processes started
        rows += rates(what, in_turn(tasks, sizes.rounds), OURS)
    return rows


def _loader(store: Path, fields: tuple[str, ...]) -> Task:
    loader = Loader(Regions.open(store, fields=fields), BATCH, workers=THREADS)
    return lambda: sum(map(len, loader))


def _first_epoch(store: Path, fields: tuple[str, ...]) -> int:
    return _loader(store, fields)()


def _gather(shelf: Shelf, fields: tuple[str, ...], threads: int) -> int:
    """Run an epoch of fancy indexing, each batch in one thread; number of regions."""
    arrays = [shelf.frames(name) for name in fields]
    order = np.random.default_rng().permutation(shelf.regions)
    batches = [order[start : start + BATCH] for start in range(0, shelf.regions, BATCH)]

    def gather(batch: np.ndarray) -> int:
        return {len(array[batch]) for array in arrays}.pop()

    if threads == 1:
        return sum(map(gather, batches))
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(gather, batches))


def _data_loader(dataset: Dataset, most: int) -> Task:
    """Task of an epoch over at most so many regions, drawn from all of them."""
    count: int = min(most, len(dataset))  # type: ignore[arg-type]
    loader = DataLoader(
        dataset,
        BATCH,
        sampler=torch.utils.data.RandomSampler(dataset, num_samples=count),  # type: ignore[arg-type]
        num_workers=THREADS,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )
    return lambda: sum(len(batch[0]) for batch in loader)


def _for_a_while(epoch: Task, seconds: float) -> Task:
    """Task of whole epochs, repeated until the time is over."""

    def task() -> int:
        until, regions = perf_counter() + seconds, 0
        while True:
            regions += epoch()
            if perf_counter() > until:
                return regions

    return task
