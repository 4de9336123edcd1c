"""The monitor of the app: what it says of a run, and what it orders."""

import numpy as np
import panel as pn

from workbench.runs import Run
from workbench.runs.control import Inbox
from workbench.widgets.explorers.training import TrainingExplorer


def test_it_says_how_a_run_stands(started_run: Run) -> None:
    explorer = TrainingExplorer(started_run)
    assert "measurements" in explorer.message
    started_run.log(1, loss=2.0, learning_rate=0.5)
    explorer.refresh()
    assert explorer.readout.startswith("running: step 1, learning rate 5.00e-01")
    assert explorer.pictures["upper"][()].label == "loss"
    started_run.log(2, loss=1.0, gradient_norm=float("nan"))
    explorer.refresh()
    assert "⚠ step 2: the gradient is no finite number" in explorer.readout
    started_run.append("failed", 2, error="the disk is full")
    explorer.refresh()
    assert "failed" in explorer.readout
    assert "the disk is full" in explorer.readout


def test_orders_reach_the_training_through_its_folder(started_run: Run) -> None:
    started_run.log(1, loss=2.0)
    explorer = TrainingExplorer(started_run)
    inbox = Inbox(started_run)
    layout = explorer.panel()
    buttons = {button.label: button for button in layout.select(pn.widgets.Button)}
    assert (buttons["Pause"].visible, buttons["Resume"].visible) == (True, False)
    for label in ("Pause", "Resume", "Save a checkpoint", "Stop"):
        buttons[label].clicks += 1
    explorer.percent = 50
    explorer.set_rate()
    taken = inbox.take()
    assert [command.name for command in taken] == ["pause", "resume", "save", "stop", "rate"]
    np.testing.assert_allclose(taken[-1].value, 0.5)
    assert explorer.message == ""


def test_a_run_that_is_over_takes_no_orders(trained_run: Run) -> None:
    explorer = TrainingExplorer(trained_run)
    explorer.stop()
    assert explorer.message.startswith("expected")
    assert "finished" in explorer.readout
    controls = {each.label: each for each in explorer.panel().select(pn.widgets.Widget)}
    seen = {label for label, widget in controls.items() if widget.visible}
    assert {"Metric", "Refresh"} <= seen, "refresh stays where there is a message"
    assert not seen & {"Pause", "Resume", "Stop", "Save a checkpoint", "Learning rate, %", "Set"}
