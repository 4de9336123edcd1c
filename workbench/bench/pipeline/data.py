"""Datasets on which the pipelines are measured: a part of COCO, or synthetic annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np

ANNOTATIONS = "annotations"
COCO_IMAGES, COCO_INSTANCES = 118_287, 860_001
"""Numbers of images and of instances in train2017."""
POLYGONS = 4096
"""Number of different polygons in a synthetic file of annotations."""
POINTS = 17.5
"""Median number of points of a polygon; with it and the spread a file is as long as COCO's own."""
SPREAD = 0.75
CROWD_EVERY = 100


def part_of(root: Path, folder: Path, images: int | None, copies: int) -> Path:
    """Dataset of links to another one's images, with annotations of its own.

    Args:
        root: the folder with annotations/, train2017/ and so on.
        folder: a new folder.
        images: number of images from each split, evenly chosen; None: all.
        copies: number of copies of each image with its annotations, under ids of their own.
    """
    (folder / ANNOTATIONS).mkdir(parents=True)
    for path in sorted((root / ANNOTATIONS).glob("instances_*.json")):
        split = path.stem.removeprefix("instances_")
        content = json.loads(path.read_bytes())
        step = max(1, len(content["images"]) // images) if images else 1
        chosen = content["images"][::step][:images]
        (folder / split).mkdir()
        kept = [_copied(content, chosen, copy, copies) for copy in range(copies)]
        for copy, (pictures, _) in enumerate(kept):
            for old, new in zip(chosen, pictures, strict=True):
                new["file_name"] = f"{copy}-{old['file_name']}"
                link = folder / split / new["file_name"]
                link.symlink_to((root / split / old["file_name"]).resolve())
        content["images"] = [each for pictures, _ in kept for each in pictures]
        content["annotations"] = [each for _, objects in kept for each in objects]
        (folder / ANNOTATIONS / path.name).write_text(json.dumps(content))
    return folder


def _copied(
    content: dict[str, Any], chosen: list[dict[str, Any]], copy: int, copies: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Images and annotations under the ids of a copy: old · copies + copy."""
    wanted = {each["id"] for each in chosen}
    pictures = [{**each, "id": each["id"] * copies + copy} for each in chosen]
    objects = [
        {
            **each,
            "id": each["id"] * copies + copy,
            "image_id": each["image_id"] * copies + copy,
        }
        for each in content["annotations"]
        if each["image_id"] in wanted
    ]
    return pictures, objects


def synthetic_coco(folder: Path, share: float, seed: int = 0) -> tuple[int, int]:
    """Dataset with annotations as long as a share of train2017's, and empty image files.

    The images are sparse files of plausible sizes: a plan reads sizes and opens none. Polygons are
    drawn from `POLYGONS` different ones. Annotations come in no order, as COCO's do.

    Returns:
        Numbers of images and of instances.
    """
    rng = np.random.default_rng(seed)
    images, instances = round(COCO_IMAGES * share), round(COCO_INSTANCES * share)
    (folder / ANNOTATIONS).mkdir(parents=True)
    pictures = folder / "train2017"
    pictures.mkdir()
    ids = np.sort(rng.choice(600_000, images, replace=False)).tolist()
    for number, size in zip(ids, rng.integers(60_000, 260_000, images).tolist(), strict=True):
        with (pictures / _file_name(number)).open("wb") as file:
            file.truncate(size)
    polygons = [_polygon(rng) for _ in range(POLYGONS)]
    owners = rng.choice(ids, instances)
    numbers = rng.permutation(instances) + 1
    categories = rng.integers(1, 81, instances)
    shapes = rng.integers(0, POLYGONS, instances)
    with (folder / ANNOTATIONS / "instances_train2017.json").open("w") as file:
        file.write('{"info": {"description": "synthetic"}, "images": [')
        file.write(", ".join(map(_image, ids)))
        file.write('], "annotations": [')
        separator = ""
        for number, owner, category, shape in zip(
            numbers.tolist(), owners.tolist(), categories.tolist(), shapes.tolist(), strict=True
        ):
            box, segmentation = polygons[shape]
            crowd = int(number % CROWD_EVERY == 0)
            file.write(
                f'{separator}{{"segmentation": {segmentation}, "area": {box[2] * box[3] / 2:.4f}, '
                f'"iscrowd": {crowd}, "image_id": {owner}, "bbox": {box}, '
                f'"category_id": {category}, "id": {number}}}'
            )
            separator = ", "
        file.write('], "categories": [')
        file.write(", ".join(f'{{"id": {c}, "name": "category {c}"}}' for c in range(1, 81)))
        file.write("]}")
    return images, instances


def _polygon(rng: np.random.Generator) -> tuple[list[float], str]:
    """Box and polygon in it, as JSON, in an image of 640×480."""
    points = max(3, round(rng.lognormal(np.log(POINTS), SPREAD)))
    corner, extent = rng.uniform(0, 300, 2), rng.uniform(20, 170, 2)
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    radii = rng.uniform(0.6, 1.0, points)
    unit = (1 + radii * np.stack([np.cos(angles), np.sin(angles)])) / 2
    path = (corner[:, None] + extent[:, None] * unit).T.reshape(-1)
    box = [round(float(value), 2) for value in (*corner, *extent)]
    return box, json.dumps([[round(float(value), 2) for value in path]])


def _file_name(number: int) -> str:
    return f"{number:012d}.jpg"


def _image(number: int) -> str:
    """Image record with the fields of COCO's."""
    name = _file_name(number)
    return (
        f'{{"license": 3, "file_name": "{name}", '
        f'"coco_url": "http://images.cocodataset.org/train2017/{name}", "height": 480, '
        f'"width": 640, "date_captured": "2013-11-14 11:18:45", "id": {number}}}'
    )
