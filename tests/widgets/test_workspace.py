"""The workspace: each panel answers the state, and a click in each changes the state."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bokeh.events import Tap

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.widgets.workspace import State, Workspace
from workbench.widgets.workspace.state import EIGENVECTOR, NUMBER, SEGMENTS


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
