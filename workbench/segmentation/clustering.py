"""Weighted k-means: the rounding of a spectral embedding (Bach and Jordan, JMLR 2006, §3).

The eigenvectors U of D^-½WD^-½ become the points D^-½U with weights D; their weighted k-means cost
is the distance between the subspace of U and that of the clustering.

The eight segmentations of an image are eight clusterings of the same points, and share work:

- Every k starts from the clusters of the k before it, and adds k-means++ seeds (Arthur and
  Vassilvitskii, SODA 2007) to them, differently in each of several runs.
- The runs go through a tournament: all take a few steps of Lloyd's algorithm on a sample of the
  points, the best of them more steps on a larger one, and the winner ends on all points. A smooth
  embedding has far fewer distinct places than pixels, so that a sample tells the runs apart.
- A step is two matrix products. With rows [1; Pᵀ] for the points and [−½‖c‖², c] for the centres,
  the first gives scores that are highest for the nearest centre; the second takes the clusters'
  indicators to their masses and weighted sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from workbench.linalg.outcomes import check_finite

TOLERANCE = 1e-4
"""Lloyd's algorithm stops where a step gains less than this share of the points' total variance."""


@dataclass(frozen=True)
class Clustering:
    """Clustering of points.

    Attributes:
        labels: (points,) int64.
        centres: (clusters, dimensions).
        cost: weighted squared distances of the points to their centres, summed.
    """

    labels: Int[Tensor, "points"]
    centres: Float[Tensor, "clusters dimensions"]
    cost: float


@dataclass(frozen=True)
class _Round:
    """Round of the tournament: share of the runs that take part (at least one), points, steps."""

    share: float
    points: int | None  # None: all
    steps: int


ROUNDS = (_Round(1.0, 600, 8), _Round(0.25, 2400, 15), _Round(0.0, None, 10))
"""Rounds chosen on training images of BSDS300: cost .4 % above scikit-learn's best of four runs."""


def weighted_kmeans(
    points: Float[Tensor, "points dimensions"],
    weights: Float[Tensor, "points"],
    clusters: int,
    *,
    restarts: int = 8,
    seed: int = 0,
) -> Clustering:
    """Clustering by `nested_kmeans` for a single k, of all coordinates."""
    return nested_kmeans(points, weights, (clusters,), restarts=restarts, seed=seed)[0]


@torch.no_grad()
def nested_kmeans(
    points: Float[Tensor, "points dimensions"],
    weights: Float[Tensor, "points"],
    counts: Sequence[int],
    *,
    dimensions: Sequence[int] | None = None,
    restarts: int = 8,
    seed: int = 0,
) -> tuple[Clustering, ...]:
    """Clusterings, one for every k, each started from the next smaller one.

    Deterministic for a seed and a list of counts. Clusters that fall empty are dropped, so fewer
    may come back. Where no point has any weight, all count the same.

    Args:
        points: points; fastest where `points.T` is contiguous, as it is for maps of an image.
        weights: weights of the points, nonnegative.
        counts: every k, in any order.
        dimensions: number of leading coordinates that each k uses; default: all.
        restarts: number of runs with which each k's tournament begins.
        seed: seed of the samples and of k-means++.

    Raises:
        WorkbenchError: a coordinate is NaN or infinite.
    """
    check_finite(points, "embedding")
    dimensions = dimensions or [points.shape[1]] * len(counts)
    weights = weights.to(points.dtype)
    if not bool(weights.sum() > 0):
        weights = torch.ones_like(weights)
    middle = weights @ points / weights.sum()  # scores would cancel far from the origin
    generator = torch.Generator(device=points.device).manual_seed(seed)
    everything = _Sample.of(points - middle, weights)
    samples = [everything.draw(round_.points, generator) for round_ in ROUNDS]
    found: dict[tuple[int, int], Clustering] = {}
    begun = torch.zeros_like(everything.weights, dtype=torch.long)  # all in one cluster
    for clusters, used in sorted(set(zip(counts, dimensions, strict=True))):
        grown = everything.means(begun, used)
        centres = _tournament(samples, _plus_plus(samples[0], grown, clusters, restarts, generator))
        labels = _nearest(everything.rows[1 : used + 1], centres)
        names, begun = torch.unique(labels, return_inverse=True)
        centres = centres[names] + middle[:used]
        apart = points[:, :used] - centres[begun]
        cost = float(weights @ apart.square().sum(1))
        found[clusters, used] = Clustering(begun, centres, cost)
    return tuple(found[wanted] for wanted in zip(counts, dimensions, strict=True))


@torch.no_grad()
def nearest(
    points: Float[Tensor, "points dimensions"], centres: Float[Tensor, "clusters dimensions"]
) -> Int[Tensor, "points"]:
    """Index of the nearest centre of each point; fastest where `points.T` is contiguous."""
    return _nearest(points.T, centres)


