"""The segmentation explorer: live cuts are those of the pool, and every image can be looked at."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import pytest

from workbench.evaluation.scenes.contingency import covering
from workbench.evaluation.scenes.recut import Recut
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.segmentation import HierarchyConfig, cut
from workbench.widgets import SegmentationExplorer
from workbench.widgets.explorers.segmentations import AT, FLAT, INTO

Draw = Callable[[hv.DynamicMap], Any]


@pytest.fixture(scope="session")
def with_contours(snapshot: Snapshot) -> Snapshot:
    """As of a network that predicts contours: strong in the middle, faint elsewhere."""
    height, width = snapshot.prediction.image
    strength = np.full((-(-height // 2), -(-width // 2)), 0.02, np.float32)
    strength[:, width // 4] = 0.9
    strength[height // 4, : width // 4] = 0.4
    return replace(snapshot, contour=strength)


def test_a_live_cut_is_the_pool_s_and_another_seed_may_differ(snapshot: Snapshot) -> None:
    recut = Recut(replace(snapshot, counts=None))
    first = int(snapshot.counts[0])  # grown from nothing: the others from the one before
    np.testing.assert_array_equal(recut.flat(first), snapshot.segmentations[0])
    stored = Recut(snapshot)
    for k, labels in zip(snapshot.counts.tolist(), snapshot.segmentations, strict=True):
        np.testing.assert_array_equal(stored.flat(k), labels)
    assert stored.flat(7, seed=3).shape == snapshot.prediction.image


def test_a_live_hierarchy_is_the_one_that_segments(with_contours: Snapshot) -> None:
    found = cut(with_contours.prediction)
    recut = Recut(with_contours)
    for height, labels in zip(HierarchyConfig().heights, found.segmentations, strict=True):
        np.testing.assert_array_equal(recut.at(height), labels)
    assert len(np.unique(recut.into(3))) == 3


def test_networks_without_contours_are_cut_by_the_gradient_of_their_embedding(
    snapshot: Snapshot, dead_snapshot: Snapshot
) -> None:
    found = cut(snapshot.prediction, HierarchyConfig())
    recut = Recut(snapshot)
    for height, labels in zip(HierarchyConfig().heights, found.segmentations, strict=True):
        np.testing.assert_array_equal(recut.at(height), labels)
    assert len(np.unique(recut.into(3))) == 3
    assert len(np.unique(Recut(dead_snapshot).into(3))) == 1


def test_the_sliders_cut_and_the_coverings_follow(trained_run: Run, drawn: Draw) -> None:
    explorer = SegmentationExplorer(trained_run)
    for picture in explorer.pictures.values():
        drawn(picture)
    shown = []
    for k in (1, 2, 8):
        explorer.segments = k
        labels = explorer.labels
        truths = explorer.snapshot.truths
        expected = [covering(truth, labels) for truth in truths]
        np.testing.assert_allclose(explorer.coverings, expected)
        shown.append(explorer.pictures["cut"][()].label)
        assert f"mean {np.mean(expected):.3f}" in explorer.readout
        bars = explorer.pictures["coverings"][()].get(0)
        np.testing.assert_allclose(bars.dimension_values(3), expected)
    assert shown[0].startswith("1 segments")
    assert len(set(shown)) == 3
    assert explorer.way == FLAT  # as the network is judged
    explorer.way = AT
    assert len(np.unique(explorer.labels)) == 8, "the height begins at the number of segments"


def test_a_hierarchy_is_cut_by_number_and_by_height(run_of, with_contours: Snapshot) -> None:
    explorer = SegmentationExplorer(run_of(with_contours))
    assert explorer.way == INTO  # from the start: as the network is judged
    explorer.segments = 2
    assert len(np.unique(explorer.labels)) == 2
    explorer.way = AT
    low, high, _ = explorer.bounds("height")
    explorer.height = high
    assert len(np.unique(explorer.labels)) == 1
    explorer.height = low
    assert len(np.unique(explorer.labels)) == explorer.recut.hierarchy.regions


def test_images_are_ranked_and_clicked_through(trained_run: Run, evaluate, drawn: Draw) -> None:
    evaluate(trained_run, ("untrained", "trained"))
    explorer = SegmentationExplorer(trained_run)
    assert (explorer.evaluation, explorer.method) == ("test", "trained")
    assert [image.place for image in explorer.images] == [1, 2]
    assert explorer.images[0].covering >= explorer.images[1].covering
    drawn(explorer.pictures["ranking"])
    for place in (2, 1):
        explorer._on_tap(x=place + 0.3, y=0.5)
        assert explorer.scene == f"test-trained-{explorer.images[place - 1].id}"
        assert explorer.message == ""
    explorer.method = "untrained"
    explorer._on_tap(x=1.0, y=0.5)
    assert explorer.scene == f"test-untrained-{explorer.images[0].id}"


def test_images_that_were_not_kept_are_made_or_named(
    trained_run: Run, evaluate, other_snapshot: Snapshot
) -> None:
    evaluate(trained_run, ("trained",))
    asked = []

    def look(split: str, id: str) -> Snapshot:
        asked.append((split, id))
        return other_snapshot

    for keeper in (None, look):
        explorer = SegmentationExplorer(trained_run, keeper)
        explorer.evaluation, explorer.method = "test", "trained"
        explorer.snapshots.run.snapshot_names = lambda: ["watched"]
        explorer.look_at("b")
        if keeper is None:
            assert "keeps those of its first scenes" in explorer.message
            assert explorer.scene != "test-trained-b"
        else:
            assert asked == [("test", "b")]
            assert (explorer.scene, explorer.message) == ("test-trained-b", "")
            assert explorer.snapshot is other_snapshot


def test_a_damaged_evaluation_is_a_message(trained_run: Run, evaluate) -> None:
    evaluate(trained_run, ("trained",))
    (trained_run.path / "evaluations" / "test.json").write_text("{")
    explorer = SegmentationExplorer(trained_run)
    assert explorer.images == []


def test_dead_networks_are_one_segment(run_of, dead_snapshot: Snapshot, drawn: Draw) -> None:
    explorer = SegmentationExplorer(run_of(dead_snapshot))
    explorer.segments = 7
    assert len(np.unique(explorer.labels)) == 1
    for picture in explorer.pictures.values():
        drawn(picture)


def test_a_run_without_snapshots_says_so(started_run: Run, drawn: Draw) -> None:
    explorer = SegmentationExplorer(started_run)
    assert "none yet" in explorer.message
    assert explorer.labels is None
    for picture in explorer.pictures.values():
        drawn(picture)
    explorer.segments = 9
