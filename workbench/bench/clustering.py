"""`workbench bench clustering`: from features to eight segmentations; our k-means beside others.

The features are those of a drawn scene, smooth within its regions, on the grid of AlexNet's ReLU-5
of an image enlarged twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from workbench.bench.measure import medians, peak_bytes
from workbench.bench.peers import SCIKIT_LEARN, Peer, Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_most, find
from workbench.linalg import Affinity
from workbench.runs.provenance import provenance
from workbench.segmentation import Grid, PoolConfig, Prediction, cut
from workbench.segmentation.clustering import nearest, nested_kmeans, weighted_kmeans
from workbench.segmentation.pool import cut_embedding
from workbench.segmentation.segments import connected_segments
from workbench.segmentation.spectral import Embedding, spectral_embedding

OURS = "workbench"
ALONE = "workbench, each k by itself"
FOUR, ONE = "scikit-learn KMeans, n_init=4", "scikit-learn KMeans, n_init=1"
SKLEARN = Peer("sklearn.cluster", SCIKIT_LEARN.requirement)
GRID = Grid(8.0, 7.25)
CONFIG = PoolConfig()
REGIONS = 30
PROMISED = (321, 481)

Centres = list[Tensor]
Tasks = Mapping[str, Callable[[], Centres]]


@dataclass(frozen=True)
class ClusteringSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        image: height and width, pixels.
        features: number of channels before the affinity.
        repeats: number of rounds.
    """

    image: tuple[int, int] = PROMISED
    features: int = 256
    repeats: int = 7


QUICK = ClusteringSizes(repeats=3)


