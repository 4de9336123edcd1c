"""The workspace: each panel answers the state, and a click in each changes the state."""

import base64
import dataclasses
import io
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import panel as pn
import pytest
from bokeh.events import Tap
from PIL import Image

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.runs.geometry import DIMENSION, FIGURES, WIDTH
from workbench.widgets.workspace import Compare, GeometryPage, State, Workspace
from workbench.widgets.workspace.curves import SEEDS_ONLY
from workbench.widgets.workspace.keys import HELP
from workbench.widgets.workspace.share import curves_picture, picture, spectra
from workbench.widgets.workspace.state import (
    AFFINITY,
    BLOCKS,
    EIGENVECTOR,
    ERROR,
    GEOMETRY,
    IMAGES,
    NOBODY,
    NUMBER,
    PHOTOGRAPH,
    SEGMENTS,
)


@pytest.fixture
def two_scenes(trained_run: Run, snapshot: Snapshot) -> Run:
    worse = dataclasses.replace(snapshot, coverings=snapshot.coverings / 2)
    trained_run.snapshot(4, "another", worse.to_arrays())
    return trained_run


@pytest.fixture
def space(trained_run: Run) -> Workspace:
    return Workspace(trained_run)


def tap(figure: object, x: float, y: float = 0.0) -> None:
    """Click a bokeh figure at a point of its axes."""
    figure._trigger_event(Tap(figure, x=x, y=y))


def test_it_begins_with_the_latest_step_of_the_first_image(
    space: Workspace, trained_run: Run
) -> None:
    scene = trained_run.snapshot_names()[0]
    assert (space.state.image, space.state.step) == (scene, trained_run.snapshots(scene)[-1])
    assert space.view is not None
    assert not space.message
    assert space.canvases[0].figure.title.text.startswith(
        f"scene {scene}, step {trained_run.step}: row of M"
    )


def test_a_click_on_the_picture_answers_in_all_panels(space: Workspace) -> None:
    assert space.view is not None
    before = space.canvases[0]._layers["map"].data["image"][0]
    tap(space.canvases[0].figure, 5.2, 9.8)
    assert space.state.pixels == [[10, 5]]
    shown = space.canvases[0]._layers["map"].data["image"][0]
    expected = space.view.probe.over_image([(10, 5)])[0]
    assert np.allclose(shown, expected)
    assert not np.allclose(shown, before)
    assert space.vectors._seeds.data == {"x": [5], "y": [10]}
    assert space.canvases[0]._mapper.high == pytest.approx(float(np.quantile(expected, 0.99)))
    tap(space.canvases[0].figure, -40, 3)
    assert space.state.pixels == [[10, 5]], "outside of the image nothing changes"
    space.state.several = True
    tap(space.canvases[0].figure, 40, 30)
    assert space.state.pixels == [[10, 5], [30, 40]]
    assert len(space.canvases[0]._layers["map"].data["image"]) == 0, "colours of several, no scale"
    tap(space.canvases[0].figure, 41, 30)
    assert space.state.pixels == [[10, 5]], "a click on a seed takes it away"


def test_an_eigenvector_is_chosen_in_the_spectrum_or_among_the_pictures(space: Workspace) -> None:
    tap(space.spectrum.figure, 3.3)
    assert (space.state.overlay, space.state.eigenvector) == (EIGENVECTOR, 3)
    assert space.view is not None
    shown = space.canvases[0]._layers["map"].data["image"][0]
    assert np.allclose(shown, space.view.eigenvector(3))
    assert space.canvases[0]._mapper.low == -space.canvases[0]._mapper.high
    assert list(space.spectrum._chosen.data["number"]) == [3]
    assert "eigenvector 3 at" in space._figures.text
    tap(space.vectors.figures[0], 1)
    assert space.state.eigenvector == 2


def test_scrubbing_the_timeline_moves_all(space: Workspace, trained_run: Run) -> None:
    steps = trained_run.snapshots(space.state.image)
    assert len(steps) > 1
    values = space.spectrum._now.data["value"].copy()
    tap(space.timeline.figure, steps[0] + 0.2)
    assert space.state.step == steps[0]
    assert space.timeline._now.location == steps[0]
    assert f"step {steps[0]}" in space.canvases[0].figure.title.text
    assert not np.allclose(space.spectrum._now.data["value"], values)


def test_segments_follow_their_number_and_are_scored(space: Workspace) -> None:
    space.state.param.update(overlay=SEGMENTS, k=4)
    assert space.view is not None
    labels = space.view.cut(space.state)
    assert space.canvases[0].figure.title.text.endswith(f"{labels.max()} segments")
    assert "best, average covering" in space._figures.text
    space.state.cut = NUMBER
    space.state.k = 3
    assert space.canvases[0].figure.title.text.endswith("3 segments")
    assert space.controls._seed.visible is False


