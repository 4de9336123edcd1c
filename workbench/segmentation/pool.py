"""Eight segmentations of an image from one spectrum: flat k-way normalized cuts, at full size."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from workbench.linalg.affinity import Affinity
from workbench.segmentation.clustering import nearest, weighted_kmeans
from workbench.segmentation.grid import Grid
from workbench.segmentation.segments import connected_segments
from workbench.segmentation.spectral import Embedding, spectral_embedding


@dataclass(frozen=True)
class PoolConfig:
    """How an image is cut; the defaults were chosen on BSDS300's training images.

    Attributes:
        counts: the eight values of k, clusters before components are split.
        step: the embedding is clustered at blocks of step×step pixels; pixels then take the
            nearest centre.
        min_fraction: segments below this fraction of the image dissolve into a neighbour.
        restarts: runs of k-means, of which the best counts.
        seed: of k-means.
    """

    counts: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 12, 20)
    step: int = 4
    min_fraction: float = 0.008
    restarts: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Pool:
    """The segmentations of one image and the embedding that they were cut from.

    Attributes:
        segmentations: one (height, width) int32 label map per k, labels 1 … n, each segment
            8-connected.
        embedding: see `spectral_embedding`.
    """

    segmentations: tuple[Int[np.ndarray, "height width"], ...]
    embedding: Embedding


def segment(
    affinity: Affinity,
    shape: tuple[int, int],
    grid: Grid,
    image: tuple[int, int],
    config: PoolConfig | None = None,
) -> Pool:
    """Cut an image by the affinity of its feature map.

    Args:
        affinity: of the cells of a feature map, row-major.
        shape: rows and columns of that map.
        grid: where its cells lie in the image.
        image: height and width of the image, pixels.
        config: how; default: `PoolConfig()`.
    """
    config = config or PoolConfig()
    height, width = image
    embedding = spectral_embedding(
        affinity, shape, grid, image, dimensions=max(config.counts), step=config.step
    )
    points = embedding.maps.flatten(1).T
    weights = embedding.weights.flatten()
    pixels = Grid.of_step(config.step).interpolate(embedding.maps, height, width).flatten(1).T
    min_area = round(config.min_fraction * height * width)

    def cut(clusters: int) -> Int[np.ndarray, "height width"]:
        used = min(clusters, points.shape[1])
        if used == 0:  # every feature is off: the image is one segment
            return np.ones(image, np.int32)
        found = weighted_kmeans(
            points[:, :used], weights, clusters, restarts=config.restarts, seed=config.seed
        )
        labels = nearest(pixels[:, :used], found.centres).unflatten(0, (height, width))
        return connected_segments(labels.numpy(force=True), min_area)

    with torch.inference_mode():
        return Pool(tuple(cut(k) for k in config.counts), embedding)
