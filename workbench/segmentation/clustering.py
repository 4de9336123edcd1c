"""Weighted k-means: the rounding of a spectral embedding (Bach and Jordan, JMLR 2006, §3).

The eigenvectors U of D^-½WD^-½ become the points D^-½U with weights D; their weighted k-means cost
is the distance between the subspace of U and that of the clustering.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Clustering:
    """Attributes: labels (points,) int64; centres (clusters, dimensions); cost, weighted."""

    labels: Int[Tensor, "points"]
    centres: Float[Tensor, "clusters dimensions"]
    cost: float


def weighted_kmeans(
    points: Float[Tensor, "points dimensions"],
    weights: Float[Tensor, "points"],
    clusters: int,
    *,
    restarts: int = 4,
    iterations: int = 40,
    seed: int = 0,
) -> Clustering:
    """The cheapest of several runs of Lloyd's algorithm from k-means++ seeds, side by side.

    Deterministic for a seed. Clusters that fall empty are dropped, so fewer may come back. Where no
    point has any weight, all count the same.
    """
    if not bool(weights.sum() > 0):
        weights = torch.ones_like(weights)
    generator = torch.Generator(device=points.device).manual_seed(seed)
    centres = _plus_plus(points, weights, clusters, restarts, generator)
    labels = _nearest(points, centres)
    for _ in range(iterations):
        centres = _means(points, weights, labels, centres)
        previous, labels = labels, _nearest(points, centres)
        if torch.equal(previous, labels):
            break
    own = centres.take_along_dim(labels[..., None], 1)
    costs = ((points - own).square().sum(2) * weights).sum(1)
    best = int(costs.argmin())
    used, names = torch.unique(labels[best], return_inverse=True)
    return Clustering(names, centres[best, used], float(costs[best]))


def nearest(
    points: Float[Tensor, "points dimensions"], centres: Float[Tensor, "clusters dimensions"]
) -> Int[Tensor, "points"]:
    """For each point the index of the centre closest to it."""
    return _nearest(points, centres[None])[0]


def _nearest(
    points: Float[Tensor, "points dimensions"],
    centres: Float[Tensor, "restarts clusters dimensions"],
) -> Int[Tensor, "restarts points"]:
    half = centres.square().sum(2) / 2
    return (half[:, None] - points @ centres.mT).argmin(2)


def _means(
    points: Float[Tensor, "points dimensions"],
    weights: Float[Tensor, "points"],
    labels: Int[Tensor, "restarts points"],
    before: Float[Tensor, "restarts clusters dimensions"],
) -> Float[Tensor, "restarts clusters dimensions"]:
    """Weighted means of the clusters; one without weight stays where it was."""
    one_hot = points.new_zeros(*labels.shape, before.shape[1])
    one_hot.scatter_(2, labels[..., None], weights.expand_as(labels)[..., None])
    mass = one_hot.sum(1)[..., None]
    return torch.where(mass > 0, (one_hot.mT @ points) / mass.clamp(min=1e-30), before)


def _plus_plus(
    points: Float[Tensor, "points dimensions"],
    weights: Float[Tensor, "points"],
    clusters: int,
    restarts: int,
    generator: torch.Generator,
) -> Float[Tensor, "restarts clusters dimensions"]:
    """k-means++ seeds: each next one drawn with odds of its weighted squared distance.

    Where no point lies off the seeds, the next one repeats a point, and its cluster will be empty.
    """
    centres = points.new_zeros(restarts, clusters, points.shape[1])
    odds = weights.expand(restarts, -1)
    distance = torch.full_like(odds, torch.inf)
    for i in range(clusters):
        centres[:, i] = points[torch.multinomial(odds, 1, generator=generator)[:, 0]]
        distance = torch.minimum(distance, (points - centres[:, i, None]).square().sum(2))
        odds = weights * distance
        odds = torch.where(odds.sum(1, keepdim=True) > 0, odds, weights)
    return centres
