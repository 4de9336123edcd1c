"""Pool of eight segmentations of an image from one spectrum: flat k-way normalized cuts."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from workbench.segmentation.clustering import nearest, nested_kmeans
from workbench.segmentation.grid import Grid
from workbench.segmentation.hierarchy import Hierarchy
from workbench.segmentation.prediction import Prediction
from workbench.segmentation.segments import connected_segments
from workbench.segmentation.spectral import Embedding, spectral_embedding


@dataclass(frozen=True)
class PoolConfig:
    """Settings of flat cuts; the defaults were chosen on BSDS300's training images.

    Attributes:
        counts: the eight values of k, clusters before components are split.
        step: side of the blocks of pixels at which the embedding is clustered; pixels then take the
            nearest centre.
        min_fraction: fraction of the image below which a segment is merged into a neighbour.
        restarts: number of runs of k-means for each k, of which the best counts.
        seed: seed of k-means.
    """

    counts: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 12, 20)
    step: int = 4
    min_fraction: float = 0.008
    restarts: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Pool:
    """Segmentations of one image and the embedding that they were cut from.

    Attributes:
        segmentations: one (height, width) int32 label map per k, labels 1 … n, each segment
            8-connected.
        embedding: see `spectral_embedding`.
        hierarchy: hierarchy that they are cuts of; None for flat clusterings.
    """

    segmentations: tuple[Int[np.ndarray, "height width"], ...]
    embedding: Embedding
    hierarchy: Hierarchy | None = None


def cut_flat(prediction: Prediction, config: PoolConfig) -> Pool:
    """Cut an image by the affinity that a network predicted."""
    embedding = spectral_embedding(prediction, dimensions=max(config.counts), step=config.step)
    return cut_embedding(embedding, prediction.image, config)


@torch.no_grad()
def cut_embedding(embedding: Embedding, image: tuple[int, int], config: PoolConfig) -> Pool:
    """Cut an image by an embedding of its step×step blocks, from any affinity.

    Each k uses the first k eigenvectors, or all where there are fewer.

    Args:
        embedding: embedding at blocks of config.step×config.step pixels.
        image: height and width of the image, pixels.
        config: settings of the cuts.
    """
    points = embedding.maps.flatten(1).T
    found = points.shape[1]
    if found == 0:  # every feature is off: the image is one segment
        return Pool((np.ones(image, np.int32),) * len(config.counts), embedding)
    clusterings = nested_kmeans(
        points,
        embedding.weights.flatten(),
        config.counts,
        dimensions=[min(k, found) for k in config.counts],
        restarts=config.restarts,
        seed=config.seed,
    )
    pixels = Grid.of_step(config.step).interpolate(embedding.maps, *image).flatten(1).T
    min_area = round(config.min_fraction * image[0] * image[1])
    segmentations = []
    for clustering in clusterings:
        centres = clustering.centres
        labels = nearest(pixels[:, : centres.shape[1]], centres).unflatten(0, image)
        segmentations.append(connected_segments(labels.numpy(force=True), min_area))
    return Pool(tuple(segmentations), embedding)
