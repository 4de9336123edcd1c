"""Partitions of synthetic scenes, and how several annotators would draw them.

Every label map here keeps what the real ground truth keeps: uint16 labels 1 … n without gaps, each
segment connected (8-connectivity) and not smaller than `SMALLEST` pixels.
"""

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates

SMALLEST = 100
CONNECTED = np.ones((3, 3))
DEEPEST = 0.7
"""The largest part of the possible merges that an annotator makes."""


def smooth_noise(
    rng: np.random.Generator, height: int, width: int, scale: float, count: int = 1
) -> np.ndarray:
    """(count, height, width) fields of mean 0 and deviation 1 that vary over `scale` pixels."""
    noise = rng.normal(size=(count, height, width))
    fields = np.stack([gaussian_filter(each, scale, mode="wrap") for each in noise])
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return np.asarray(fields / fields.std(axis=(1, 2), keepdims=True))


def draw_partition(rng: np.random.Generator, height: int, width: int, regions: int) -> np.ndarray:
    """A background of curved cells with one or two round objects before it, (height, width)."""
    objects = int(rng.integers(1, 3)) if regions > 3 else 1
    y, x = np.mgrid[:height, :width].astype(float)
    size = min(height, width)
    bent_y, bent_x = np.stack([y, x]) + 0.07 * size * smooth_noise(rng, height, width, 12.0, 2)
    seeds = _far_apart(rng, regions - objects, height, width)
    distances = [np.hypot(bent_y - seed_y, bent_x - seed_x) for seed_y, seed_x in seeds]
    labels = np.argmin(distances, axis=0) + 1
    for i, (centre_y, centre_x) in enumerate(_far_apart(rng, objects, height, width, inset=0.25)):
        radius = size * rng.uniform(0.16, 0.26)
        stretch, turn = rng.uniform(0.7, 1.4), rng.uniform(0, np.pi)
        dy, dx = bent_y - centre_y, bent_x - centre_x
        u = (dx * np.cos(turn) + dy * np.sin(turn)) / stretch
        v = (dy * np.cos(turn) - dx * np.sin(turn)) * stretch
        labels[np.hypot(u, v) < radius] = regions - objects + 1 + i
    return tidy(labels)


def draw_annotations(rng: np.random.Generator, truth: np.ndarray) -> list[np.ndarray]:
    """Label maps of a partition by four to six annotators: the first one draws it exactly.

    The others see it at different depths, each merging neighbours until it has drawn as few
    regions as it cares for, in an order that they mostly agree on; and none has a steady hand.
    """
    merges = _merge_order(rng, truth)
    maps = [truth]
    for _ in range(int(rng.integers(3, 6))):
        depth = int(rng.integers(0, round(DEEPEST * len(merges)) + 1))
        order = merges if rng.random() < 0.7 else _merge_order(rng, truth)
        labels = truth
        for kept, gone in order[:depth]:
            labels = np.where(labels == gone, kept, labels)
        maps.append(tidy(_shake(rng, labels)))
    return maps


def boundaries(labels: np.ndarray) -> np.ndarray:
    """(height, width) uint8: 1 where a pixel's right or lower neighbour has another label."""
    edges = np.zeros(labels.shape, np.uint8)
    edges[:, :-1] |= labels[:, 1:] != labels[:, :-1]
    edges[:-1] |= labels[1:] != labels[:-1]
    return edges


def tidy(labels: np.ndarray) -> np.ndarray:
    """Labels 1 … n of connected segments; specks go to their nearest neighbour."""
    parts = _parts(labels)
    specks = np.bincount(parts.ravel())[parts] < SMALLEST
    if specks.any() and not specks.all():
        nearest = distance_transform_edt(specks, return_distances=False, return_indices=True)
        parts = _parts(parts[tuple(nearest)])
    return parts.astype(np.uint16)


def _parts(labels: np.ndarray) -> np.ndarray:
    """Connected parts, numbered from 1."""
    parts = np.zeros(labels.shape, np.int64)
    for each in np.unique(labels):
        found, _ = label(labels == each, CONNECTED)
        parts[found > 0] = found[found > 0] + parts.max()
    return parts


def _far_apart(
    rng: np.random.Generator, count: int, height: int, width: int, inset: float = 0.05
) -> np.ndarray:
    """(count, 2) points, each the best of some candidates at keeping away from those before."""
    low, span = np.array([height, width]) * inset, np.array([height, width]) * (1 - 2 * inset)
    points = [low + span * rng.random(2)]
    while len(points) < count:
        candidates = low + span * rng.random((8, 2))
        gaps = np.linalg.norm(candidates[:, None] - np.array(points)[None], axis=2).min(axis=1)
        points.append(candidates[gaps.argmax()])
    return np.array(points)


def _merge_order(rng: np.random.Generator, truth: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (kept, gone) of neighbours, until two regions are left."""
    labels, order = truth.copy(), []
    while len(np.unique(labels)) > 2:
        pairs = _neighbours(labels)
        kept, gone = pairs[rng.integers(len(pairs))]
        labels[labels == gone] = kept
        order.append((kept, gone))
    return order


def _neighbours(labels: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of labels that touch, the smaller one first."""
    across = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()])
    down = np.stack([labels[:-1].ravel(), labels[1:].ravel()])
    pairs = np.concatenate([across, down], axis=1)
    pairs = np.sort(pairs[:, pairs[0] != pairs[1]], axis=0)
    return [(int(a), int(b)) for a, b in np.unique(pairs, axis=1).T]


def _shake(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """The map as an unsteady hand draws it: moved by about a pixel, differently everywhere."""
    height, width = labels.shape
    moved = np.mgrid[:height, :width] + 1.2 * smooth_noise(rng, height, width, 6.0, 2)
    return np.asarray(map_coordinates(labels, moved, order=0, mode="nearest"))
