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
    """The cheapest of several runs of Lloyd's algorithm from k-means++ seeds.

    Deterministic for a seed. Clusters that fall empty are dropped, so fewer may come back. Where no
    point has any weight, all count the same.
    """
    if not bool(weights.sum() > 0):
        weights = torch.ones_like(weights)
    generator = torch.Generator(device=points.device).manual_seed(seed)
    runs = (
        _lloyd(points, weights, _plus_plus(points, weights, clusters, generator), iterations)
        for _ in range(restarts)
    )
    return min(runs, key=lambda run: run.cost)


def nearest(
    points: Float[Tensor, "points dimensions"], centres: Float[Tensor, "clusters dimensions"]
) -> Int[Tensor, "points"]:
    """For each point the index of the centre closest to it."""
    half = centres.square().sum(1) / 2
    return torch.addmm(half, points, centres.T, alpha=-1).argmin(1)


def _plus_plus(
    points: Tensor, weights: Tensor, clusters: int, generator: torch.Generator
) -> Tensor:
    """k-means++ seeds: each next one drawn with odds of its weighted squared distance."""
    first = torch.multinomial(weights, 1, generator=generator)
    centres = [points[first[0]]]
    distance = (points - centres[0]).square().sum(1)
    while len(centres) < clusters:
        odds = weights * distance
        if not bool(odds.sum() > 0):
            break  # fewer distinct points than clusters
        pick = torch.multinomial(odds, 1, generator=generator)
        centres.append(points[pick[0]])
        distance = torch.minimum(distance, (points - centres[-1]).square().sum(1))
    return torch.stack(centres)


def _lloyd(points: Tensor, weights: Tensor, centres: Tensor, iterations: int) -> Clustering:
    weighted = points * weights[:, None]
    labels = nearest(points, centres)
    for _ in range(iterations):
        mass = torch.zeros_like(centres[:, 0]).index_add_(0, labels, weights)
        sums = torch.zeros_like(centres).index_add_(0, labels, weighted)
        centres = sums[mass > 0] / mass[mass > 0, None]
        previous, labels = labels, nearest(points, centres)
        if torch.equal(previous, labels):
            break
    cost = float((weights * (points - centres[labels]).square().sum(1)).sum())
    return Clustering(labels, centres, cost)