@dataclass(frozen=True)
class _Sample:
    """Sample of points in the layout of the two products of a step.

    Attributes:
        rows: (1 + dimensions, points), [1; Pᵀ].
        weighted: (points, 1 + dimensions), the transpose with every point times its weight.
        weights: (points,) weights of the points.
    """

    rows: Float[Tensor, "_ points"]
    weighted: Float[Tensor, "points _"]
    weights: Float[Tensor, "points"]

    @classmethod
    def of(
        cls, points: Float[Tensor, "points dimensions"], weights: Float[Tensor, "points"]
    ) -> "_Sample":
        rows = torch.cat([points.new_ones(1, len(points)), points.T])
        return cls(rows, (rows * weights).T.contiguous(), weights)

    def draw(self, size: int | None, generator: torch.Generator) -> "_Sample":
        """Sample of `size` points, a random one out of each of as many runs of consecutive points.

        The sample itself where it has no more points than that.
        """
        count = len(self.weights)
        if size is None or size >= count:
            return self
        place = torch.arange(size, device=self.rows.device)
        jitter = torch.rand(size, generator=generator, device=self.rows.device)
        drawn = ((place + jitter) * (count / size)).long().clamp(max=count - 1)
        weights = self.weights[drawn]
        if not bool(weights.sum() > 0):
            weights = torch.ones_like(weights)
        return _Sample.of(self.rows[1:, drawn].T, weights)

    def means(
        self, labels: Int[Tensor, "points"], dimensions: int
    ) -> Float[Tensor, "clusters {dimensions}"]:
        """Centres, the weighted means of the leading coordinates, of clusters with any weight."""
        indicators = torch.nn.functional.one_hot(labels).T.to(self.rows.dtype)
        sums = indicators @ self.weighted[:, : dimensions + 1]
        sums = sums[sums[:, 0] > 0]
        return sums[:, 1:] / sums[:, :1]


def _tournament(
    samples: Sequence[_Sample], centres: Float[Tensor, "runs clusters dimensions"]
) -> Float[Tensor, "clusters dimensions"]:
    """Centres of the run that wins."""
    runs = len(centres)
    for round_, sample in zip(ROUNDS, samples, strict=True):
        kept = max(1, round(round_.share * runs))
        centres, gains = _lloyd(sample, centres[:kept], round_.steps)
        centres = centres[gains.argsort(descending=True, stable=True)]
    return centres[0]


def _lloyd(
    sample: _Sample, centres: Float[Tensor, "runs clusters dimensions"], steps: int
) -> tuple[Float[Tensor, "runs clusters dimensions"], Float[Tensor, "runs"]]:
    """Centres after some steps of Lloyd's algorithm, and half the decrease of each run's cost.

    A cluster without weight keeps its centre. A point between two equally near centres counts for
    both: centres that coincide stay together, and the second loses its points at the end.
    """
    runs, clusters, dimensions = centres.shape
    rows, weighted = sample.rows[: dimensions + 1], sample.weighted[:, : dimensions + 1]
    enough = TOLERANCE / 2 * (weighted[:, 1:].T * rows[1:]).sum()
    gains = torch.full_like(centres[:, 0, 0], -torch.inf)
    for _ in range(steps):
        scores = (_scorer(centres).flatten(0, 1) @ rows).unflatten(0, (runs, clusters))
        highest = scores.amax(1, keepdim=True)
        before, gains = gains, highest[:, 0] @ sample.weights
        if bool((gains - before <= enough).all()):
            break
        indicators = torch.eq(scores, highest, out=scores)  # as floats, for the product
        sums = (indicators.flatten(0, 1) @ weighted).unflatten(0, (runs, clusters))
        mass = sums[..., :1]
        centres = torch.where(mass > 0, sums[..., 1:] / mass.clamp(min=1e-30), centres)
    return centres, gains


def _scorer(centres: Float[Tensor, "*runs dimensions"]) -> Float[Tensor, "*runs _"]:
    """Rows [−½‖c‖², c], whose product with [1, p] is ½‖p‖² − ½‖p − c‖²."""
    return torch.cat([centres.square().sum(-1, keepdim=True) / -2, centres], dim=-1)


def _nearest(
    coordinates: Float[Tensor, "dimensions points"],
    centres: Float[Tensor, "clusters dimensions"],
) -> Int[Tensor, "points"]:
    """Index of the centre with the highest score for each point; the first one of a tie.

    An argmax over the rows of a matrix reads it across its layout: two maxima are six times faster.
    """
    scores = torch.addmm(centres.square().sum(1, keepdim=True), centres, coordinates, beta=-0.5)
    indicators = torch.eq(scores, scores.amax(0), out=scores)
    last = len(centres) - 1
    countdown = torch.arange(last, -1, -1, device=scores.device, dtype=scores.dtype)
    return last - indicators.mul_(countdown[:, None]).amax(0).long()


def _plus_plus(
    sample: _Sample,
    first: Float[Tensor, "given dimensions"],
    clusters: int,
    runs: int,
    generator: torch.Generator,
) -> Float[Tensor, "runs clusters dimensions"]:
    """Given centres and k-means++ seeds, drawn with odds of their weighted squared distances.

    Where all points lie at seeds, the next seed repeats a point, and its cluster will be empty.
    """
    rows = sample.rows[1 : first.shape[1] + 1]
    squares = rows.square().sum(0)
    centres = rows.new_zeros(runs, clusters, len(rows))
    centres[:, : len(first)] = first
    nearest_score = (_scorer(first) @ sample.rows[: len(rows) + 1]).amax(0)
    distance = (squares - 2 * nearest_score).clamp(min=0).expand(runs, -1)
    for i in range(len(first), clusters):
        odds = sample.weights * distance
        odds = torch.where(odds.sum(1, keepdim=True) > 0, odds, sample.weights)
        heights = odds.cumsum(1)
        drawn = torch.rand(runs, 1, generator=generator, device=rows.device, dtype=rows.dtype)
        picks = torch.searchsorted(heights, drawn * heights[:, -1:], right=True)
        seeds = rows.T[picks[:, 0].clamp(max=len(squares) - 1)]
        centres[:, i] = seeds
        to_seed = squares + seeds.square().sum(1, keepdim=True) - 2 * (seeds @ rows)
        distance = torch.minimum(distance, to_seed.clamp(min=0))
    return centres
