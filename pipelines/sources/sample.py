"""A small synthetic dataset, written in a layout of the real ones, for demonstrations and tests.

What the scenes show is in `sample_scenes`; BSDS's layouts have all annotators of a scene, COCO's
has the truth, each region an object of its texture's category (`sample_coco`). CIFAR-10's binary
layout has images of one texture each, of 32×32 pixels (`sample_cifar`).

The same arguments write the same bytes.
"""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines import label_maps
from pipelines.errors import PipelineError
from pipelines.sources import sample_cifar, sample_coco
from pipelines.sources.cifar_records import CATEGORIES
from pipelines.sources.partitions import boundaries
from pipelines.sources.sample_scenes import SampleScene, draw_scene

CIFAR = "cifar10"
LAYOUTS = ("bsds500", "bsds300", "coco", CIFAR)
HELD_OUT = {"bsds500": "val", "bsds300": "test", "coco": "val"}
"""The folder of the held-out images, as protocol bsds300 has it (`pipelines.sources.bsds`)."""
MARK = "sample.json"
"""A file with the request, beside the dataset."""
QUALITY = 95


def write_sample(
    root: Path | str,
    *,
    train: int = 48,
    test: int = 16,
    seed: int = 0,
    size: tuple[int, int] = (112, 160),
    layout: str = "bsds500",
) -> None:
    """Write a dataset of drawn scenes; about a third of them are portraits.

    Args:
        root: a new or empty folder, or one with an earlier sample, which is replaced.
        train, test: number of scenes, or of images of "cifar10", to train on and held out.
        seed: seed of everything that is drawn.
        size: height and width of a landscape; images of "cifar10" have 32×32 pixels.
        layout: "bsds500", "bsds300", "coco" or "cifar10".

    Raises:
        PipelineError: something else is in the folder, or the request makes no sense.
    """
    root = Path(root)
    if layout not in LAYOUTS:
        raise PipelineError(f"a layout out of {', '.join(LAYOUTS)}", repr(layout), "name one")
    if min(size) < 32 or min(train, test) < 0 or train + test == 0:
        raise PipelineError(
            "some scenes of at least 32×32 pixels",
            f"{train} + {test} of {size[1]}×{size[0]}",
            "raise --size, --train or --test",
        )
    if layout == CIFAR and min(train, test) < CATEGORIES:
        raise PipelineError(
            f"at least {CATEGORIES} images to train on and as many held out",
            f"{train} + {test}",
            "raise --train or --test",
        )
    _clear(root)
    # First of all, so that a sample that was interrupted is known as one.
    request = {"train": train, "test": test, "seed": seed, "size": size, "layout": layout}
    _put(root / MARK, json.dumps(request).encode())
    if layout == CIFAR:
        for name, content in sample_cifar.files(train, test, seed):
            _put(root / sample_cifar.FOLDER / name, content)
        return
    scenes = _scenes(train, test, seed, size, HELD_OUT[layout])
    if layout == "coco":
        _write_coco(root, scenes)
        return
    for folder, scene_id, scene in scenes:
        _put(root / "images" / folder / f"{scene_id}.jpg", _jpeg(Image.fromarray(scene.image)))
        if layout == "bsds500":
            maps = scene.annotations
            truth = label_maps.encode_mat(maps, [boundaries(each) for each in maps])
            _put(root / "groundTruth" / folder / f"{scene_id}.mat", truth)
        else:
            for user, each in enumerate(scene.annotations, start=1101):
                path = root / "human" / "color" / str(user) / f"{scene_id}.seg"
                _put(path, label_maps.encode_seg(each, scene_id, user))
            with (root / f"iids_{folder}.txt").open("a") as file:
                file.write(f"{scene_id}\n")


def _write_coco(root: Path, scenes: Iterator[tuple[str, str, SampleScene]]) -> None:
    splits = {split: sample_coco.Annotations() for split in sample_coco.FOLDERS}
    for split, scene_id, scene in scenes:
        number, name = int(scene_id), f"{scene_id:0>12}.jpg"
        splits[split].add(number, name, scene)
        image = Image.fromarray(scene.image)
        if sample_coco.is_grey(number):
            image = image.convert("L")
        _put(root / sample_coco.FOLDERS[split] / name, _jpeg(image))
    for split, annotations in splits.items():
        path = root / "annotations" / f"instances_{sample_coco.FOLDERS[split]}.json"
        _put(path, annotations.encode())


def _clear(root: Path) -> None:
    """Remove an earlier sample; anything else is not ours to remove."""
    if (root / MARK).is_file():
        shutil.rmtree(root)
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise PipelineError(
            f"a new or empty folder, or an earlier sample, in {root}",
            "something else",
            "name another --root",
        )


def _scenes(
    train: int, test: int, seed: int, size: tuple[int, int], held_out: str
) -> Iterator[tuple[str, str, SampleScene]]:
    """(folder, id, scene); a scene depends on the seed and on its own number only."""
    for number in range(train + test):
        rng = np.random.default_rng((seed, number))
        height, width = size if rng.random() < 2 / 3 else size[::-1]
        folder = "train" if number < train else held_out
        yield folder, str(1000 + number), draw_scene(rng, height, width)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