def bench_clustering(sizes: ClusteringSizes, device: torch.device) -> Report:
    """Report of the benchmark: our clustering beside the peers that are installed."""
    peers, origin = Peers(), provenance()
    shape = (sizes.image[0] // 8 - 1, sizes.image[1] // 8 - 1)
    x = scene_features(shape, sizes.features).to(device)

    def predicted() -> Prediction:  # anew each time: an affinity keeps its degrees
        return Prediction(Affinity(x), shape, GRID, sizes.image)

    embedding = _embedding(predicted())
    rows = [
        *_clustering_rows(embedding, sizes, device, peers),
        *_stage_rows(predicted, embedding, sizes, device),
    ]
    notes = (
        "Error is the k-means cost above the lowest of the table, mean over the eight k.",
        f"k = {', '.join(map(str, CONFIG.counts))}; each looks at the first k eigenvectors, at "
        f"{embedding.weights.numel()} blocks of {CONFIG.step}×{CONFIG.step} pixels.",
        *peers.notes(),
    )
    return Report("clustering", tuple(rows), _targets(rows, sizes), notes, origin)


def scene_features(shape: tuple[int, int], channels: int) -> Tensor:
    """Features of a drawn scene, nonnegative: regions around random places, blurred and noisy."""
    generator = torch.Generator().manual_seed(0)
    rows, columns = shape
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    places = torch.stack([y.flatten() / rows, x.flatten() / columns], 1)
    labels = nearest(places, torch.rand(REGIONS, 2, generator=generator))
    means = torch.rand(REGIONS, channels, generator=generator) ** 4  # most channels are off
    maps = means[labels] * (0.5 + torch.rand(len(labels), channels, generator=generator))
    smooth = avg_pool2d(maps.T.unflatten(1, shape), 3, 1, 1, count_include_pad=False)
    return smooth.flatten(1).T.contiguous()


def _embedding(found: Prediction) -> Embedding:
    return spectral_embedding(found, dimensions=max(CONFIG.counts), step=CONFIG.step)


def _clustering_rows(
    embedding: Embedding, sizes: ClusteringSizes, device: torch.device, peers: Peers
) -> list[Row]:
    points, weights = embedding.maps.flatten(1).T, embedding.weights.flatten()
    dimensions = _dimensions(points)

    def ours() -> Centres:
        found = nested_kmeans(points, weights, CONFIG.counts, dimensions=dimensions)
        return [clustering.centres for clustering in found]

    def alone() -> Centres:
        pairs = zip(CONFIG.counts, dimensions, strict=True)
        return [weighted_kmeans(points[:, :d], weights, k).centres for k, d in pairs]

    tasks: dict[str, Callable[[], Centres]] = {OURS: ours, ALONE: alone}
    if cluster := peers.find(SKLEARN):
        here, heights = np.ascontiguousarray(points.numpy(force=True)), weights.numpy(force=True)

        def theirs(runs: int) -> Centres:
            pairs = zip(CONFIG.counts, dimensions, strict=True)
            models = [
                cluster.KMeans(k, n_init=runs, random_state=0).fit(here[:, :d], None, heights)
                for k, d in pairs
            ]
            return [torch.from_numpy(model.cluster_centers_) for model in models]

        tasks |= {FOUR: partial(theirs, 4), ONE: partial(theirs, 1)}
    costs = {name: _costs(points, weights, task()) for name, task in tasks.items()}
    lowest = np.min(list(costs.values()), axis=0)
    seconds = medians(tasks, sizes.repeats)
    case = f"eight clusterings, {_size(sizes)}"
    return [
        Row(
            case,
            name,
            seconds[name],
            seconds[name] / seconds[OURS],
            peak_bytes(task, device),
            float((costs[name] / lowest).mean() - 1),
        )
        for name, task in tasks.items()
    ]


def _dimensions(points: Tensor) -> list[int]:
    """Number of eigenvectors for each k: k, or all where there are fewer."""
    return [min(k, points.shape[1]) for k in CONFIG.counts]


def _costs(points: Tensor, weights: Tensor, found: Sequence[Tensor]) -> np.ndarray:
    """Costs of clusterings, float64: weighted squared distances to the nearest centre, summed."""
    exact, weights = points.double().cpu(), weights.double().cpu()
    squares = [
        torch.cdist(exact[:, : centres.shape[1]], centres.double().cpu()).amin(1).square()
        for centres in found
    ]
    return np.array([float(weights @ square) for square in squares])


def _stage_rows(
    predicted: Callable[[], Prediction],
    embedding: Embedding,
    sizes: ClusteringSizes,
    device: torch.device,
) -> list[Row]:
    """Rows of all steps after the backbone, together and stage by stage."""
    image = sizes.image
    pixels = Grid.of_step(CONFIG.step).interpolate(embedding.maps, *image).flatten(1).T
    points, weights = embedding.maps.flatten(1).T, embedding.weights.flatten()
    found = nested_kmeans(points, weights, CONFIG.counts, dimensions=_dimensions(points))

    def assign() -> list[Tensor]:
        return [nearest(pixels[:, : c.centres.shape[1]], c.centres) for c in found]

    maps = [names.unflatten(0, image).numpy(force=True) for names in assign()]
    area = round(CONFIG.min_fraction * image[0] * image[1])
    tasks: dict[str, Callable[[], object]] = {
        OURS: lambda: cut(predicted(), CONFIG),
        "of it: spectrum and embedding": lambda: _embedding(predicted()),
        "of it: all after the embedding": lambda: cut_embedding(embedding, image, CONFIG),
        "of it: nearest centres of all pixels": assign,
        "of it: components, small ones dissolved": lambda: [
            connected_segments(clusters, area) for clusters in maps
        ],
    }
    seconds = medians(tasks, sizes.repeats)
    case = f"features to eight segmentations, {_size(sizes)}"
    return [
        Row(case, name, seconds[name], seconds[name] / seconds[OURS], peak_bytes(task, device))
        for name, task in tasks.items()
    ]


def _size(sizes: ClusteringSizes) -> str:
    return f"{sizes.image[0]}×{sizes.image[1]}"


def _targets(rows: list[Row], sizes: ClusteringSizes) -> tuple[Target, ...]:
    """Targets of the benchmark; none at another image size than that of the promise."""
    if sizes.image != PROMISED:
        return ()
    clusterings, whole = dict.fromkeys(row.case for row in rows)
    ours, theirs = find(rows, clusterings, OURS), find(rows, clusterings, FOUR)
    total = find(rows, whole, OURS)
    excess = None
    if ours and theirs and ours.error is not None and theirs.error is not None:
        excess = 100 * ((1 + ours.error) / (1 + theirs.error) - 1)
    return (
        at_most("4. eight clusterings in 60 ms", _milliseconds(ours), 60.0, "{} ms"),
        at_most("4. their cost at most 2 % above scikit-learn's best of 4", excess, 2.0, "{} %"),
        at_most("4. features to segmentations in 500 ms", _milliseconds(total), 500.0, "{} ms"),
    )


def _milliseconds(row: Row | None) -> float | None:
    return None if row is None or row.seconds is None else 1e3 * row.seconds