def test_two_runs_stand_side_by_side_at_one_pixel(trained_run: Run) -> None:
    space = Workspace([trained_run, trained_run])
    assert space.views[1] is not None
    assert len(space._pictures[0]) == 2
    tap(space.canvases[1].figure, 12, 20)
    for canvas in space.canvases[:2]:
        assert (canvas._seeds.data["x"], canvas._seeds.data["y"]) == ([12], [20])
    assert space.canvases[1].figure.x_range is space.canvases[0].figure.x_range
    assert len(space.spectrum._beside.data["values"])


def test_a_state_opens_the_same_view_again(space: Workspace, trained_run: Run) -> None:
    space.state.param.update(overlay=EIGENVECTOR, eigenvector=4, pixels=[[7, 8]], opacity=0.5)
    kept = {name: getattr(space.state, name) for name in State.ADDRESS}
    again = Workspace(trained_run, state=State(**kept))
    assert {name: getattr(again.state, name) for name in State.ADDRESS} == kept
    assert again.canvases[0].figure.title.text == space.canvases[0].figure.title.text
    lost = Workspace(trained_run, state=State(image="no such scene", step=999, pixels=[[9999, 0]]))
    assert lost.view is not None, "what is not there gives way to what is"
    assert "has no scene no such scene" in lost.message
    lost.state.image = "<b>gone</b>"
    assert f"has no scene <b>gone</b>; {lost.state.image} is shown" in lost.message
    assert "&lt;b&gt;gone" in lost._note.text
    assert lost.state.image in trained_run.snapshot_names()


def test_an_address_holds_the_state_and_refuses_what_is_none() -> None:
    state = State(
        runs=["a b/1", "c"], image="1002", step=0, pixels=[[3, 4]], opacity=0.5, logarithmic=True
    )
    again = State(**State.read(f"?{state.query()}&other=1"))
    assert again.query() == state.query()
    assert (again.image, again.step, again.pixels) == ("1002", 0, [[3, 4]])
    assert State().query() == ""
    for query in ("k=99", "k=many", "overlay=none", "pixels=7"):
        with pytest.raises(WorkbenchError, match=f"{query.partition('=')[0]} in the address"):
            State.read(query)


def test_a_run_that_grows_is_followed_until_another_step_is_chosen(
    tmp_path: Path, snapshot: Snapshot
) -> None:
    run = Run.create(tmp_path / "run", {})
    space = Workspace(run)
    assert "none yet" in space.message
    for step in (1, 2):
        run.log(step, loss=1.0)
        run.snapshot(step, "a", snapshot.to_arrays())
        space.refresh()
        assert (space.message, space.state.step) == ("", step)
    space.state.step = 1
    run.snapshot(3, "a", snapshot.to_arrays())
    space.refresh()
    assert space.state.step == 1
    assert space.timeline._ticks.data["step"][:3] == [1, 2, 3]


def test_a_closed_workspace_answers_no_more(trained_run: Run) -> None:
    state = State()
    space, events = Workspace(trained_run, state=state), SimpleNamespace(count=0)
    space.close()
    before = space.canvases[0].figure.title.text
    state.param.watch(lambda *_: setattr(events, "count", events.count + 1), "overlay")
    state.overlay = SEGMENTS
    assert events.count == 1
    assert space.canvases[0].figure.title.text == before


def test_pinned_steps_stand_beside_the_present_one(space: Workspace, trained_run: Run) -> None:
    first, *_, last = trained_run.snapshots(space.state.image)
    space.keys.press("c")
    assert space.state.pins == [last]
    assert len(space.views) == 1, "the same step is not shown twice"
    space.keys.press("ArrowLeft")
    assert space.state.step < last
    space.state.step = first
    assert [view.step for view in space.views] == [first, last]
    assert f"step {last}" in space.canvases[1].figure.title.text
    space.state.step = last
    space.keys.press("c")
    assert space.state.pins == []


def test_keys_do_what_their_list_says(two_scenes: Run) -> None:
    space = Workspace(two_scenes)
    images, state = two_scenes.snapshot_names(), space.state
    state.image = images[-1]
    for key, name, value in (
        ("s", "overlay", SEGMENTS), ("a", "overlay", AFFINITY), ("r", "overlay", ERROR),
        ("p", "overlay", PHOTOGRAPH), ("4", "eigenvector", 4), ("ArrowUp", "image", images[-2]),
        ("ArrowDown", "image", images[-1]), ("ArrowDown", "image", images[-1]),
    ):  # fmt: skip
        space.keys._sent.data = {"kind": ["key"], "name": [key], "value": [""], "number": [1]}
        assert getattr(state, name) == value, key
    space.keys.press("?")
    assert space._help.visible
    assert all(key in space._help.text for key in HELP)


