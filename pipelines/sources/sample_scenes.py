"""Scenes of a synthetic dataset, for every layout.

A scene is a partition into regions that differ by texture alone. Two smooth fields of colour and
an uneven light run across the regions' boundaries, and every region's mean is that of the fields:
colours cluster into the wrong segments, and the differences of regions have to be learned. The
truth is known: the first annotator draws it exactly (`partitions.draw_annotations`).
"""

from dataclasses import dataclass

import numpy as np

from pipelines.sources.partitions import draw_annotations, draw_partition, smooth_noise
from pipelines.sources.textures import FAMILIES

FEWEST, MOST = 3, 7


@dataclass(frozen=True)
class SampleScene:
    """A scene that was drawn.

    Attributes:
        image: (height, width, 3) uint8 RGB.
        annotations: (height, width) uint16 each; the first is the truth.
        textures: position in `textures.FAMILIES` of each of the truth's regions, from label 1 on.
    """

    image: np.ndarray
    annotations: list[np.ndarray]
    textures: tuple[int, ...]


def draw_scene(rng: np.random.Generator, height: int, width: int) -> SampleScene:
    """A scene of three to seven regions, a few more where an object cuts one in two."""
    truth = draw_partition(rng, height, width, int(rng.integers(FEWEST, MOST + 1)))
    regions = int(truth.max())
    order = rng.permutation(len(FAMILIES))
    textures = tuple(int(order[region % len(FAMILIES)]) for region in range(regions))
    pattern = np.zeros((height, width))
    for region, texture in enumerate(textures):
        inside = truth == region + 1
        pattern[inside] = FAMILIES[texture](rng, height, width)[inside]
    base, accent = (colour_field(rng, height, width) for _ in range(2))
    light = 1 + 0.18 * smooth_noise(rng, height, width, 40.0)[0]
    pixels = base + 0.22 * pattern[..., None] * (0.6 + 0.4 * accent)
    pixels = pixels * light[..., None] + rng.normal(scale=0.02, size=pixels.shape)
    image = (255 * np.clip(pixels, 0, 1)).astype(np.uint8)
    return SampleScene(image, draw_annotations(rng, truth), textures)


def colour_field(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(height, width, 3) colours around mid grey, drifting over a third of the scene."""
    drift = smooth_noise(rng, height, width, 25.0, 3) * 0.09
    return np.asarray(np.moveaxis(drift, 0, -1) + rng.uniform(0.4, 0.6, size=3))
