"""The spectrum explorer: what it shows at a step, and of two runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import torch

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.views.scenes.history import spectrum_at
from workbench.widgets import SpectrumExplorer

Draw = Callable[[hv.DynamicMap], Any]


def test_a_spectrum_is_that_of_the_dense_matrices(snapshot: Snapshot) -> None:
    affinity = snapshot.prediction.affinity
    found = spectrum_at(3, snapshot)
    singular = torch.linalg.svdvals(affinity.x.double()).numpy()
    np.testing.assert_allclose(found.singular, singular, rtol=1e-6, atol=1e-6 * singular[0])
    W = affinity.dense().double()
    scale = W.sum(1).rsqrt()
    values = torch.linalg.eigvalsh(scale[:, None] * W * scale).flip(0)[: affinity.features]
    np.testing.assert_allclose(found.eigenvalues, values.numpy(), atol=1e-6)
    assert found.rank == snapshot.rank
    assert found.effective_rank == pytest.approx(snapshot.effective_rank, rel=1e-5)
    k, gap = found.widest
    assert gap == pytest.approx(found.eigenvalues[k - 1] - np.append(found.eigenvalues, 0)[k])


def test_scrubbing_shows_the_step_before_faint_lines_of_all_earlier(
    trained_run: Run, drawn: Draw
) -> None:
    explorer = SpectrumExplorer(trained_run)
    for picture in explorer.pictures.values():
        drawn(picture)
    for step, earlier in ((4, 2), (0, 0), (2, 1)):
        explorer.step = step
        overlay = explorer.pictures["eigenvalues 0"][()]
        assert len(overlay.get(0).split()) == earlier
        expected = spectrum_at(step, Snapshot.load(trained_run, step, "watched"))
        shown = overlay.get(1).dimension_values("eigenvalue")
        np.testing.assert_allclose(shown, expected.eigenvalues.clip(min=1e-6))
        assert f"step {step}: rank {expected.rank}" in explorer.readout


def test_two_runs_stand_side_by_side(trained_run: Run, tmp_path: Path, drawn: Draw) -> None:
    other = Run.create(tmp_path / "other", {})
    for step in (1, 3):
        other.snapshot(step, "watched", trained_run.load_snapshot(0, "watched"))
    other.snapshot(1, "unshared", trained_run.load_snapshot(0, "watched"))
    explorer = SpectrumExplorer(trained_run, other.path)
    assert list(explorer.options("scene")) == ["watched"]
    assert list(explorer.options("step").values()) == [0, 1, 2, 3, 4]
    explorer.step = 2
    assert [side.now.step for side in explorer.sides] == [2, 1]
    charts = [explorer.pictures[f"singular values {i}"][()] for i in (0, 1)]
    limits = [chart.opts.get("plot", backend="bokeh").kwargs["ylim"] for chart in charts]
    assert limits[0] == limits[1]
    explorer.step = 0  # before the other one's first
    assert explorer.sides[1].now is None
    assert "nothing to see" in explorer.pictures["eigenvalues 1"][()].label
    for picture in explorer.pictures.values():
        drawn(picture)


def test_runs_without_a_scene_in_common_say_so(
    started_run: Run, tmp_path: Path, snapshot: Snapshot, drawn: Draw
) -> None:
    other = Run.create(tmp_path / "other", {})
    assert "found none yet" in SpectrumExplorer(started_run).message
    started_run.snapshot(0, "here", snapshot.to_arrays())
    other.snapshot(0, "there", snapshot.to_arrays())
    explorer = SpectrumExplorer(started_run, other)
    assert "none that both have" in explorer.message
    for picture in explorer.pictures.values():
        drawn(picture)


def test_a_collapsed_and_a_dead_network_draw(run_of, dead_snapshot: Snapshot, drawn: Draw) -> None:
    explorer = SpectrumExplorer(run_of(dead_snapshot))
    assert "rank 0" in explorer.readout
    for picture in explorer.pictures.values():
        drawn(picture)
    assert explorer.pictures["eigenvector 0.2"][()].label == "no such eigenvector"


def test_a_damaged_past_does_not_hide_the_present(trained_run: Run) -> None:
    (trained_run.path / "snapshots" / "00000000" / "watched.safetensors").write_bytes(b"x")
    explorer = SpectrumExplorer(trained_run)
    assert explorer.message == ""
    assert [each.step for each in explorer.sides[0].spectra] == [2, 4]
    explorer.step = 0
    assert explorer.message.startswith("expected a snapshot")
