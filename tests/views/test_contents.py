"""What the views draw is what the record says."""

from dataclasses import replace

import numpy as np
import torch

from workbench.evaluation import BenchmarkTable
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views import paint
from workbench.views.panels import photo
from workbench.views.scenes import affinity, scores, segments, spectrum

LABELS = np.array([[1, 1, 2], [1, 1, 2]])


def test_mean_colours_are_the_means_of_segments() -> None:
    image = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    filled = paint.mean_colours(image, LABELS)
    np.testing.assert_array_equal(
        filled[:, 2], np.broadcast_to(image[:, 2].mean(0).round(), (2, 3))
    )
    np.testing.assert_array_equal(filled[0, 0], image[:, :2].reshape(-1, 3).mean(0).round())


def test_boundaries_lie_between_segments() -> None:
    np.testing.assert_array_equal(paint.boundaries(LABELS), [[False, True, False]] * 2)
    assert not paint.boundaries(np.ones((3, 3), int)).any()
    assert not paint.boundary_layer(np.ones((3, 3), int)).any()


def test_small_label_maps_get_fine_boundaries() -> None:
    layer = paint.boundary_layer(LABELS)
    assert layer.shape == (2 * 160, 3 * 160, 4)
    across = np.flatnonzero(layer[0, :, 3] == 255) / 160
    assert abs(across.mean() - 2) < 0.01
    assert np.ptp(across) < 0.05


def test_a_photo_has_pixels_for_coordinates(snapshot: Snapshot) -> None:
    height, width = snapshot.image.shape[:2]
    for fineness in (1, 3):
        fine = snapshot.image.repeat(fineness, 0).repeat(fineness, 1)
        bounds = photo(fine, fineness=fineness).bounds.lbrt()
        np.testing.assert_allclose(bounds, (-0.5, -0.5, width - 0.5, height - 0.5))


def test_probes_are_inside_the_largest_segments() -> None:
    labels = np.ones((30, 40), int)
    labels[10:20, 25:35] = 2
    labels[0, 0] = 3
    first, second = affinity.interior_pixels(labels, 2)
    assert labels[first] == 1
    assert labels[second] == 2
    assert 13 <= second[0] <= 16
    assert 28 <= second[1] <= 31


def test_a_row_is_that_of_the_dense_affinity(snapshot: Snapshot) -> None:
    x = torch.from_numpy(snapshot.maps).flatten(1).T.double()
    W = x @ x.T
    degrees = W.sum(1)
    M = W / torch.sqrt(degrees[:, None] * degrees)
    rows, columns = snapshot.maps.shape[1:]
    stride, offset = snapshot.grid.stride, snapshot.grid.offset
    cell = (3, 5)
    probe = (round(offset + stride * cell[0]), round(offset + stride * cell[1]))
    for dense, normalized in ((M, True), (W, False)):
        image = affinity.affinity_row(snapshot, probe, normalized=normalized).get(0)
        drawn = image.dimension_values("affinity", flat=False)
        expected = dense[cell[0] * columns + cell[1]].reshape(rows, columns).numpy()
        y, x_ = (np.arange(count) * stride + offset for count in (rows, columns))
        near = drawn[(y[1:-1] / 2).astype(int)][:, (x_[1:-1] / 2).astype(int)]
        # Drawn between the cells' centres: close to the values at them, and in the same order.
        assert np.corrcoef(near.ravel(), expected[1:-1, 1:-1].ravel())[0, 1] > 0.95
        assert drawn.max() <= expected.max() * (1 + 1e-5)


def test_blocks_are_symmetric_and_ordered_by_segment(snapshot: Snapshot) -> None:
    image = affinity.affinity_blocks(snapshot, cells=60).get(0)
    values = image.dimension_values("affinity", flat=False)
    assert values.shape == (60, 60)
    np.testing.assert_allclose(values, values.T, rtol=1e-5)


def test_a_learned_coupling_counts(snapshot: Snapshot) -> None:
    coupling = np.diag(np.arange(len(snapshot.maps), dtype=np.float32))
    found = replace(snapshot, coupling=coupling).prediction.affinity
    x = torch.from_numpy(snapshot.maps).flatten(1).T
    torch.testing.assert_close(found.dense(), x @ torch.from_numpy(coupling) @ x.T)


def test_eigenvectors_are_the_same_whatever_their_sign(snapshot: Snapshot) -> None:
    flipped = replace(snapshot, eigenvectors=-snapshot.eigenvectors)
    for one, other in zip(
        spectrum.eigenvectors(snapshot), spectrum.eigenvectors(flipped), strict=True
    ):
        assert one.label == other.label
        np.testing.assert_array_equal(
            one.dimension_values("value"), other.dimension_values("value")
        )


def test_the_spectrum_states_the_rank(snapshot: Snapshot) -> None:
    labels = {curve.label for curve in spectrum.spectrum({"trained": snapshot})}
    assert labels == {f"trained, rank {snapshot.rank}"}


def test_the_pool_marks_its_best_and_says_k_where_it_is_known(snapshot: Snapshot) -> None:
    means = snapshot.coverings.mean(axis=1)
    titles = [panel.label for panel in segments.pool(snapshot)]
    assert [title.startswith("★") for title in titles] == list(
        np.arange(len(means)) == means.argmax()
    )
    assert all(f"{mean:.2f}" in title for mean, title in zip(means, titles, strict=True))
    counted = replace(snapshot, counts=np.arange(2, 2 + len(means)))
    assert "k = 3 · " in segments.pool(counted).values()[1].label


def test_the_scatter_states_the_means(table: BenchmarkTable) -> None:
    before, after = (table.summaries()[name].best.mean for name in ("untrained", "trained"))
    scatter = scores.covering_scatter(table.to_dict(), "best")
    assert scatter.label == f"Best covering {before:.3f} → {after:.3f}"
