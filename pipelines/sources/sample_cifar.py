"""Synthetic images in CIFAR-10's binary layout: ten categories, a texture each, 32×32 pixels.

Colours, phases and light differ from image to image, so that texture alone tells the categories.
"""

from collections.abc import Iterator

import numpy as np

from pipelines.sources.cifar_batches import BATCHES, META
from pipelines.sources.cifar_records import CATEGORIES, SIDE
from pipelines.sources.sample_scenes import colour_field
from pipelines.sources.textures import FAMILIES, NAMES

FOLDER = "cifar-10-batches-bin"


def draw_image(rng: np.random.Generator, category: int) -> np.ndarray:
    """An image of a category, (32, 32, 3) uint8."""
    pattern = FAMILIES[category](rng, SIDE, SIDE)[..., None]
    base, accent = (colour_field(rng, SIDE, SIDE) for _ in range(2))
    pixels = base + 0.22 * pattern * (0.6 + 0.4 * accent)
    pixels += rng.normal(scale=0.02, size=pixels.shape)
    return np.asarray(255 * np.clip(pixels, 0, 1), np.uint8)


def files(train: int, test: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file; an image depends on the seed and its own number only."""
    yield f"{META}.txt", "".join(f"{name}\n" for name in NAMES[:CATEGORIES]).encode()
    training = [name for name, split in BATCHES if split == "train"]
    parts = np.array_split(np.arange(train), len(training))
    numbers = dict(zip(training, parts, strict=True)) | {BATCHES[-1][0]: train + np.arange(test)}
    for name, found in numbers.items():
        yield f"{name}.bin", b"".join(_row(seed, int(number)) for number in found)


def _row(seed: int, number: int) -> bytes:
    """A label and three planes."""
    rng = np.random.default_rng((seed, number))
    category = number % CATEGORIES
    return bytes([category]) + draw_image(rng, category).transpose(2, 0, 1).tobytes()