def test_steps_are_played_to_the_last(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    timer = SimpleNamespace(stop=lambda: None)
    monkeypatch.setattr(pn.state, "add_periodic_callback", lambda *_: timer)
    seen = [space.state.step]
    space.keys.press(" ")
    while space.state.playing:
        seen.append(space.state.step)
        space._advance()
    assert seen == [space._steps[-1], *space._steps]


def test_the_error_is_what_the_covering_leaves(space: Workspace) -> None:
    space.state.param.update(overlay=ERROR, cut=NUMBER, k=3, annotator=1)
    assert space.view is not None
    labels = space.view.cut(space.state)
    covering = space.view.coverings(labels)[1]
    drawn = space.canvases[0].drawn
    assert drawn is not None
    assert drawn.values is not None
    assert 1 - drawn.values.mean() == pytest.approx(covering)
    space.state.annotator = NOBODY
    assert "choose an annotator" in space.canvases[0].figure.title.text


def test_a_row_of_the_block_matrix_is_a_pixel(space: Workspace) -> None:
    space.state.chart = BLOCKS
    assert space.view is not None
    found = space.blocks._blocks
    assert found is not None
    labels = space.view.probe.labels(space.view.truth(space.state.annotator))[found.cells]
    changes = np.flatnonzero(np.diff(labels))
    assert len(changes) == len(np.unique(labels)) - 1, "cells of one segment lie together"
    assert np.allclose(changes + 0.5, space.blocks._lines.data["at"])
    for row in (0, len(found.cells) - 1):
        tap(space.blocks.figure, 3, row)
        assert space.blocks._rows[0].location == row
        (y, x) = space.state.pixels[0]
        assert space.view.probe.cell((y, x)) == found.cells[row]


def test_images_are_a_table_with_their_scores(two_scenes: Run) -> None:
    space = Workspace(two_scenes)
    space.state.chart = IMAGES
    table = space.images.widget.value
    assert set(table["image"]) >= set(two_scenes.snapshot_names())
    scores = table["average"].dropna().tolist()
    assert scores, "the fixture's snapshots are scored"
    assert scores == sorted(scores)
    assert all(each.startswith("<img") for each in table["picture"][:2])
    other = next(i for i, name in enumerate(table["image"]) if name != space.state.image)
    space.images.choose(other)
    assert space.state.image == table["image"][other]


def test_pictures_tables_and_lines_of_python_leave_the_page(
    space: Workspace, trained_run: Run
) -> None:
    space.state.param.update(overlay=EIGENVECTOR, eigenvector=3)
    shown = space.shown()
    assert picture(space.state, shown, "png").startswith(b"\x89PNG")
    svg = ElementTree.fromstring(picture(space.state, shown, "svg"))
    assert svg.tag.endswith("svg")
    assert space.view is not None
    values = spectra(shown)
    assert np.allclose(values.iloc[:, 0].dropna(), space.view.spectrum.eigenvalues)
    space.share.toggle()
    code = space.share._code.text
    namespace: dict[str, Workspace] = {}
    exec(code.replace("workbench.explore(", "again = workbench.explore("), namespace)
    again = namespace["again"].page.explorers["Workspace"]
    assert again.canvases[0].figure.title.text == space.canvases[0].figure.title.text
    assert again.state.pixels == space.state.pixels


def test_a_photograph_is_segmented_or_refused_by_a_sentence(
    space: Workspace, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    before = space.state.image
    photo = io.BytesIO()
    Image.fromarray(snapshot.image).save(photo, "PNG")
    space.open_photo("mine.png", photo.getvalue())
    assert "a run with a trained segmentation network" in space.message
    monkeypatch.setattr("workbench.widgets.workspace.photos.can_segment", lambda _: True)
    space.open_photo("mine.txt", b"no picture")
    assert "mine.txt" in space.message
    large = {"kind": ["large"], "name": ["big.jpg"], "value": ["99999999"], "number": [1]}
    space.keys._sent.data = large
    assert "big.jpg, 99999999 bytes" in space.message
    assert space.state.image == before
    predicted = SimpleNamespace(prediction=lambda _: snapshot.prediction)
    monkeypatch.setattr("workbench.widgets.workspace.photos._segmenter", lambda _: predicted)
    content = base64.b64encode(photo.getvalue()).decode()
    dropped = {"kind": ["file"], "name": ["mine.png"], "value": [content], "number": [2]}
    space.keys._sent.data = dropped
    assert (space.state.image, space.state.overlay, space.message) == ("mine.png", SEGMENTS, "")
    assert np.array_equal(space.view.snapshot.image, snapshot.image)


def test_curves_are_grouped_smoothed_and_placed(tmp_path: Path) -> None:
    runs = []
    for seed in (0, 1):
        for rate in (0.1, 0.2):
            run = Run.create(
                tmp_path / f"{rate}-{seed}", {"training": {"rate": rate}, "seed": seed}
            )
            run.append("plan", 0, steps=20, steps_per_pass=10)
            for step in range(1, 21):
                run.log(step, loss=rate * step + seed)
            runs.append(run)
    shown = Compare(runs, State(axis="pass"))
    assert [curve.name for curve in shown.charts["loss"].curves] == [run.path.name for run in runs]
    assert shown.charts["loss"].curves[0].values.index[-1] == 2.0
    assert set(shown.differences.index) == {"training.rate", "seed"}
    shown.state.group = "training.rate"
    first, second = shown.charts["loss"].curves
    assert first.name == "training.rate = 0.1 (2 runs)"
    assert np.allclose(first.values, 0.1 * np.arange(1, 21) + 0.5)
    assert np.allclose(second.low, 0.2 * np.arange(1, 21))
    assert np.allclose(second.high, 0.2 * np.arange(1, 21) + 1)
    table = shown.table()
    assert set(table["run"]) == {"training.rate = 0.1 (2 runs)", "training.rate = 0.2 (2 runs)"}
    assert np.allclose(table["high"] - table["low"], 1)
    assert ElementTree.fromstring(curves_picture(shown.charts, "svg")).tag.endswith("svg")
    shown.state.group = SEEDS_ONLY
    assert [len(c.values) for c in shown.charts["loss"].curves] == [20, 20]
    shown.state.param.update(group="", smooth=0.5, logarithmic=True)
    assert shown.charts["loss"].curves[0].values.iloc[0] > 0.1
    assert shown.charts["loss"].figure.y_scale.__class__.__name__ == "LogScale"


def _record_geometry(run: Run, layers: tuple[str, ...] = ("head.1", "<b>head")) -> None:
    for step in (0, 2, 4):
        values = {
            f"{layer} {figure}": 2.0 + step + number / 10
            for layer in layers
            for number, figure in enumerate(FIGURES)
        }
        run.log(step, **values, **{"geometry samples": 26.0, "geometry seconds": 0.1})


def test_geometry_of_layers_is_drawn_over_the_steps_and_scrubs(trained_run: Run) -> None:
    empty = Workspace(trained_run, State(chart=GEOMETRY))
    assert "--geometry head.1" in empty.geometry.legend.text
    assert not empty.geometry.figures[0].visible
    _record_geometry(trained_run)
    space = Workspace([trained_run, trained_run], State(chart=GEOMETRY))
    chart = space.geometry
    assert space._charts[GEOMETRY].visible
    assert "&lt;b&gt;head" in chart.legend.text
    assert "dashed: run" in chart.legend.text
    lines = chart._sources[DIMENSION]["lines"].data
    assert lines["name"] == ["head.1", "<b>head"]
    assert lines["xs"][0].tolist() == [0, 2, 4]
    assert lines["ys"][0].tolist() == pytest.approx([2.2, 4.2, 6.2])
    assert chart._sources[DIMENSION]["beside"].data["name"] == ["head.1, run", "<b>head, run"]
    assert chart._marks[0].location == trained_run.step == 4
    tap(chart.figures[1], 1.6)
    assert space.state.step == 2
    assert chart._marks[2].location == 2
    assert "measured at step 2, 26 samples" in chart.table.text
    assert "step 2" in space.canvases[0].figure.title.text


def test_geometry_has_a_page_of_its_own_where_there_are_no_pictures(started_run: Run) -> None:
    _record_geometry(started_run)
    started_run.log(6, **{f"head.1 {name}": 0.0 for name in FIGURES})
    page = GeometryPage([started_run])
    assert "all samples have the same features at layer head.1" in page._alarms.text
    tap(page.chart.figures[0], 5.9)
    assert page.state.step == 6
    assert "measured at step 6" in page.chart.table.text
    assert 6.0 not in page.chart._sources[WIDTH]["lines"].data["xs"][0], "no logarithm of 0"
    page.close()
    page.state.step = 2
    assert page.chart._marks[0].location == 6
