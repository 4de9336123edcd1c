"""A small synthetic dataset, written in a layout of the real ones, for demonstrations and tests.

A scene is a partition into regions that differ by texture alone. Two smooth fields of colour and
an uneven light run across the regions' boundaries, and every region's mean is the fields' own:
colours cluster into the wrong segments, and what tells the regions apart has to be learned. The
truth is known: the first annotator draws it exactly (`partitions.draw_annotations`).

The same arguments write the same bytes.
"""

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import PipelineError
from pipelines.sources import formats
from pipelines.sources.partitions import (
    boundaries,
    draw_annotations,
    draw_partition,
    smooth_noise,
)
from pipelines.sources.textures import FAMILIES

LAYOUTS = ("bsds500", "bsds300")
HELD_OUT = {"bsds500": "val", "bsds300": "test"}
"""The folder of the held-out images, as protocol bsds300 has it (`pipelines.sources.bsds`)."""
MARK = "sample.json"
"""A file with the request, beside the dataset."""
FEWEST, MOST = 3, 7
QUALITY = 95


@dataclass(frozen=True)
class SampleScene:
    """A scene that was drawn.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        annotations: (height, width) uint16 each; the first is the truth.
    """

    image: np.ndarray
    annotations: list[np.ndarray]


def draw_scene(rng: np.random.Generator, height: int, width: int) -> SampleScene:
    """One scene of three to seven regions, a few more where an object cuts one in two."""
    truth = draw_partition(rng, height, width, int(rng.integers(FEWEST, MOST + 1)))
    regions = int(truth.max())
    chosen = rng.permutation(len(FAMILIES))
    pattern = np.zeros((height, width))
    for region in range(regions):
        texture = FAMILIES[chosen[region % len(FAMILIES)]]
        inside = truth == region + 1
        pattern[inside] = texture(rng, height, width)[inside]
    base, accent = (_colour_field(rng, height, width) for _ in range(2))
    light = 1 + 0.18 * smooth_noise(rng, height, width, 40.0)[0]
    pixels = base + 0.22 * pattern[..., None] * (0.6 + 0.4 * accent)
    pixels = pixels * light[..., None] + rng.normal(scale=0.02, size=pixels.shape)
    image = (255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    return SampleScene(image, draw_annotations(rng, truth))


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
        train, test: number of scenes to train on and held out.
        seed: of everything that is drawn.
        size: height and width of a landscape.
        layout: "bsds500" or "bsds300".

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
    _clear(root)
    # First of all, so that a sample that was interrupted is known as one.
    request = {"train": train, "test": test, "seed": seed, "size": size, "layout": layout}
    _put(root / MARK, json.dumps(request).encode())
    for folder, scene_id, scene in _scenes(train, test, seed, size, HELD_OUT[layout]):
        _put(root / "images" / folder / f"{scene_id}.jpg", _jpeg(scene.image))
        if layout == "bsds500":
            maps = scene.annotations
            truth = formats.encode_mat(maps, [boundaries(each) for each in maps])
            _put(root / "groundTruth" / folder / f"{scene_id}.mat", truth)
        else:
            for user, each in enumerate(scene.annotations, start=1101):
                path = root / "human" / "color" / str(user) / f"{scene_id}.seg"
                _put(path, formats.encode_seg(each, scene_id, user))
            with (root / f"iids_{folder}.txt").open("a") as file:
                file.write(f"{scene_id}\n")


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


def _colour_field(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) colours around mid grey, drifting over a third of the scene."""
    drift = smooth_noise(rng, height, width, 25.0, 3) * 0.09
    return np.asarray(np.moveaxis(drift, 0, -1) + rng.uniform(0.4, 0.6, size=3))


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
