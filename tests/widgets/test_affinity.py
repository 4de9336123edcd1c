"""The affinity explorer: what a click shows, without a browser."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import torch

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.views.scenes.probe import AffinityProbe
from workbench.widgets import AffinityExplorer
from workbench.widgets.explorers.affinity import NOBODY

Draw = Callable[[hv.DynamicMap], Any]


def heat_of(explorer: AffinityExplorer) -> np.ndarray:
    return explorer.pictures["affinity"][()].get(0).dimension_values("affinity", flat=False)


def tap(explorer: AffinityExplorer, x: float, y: float) -> None:
    """A click as HoloViews reports it."""
    explorer._on_tap(x=x, y=y)


def test_rows_are_those_of_the_dense_matrices(snapshot: Snapshot) -> None:
    probe = AffinityProbe(snapshot)
    W = snapshot.prediction.affinity.dense().double()
    degrees = W.sum(1)
    M = W / torch.sqrt(degrees[:, None] * degrees)
    cells = np.array([0, 17, probe.affinity.pixels - 1])
    for dense, normalized in ((M, True), (W, False)):
        found = probe.rows(cells, normalized)
        np.testing.assert_allclose(found, dense[cells].numpy(), rtol=1e-4, atol=1e-9)


def test_a_click_draws_the_row_of_its_pixel(trained_run: Run, drawn: Draw) -> None:
    explorer = AffinityExplorer(trained_run)
    assert explorer.message == ""
    assert explorer.step == 4
    plots = {name: drawn(picture) for name, picture in explorer.pictures.items()}
    before = heat_of(explorer)
    tap(explorer, x=50.2, y=9.8)
    assert explorer.seeds == [(10, 50)]
    expected = explorer.probe.over_image([(10, 50)])[0]
    np.testing.assert_array_equal(heat_of(explorer)[::1], expected)
    assert not np.array_equal(before, expected)
    image = next(
        renderer.data_source.data
        for renderer in plots["affinity"].state.renderers
        if "dw" in renderer.data_source.data
    )["image"][0]
    np.testing.assert_allclose(np.sort(image, axis=None), np.sort(expected, axis=None))


def test_a_browser_s_clicks_and_moves_are_listened_to(trained_run: Run, drawn: Draw) -> None:
    explorer = AffinityExplorer(trained_run)
    for name in ("image", "affinity"):
        heard = {type(each).__name__ for each in drawn(explorer.pictures[name]).callbacks}
        assert {"TapCallback", "PointerXYCallback"} <= heard


def test_taps_arrive_by_the_stream_of_each_picture(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run)
    for i, name in enumerate(("image", "affinity")):
        streams = hv.streams.Stream.registry[explorer.pictures[name]]
        (stream,) = (each for each in streams if type(each) is hv.streams.Tap)
        stream.event(x=5.0 + i, y=7.0)
        assert explorer.seeds == [(7, 5 + i)]


def test_clicks_beside_the_image_do_nothing(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run)
    before = explorer.seeds
    for x, y in ((-3.0, 5.0), (5.0, 48.0), (64.0, 5.0), (None, None)):
        tap(explorer, x, y)
    assert explorer.seeds == before


def test_several_seeds_part_the_image_by_colour(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run)
    explorer.several = True
    explorer.clear()
    assert heat_of(explorer).max() == 0
    for x in (5.0, 40.0, 60.0):
        tap(explorer, x, 20.0)
    assert len(explorer.seeds) == 3
    rows = explorer.probe.over_image(explorer.seeds)
    np.testing.assert_array_equal(heat_of(explorer), rows.max(axis=0))
    colours = explorer.pictures["affinity"][()].get(1)
    assert len(colours.vdims) == 4
    tap(explorer, 41.0, 21.0)  # on the second one
    assert explorer.seeds == [(20, 5), (20, 60)]


def test_w_and_m_differ_and_the_annotator_orders_the_blocks(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run, cells=50)
    of_m = heat_of(explorer)
    explorer.kind = "W"
    assert not np.array_equal(of_m, heat_of(explorer))
    lines = []
    for annotator in (0, 1):
        explorer.annotator = annotator
        lines.append(len(explorer.pictures["blocks"][()].get(1).split()))
    assert lines == [2, 4]  # a line each way between two segments, two between three
    explorer.annotator = NOBODY
    assert explorer.pictures["image"][()].get(1).dimension_values("A").max() == 0


def test_scrubbing_goes_to_another_snapshot_and_keeps_the_seeds(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run)
    explorer.seeds = [(3, 4)]
    latest = heat_of(explorer)
    explorer.step = 0
    assert explorer.seeds == [(3, 4)]
    assert not np.array_equal(latest, heat_of(explorer))
    assert list(explorer.options("step").values()) == [0, 2, 4]


def test_a_running_training_is_followed(started_run: Run, snapshot: Snapshot) -> None:
    explorer = AffinityExplorer(started_run)
    assert "none yet" in explorer.message
    started_run.snapshot(0, "watched", snapshot.to_arrays())
    explorer.refresh()
    assert (explorer.message, explorer.step, explorer.scene) == ("", 0, "watched")
    started_run.snapshot(7, "watched", snapshot.to_arrays())
    explorer.refresh()
    assert explorer.step == 0
    explorer.follow = True
    explorer.refresh()
    assert explorer.step == 7


def test_a_run_without_snapshots_says_so(started_run: Run, drawn: Draw) -> None:
    explorer = AffinityExplorer(started_run)
    assert "expected snapshots of scenes" in explorer.message
    for picture in explorer.pictures.values():
        assert picture[()].label == "nothing to see"
        drawn(picture)
    tap(explorer, 3.0, 3.0)
    assert explorer.seeds == []


@pytest.mark.parametrize("damage", ["truncated", "gone", "foreign"])
def test_a_damaged_snapshot_is_a_message_and_the_next_one_is_fine(
    trained_run: Run, drawn: Draw, damage: str
) -> None:
    file = trained_run.path / "snapshots" / "00000002" / "watched.safetensors"
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    elif damage == "gone":
        file.unlink()
    else:
        trained_run.snapshot(2, "watched", {"something": np.ones(3)})
    explorer = AffinityExplorer(trained_run)
    for picture in explorer.pictures.values():
        drawn(picture)
    explorer.step = 2
    assert explorer.message.startswith("expected a snapshot")
    assert explorer.pictures["affinity"][()].label == "nothing to see"
    explorer.step = 4
    assert explorer.message == ""
    assert heat_of(explorer).max() > 0


def test_features_that_have_diverged_are_a_message(run_of, snapshot: Snapshot) -> None:
    maps = snapshot.maps.copy()
    maps[0, 0, 0] = np.nan
    explorer = AffinityExplorer(run_of(replace(snapshot, maps=maps)))
    assert "NaN or Inf" in explorer.message


def test_a_dead_network_is_dark(run_of, dead_snapshot: Snapshot, drawn: Draw) -> None:
    explorer = AffinityExplorer(run_of(dead_snapshot))
    assert explorer.message == ""
    assert "All features are zero" in explorer.readout
    for picture in explorer.pictures.values():
        drawn(picture)
    assert not heat_of(explorer).any()


def test_one_segment_and_a_grey_image(run_of, snapshot: Snapshot, drawn: Draw) -> None:
    grey = replace(
        snapshot,
        image=np.full_like(snapshot.image, 128),
        truths=np.ones_like(snapshot.truths),
    )
    explorer = AffinityExplorer(run_of(grey))
    for picture in explorer.pictures.values():
        drawn(picture)
    assert explorer.message == ""


def test_hover_answers_the_latest_position_only(trained_run: Run, run_simulated) -> None:
    explorer = AffinityExplorer(trained_run)
    explorer.hover = True
    seen: list[Any] = []
    explorer.observe(lambda change: seen.append(change["new"]), "seeds")

    async def move() -> None:
        for x in range(30):
            explorer._on_pointer(x=float(x), y=11.0)
        await asyncio.sleep(0.3)

    run_simulated(move())
    assert seen == [[(11, 29)]]
