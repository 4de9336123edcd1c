"""Weighted k-means."""

import pytest
import torch
from sklearn.cluster import KMeans

from workbench.errors import WorkbenchError
from workbench.segmentation.clustering import nearest, nested_kmeans, weighted_kmeans


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


@pytest.mark.parametrize("count", [300, 5000])  # all points in every round, and samples of them
def test_cost_is_no_worse_than_scikit_learns(count: int) -> None:
    points, _ = blobs(count, 12)
    points, weights = points + torch.randn(count, 12), torch.rand(count)
    counts = (3, 7, 12)
    for k, ours in zip(counts, nested_kmeans(points, weights, counts), strict=True):
        theirs = KMeans(k, n_init=8, random_state=0)
        theirs.fit(points.numpy(), sample_weight=weights.numpy())
        assert ours.cost <= 1.03 * theirs.inertia_


def test_cost_is_that_of_the_labels_and_labels_are_nearest() -> None:
    points, weights = torch.randn(3000, 5), torch.rand(3000)
    for found in nested_kmeans(points, weights, (2, 6), dimensions=(2, 5)):
        near = points[:, : found.centres.shape[1]]
        squares = torch.cdist(near.double(), found.centres.double()).square()
        own = squares.gather(1, found.labels[:, None])[:, 0]
        torch.testing.assert_close(own, squares.amin(1), rtol=1e-4, atol=1e-4)
        assert found.cost == pytest.approx(float(own @ weights.double()), rel=1e-4)
        assert torch.equal(nearest(near, found.centres), found.labels)


def test_every_k_gets_its_own_clusters_and_dimensions_in_the_order_asked_for() -> None:
    points, _ = blobs(2000, 8)
    found = nested_kmeans(points, torch.ones(2000), (8, 2, 4), dimensions=(8, 2, 5))
    assert [c.centres.shape for c in found] == [(8, 8), (2, 2), (4, 5)]
    alike = nested_kmeans(points, torch.ones(2000), (2, 4, 8), dimensions=(2, 5, 8))
    assert [torch.equal(found[i].labels, alike[j].labels) for i, j in ((0, 2), (1, 0), (2, 1))]


def test_a_far_origin_costs_no_digits() -> None:
    points, truth = blobs(2000, 3)
    found = weighted_kmeans(points + 3000, torch.ones(2000), 3)
    pairs = set(zip(truth.tolist(), found.labels.tolist(), strict=True))
    assert len(pairs) == 3


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_points_that_are_not_finite_are_refused(bad: float) -> None:
    points = torch.randn(10, 2)
    points[3, 1] = bad
    with pytest.raises(WorkbenchError, match="embedding"):
        weighted_kmeans(points, torch.ones(10), 2)


def test_nearest_is_that_of_all_distances() -> None:
    points, centres = torch.randn(500, 4), torch.randn(9, 4)
    assert torch.equal(nearest(points, centres), torch.cdist(points, centres).argmin(1))
    assert nearest(points, centres[[2, 2, 2]]).unique().tolist() == [0]  # the first of equals


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
