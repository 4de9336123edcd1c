"""Weighted k-means."""

import pytest
import torch
from sklearn.cluster import KMeans

from workbench.segmentation.clustering import nearest, weighted_kmeans


def blobs(count: int, clusters: int) -> tuple[torch.Tensor, torch.Tensor]:
    truth = torch.arange(count) % clusters
    centres = 10 * torch.eye(clusters)
    return centres[truth] + 0.1 * torch.randn(count, clusters), truth


def test_separated_clusters_are_found_whole() -> None:
    points, truth = blobs(200, 5)
    found = weighted_kmeans(points, torch.ones(200), 5)
    pairs = set(zip(truth.tolist(), found.labels.tolist(), strict=True))
    assert len(pairs) == 5


def test_a_weight_is_as_good_as_copies() -> None:
    points = torch.randn(60, 3)
    weights = torch.randint(1, 5, (60,))
    weighted = weighted_kmeans(points, weights.float(), 4, restarts=60)
    copied = weighted_kmeans(
        points.repeat_interleave(weights, 0), torch.ones(int(weights.sum())), 4, restarts=60
    )
    assert weighted.cost == pytest.approx(copied.cost, rel=1e-2)


def test_cost_is_no_worse_than_scikit_learns() -> None:
    points, weights = torch.randn(500, 6), torch.rand(500)
    theirs = KMeans(7, n_init=8, random_state=0).fit(points.numpy(), sample_weight=weights.numpy())
    assert weighted_kmeans(points, weights, 7, restarts=8).cost <= 1.05 * theirs.inertia_


def test_same_seed_same_labels() -> None:
    points, weights = torch.randn(100, 3), torch.rand(100)
    one, two = (weighted_kmeans(points, weights, 5, seed=3) for _ in range(2))
    assert torch.equal(one.labels, two.labels)


@pytest.mark.parametrize("clusters", [1, 2, 9])
def test_fewer_distinct_points_than_clusters(clusters: int) -> None:
    points = torch.tensor([[0.0], [1.0]]).repeat(5, 1)
    found = weighted_kmeans(points, torch.ones(10), clusters)
    assert len(found.centres) == min(clusters, 2)
    assert torch.equal(nearest(points, found.centres), found.labels)


def test_points_without_weight_move_nothing() -> None:
    points = torch.tensor([[0.0], [1.0], [100.0]])
    found = weighted_kmeans(points, torch.tensor([1.0, 1.0, 0.0]), 1)
    assert found.centres.item() == pytest.approx(0.5)


def test_no_weight_at_all_still_gives_labels() -> None:
    assert len(weighted_kmeans(torch.rand(5, 2), torch.zeros(5), 2).labels) == 5
