"""The same explorer in a notebook and in an app: controls set traits, traits move controls."""

from collections.abc import Callable
from typing import Any

import ipywidgets
import panel as pn
import pytest
from jupyter_bokeh import BokehModel

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.widgets import (
    AffinityExplorer,
    CurveExplorer,
    SegmentationExplorer,
    SpectrumExplorer,
)
from workbench.widgets.shells import jupyter_shell
from workbench.widgets.shells.explorer import Explorer
from workbench.widgets.shells.jupyter_shell import controls_of

MAKERS: list[Callable[[Run], Explorer]] = [
    AffinityExplorer,
    CurveExplorer,
    SegmentationExplorer,
    SpectrumExplorer,
]


def widgets_of(explorer: Explorer) -> dict[str, Any]:
    """Those of ipywidgets, by the words beside them."""
    (box, _) = controls_of(explorer).children
    found: dict[str, Any] = {}
    for widget in box.children:
        if isinstance(widget, ipywidgets.HBox):  # a player: button and slider
            widget = widget.children[1]
        found[widget.description] = widget
    return found


@pytest.mark.parametrize("make", MAKERS)
def test_every_explorer_becomes_a_panel_and_a_notebook_cell(
    make: Callable[[Run], Explorer], trained_run: Run, evaluate
) -> None:
    evaluate(trained_run, ("untrained", "trained"))
    explorer = make(trained_run)
    assert len(widgets_of(explorer)) == len(explorer.offered_controls())
    layout = explorer.panel()
    layout.get_root()
    assert len(layout.select(pn.pane.HoloViews)) == len(explorer.pictures)


@pytest.mark.parametrize("make", MAKERS)
def test_an_empty_run_is_a_message_in_both(
    make: Callable[[Run], Explorer], started_run: Run
) -> None:
    explorer = make(started_run)
    assert explorer.message
    _, message = controls_of(explorer).children
    assert explorer.message[:20] in message.value
    (alert,) = explorer.panel().select(pn.pane.Alert)
    assert alert.visible


@pytest.mark.parametrize("make", [AffinityExplorer, SegmentationExplorer, SpectrumExplorer])
def test_a_snapshot_without_its_spectrum_is_a_message(
    make: Callable[[Run], Explorer], started_run: Run, snapshot: Snapshot
) -> None:
    arrays = snapshot.to_arrays()
    started_run.snapshot(1, "watched", {name: arrays[name] for name in ("image", "maps", "grid")})
    assert "with truths, eigenvalues, eigenvectors" in make(started_run).message


def test_a_refreshed_page_gets_the_pictures_as_they_are(
    started_run: Run, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(jupyter_shell, "display", shown.append)
    monkeypatch.setattr(jupyter_shell, "load_plots", lambda: None)
    explorer = AffinityExplorer(started_run)
    explorer._ipython_display_()
    (box,) = shown
    plots = next(each for each in box.children if isinstance(each, BokehModel))
    assert "nothing to see" in str(plots.get_state())
    started_run.snapshot(1, "watched", snapshot.to_arrays())
    explorer.refresh()
    assert "nothing to see" not in str(plots.get_state())
    assert "scene watched, step 1" in str(plots.get_state())


def test_notebook_controls_and_traits_hold_the_same(trained_run: Run) -> None:
    explorer = AffinityExplorer(trained_run)
    widgets = widgets_of(explorer)
    widgets["Step"].value = 0
    assert explorer.step == 0
    explorer.step = 2
    assert widgets["Step"].value == 2
    widgets["Row of"].value = "W"
    assert explorer.kind == "W"
    widgets["Several pixels"].value = True
    assert explorer.several
    widgets["Clear pixels"].click()
    assert explorer.seeds == []
    trained_run.snapshot(9, "watched", explorer.snapshot.to_arrays())
    explorer.refresh()
    assert [value for _, value in widgets["Step"].options] == [0, 2, 4, 9]
    assert explorer.step == 2


def test_panel_controls_and_traits_hold_the_same(trained_run: Run) -> None:
    explorer = SegmentationExplorer(trained_run)
    layout = explorer.panel()
    by_name = {widget.label.split(":")[0]: widget for widget in layout.select(pn.widgets.Widget)}
    by_name["Segments"].value = 3
    assert explorer.segments == 3
    explorer.segments = 5
    assert by_name["Segments"].value == 5
    by_name["Step"].value = 0
    assert explorer.step == 0
    assert by_name["Step"].label == "Step: 0"
    explorer.step = 4
    assert by_name["Step"].value == 4
    assert by_name["Step"].label == "Step: 4"
