"""The bar of a training: what it says of a run, and what it orders."""

import numpy as np
import panel as pn

from workbench.runs import Run
from workbench.runs.control import Inbox
from workbench.widgets.workspace import Compare


def test_it_says_how_a_run_stands(started_run: Run) -> None:
    shown = Compare([started_run])
    assert "No measurements yet" in shown._note.text
    started_run.log(1, loss=2.0, learning_rate=0.5)
    shown.refresh()
    assert shown.bar.text.startswith("Running: step 1, learning rate 5.00e-01")
    assert list(shown.charts) == ["loss", "learning_rate"]
    started_run.log(2, loss=1.0, gradient_norm=float("nan"))
    shown.refresh()
    assert "⚠ step 2: the gradient is no finite number" in shown.bar.text
    started_run.append("failed", 2, error="the disk is <full>")
    shown.refresh()
    assert shown.bar.text.startswith("Failed")
    assert "the disk is &lt;full&gt;" in shown.bar._words.text


def test_orders_reach_the_training_through_its_folder(started_run: Run) -> None:
    started_run.log(1, loss=2.0)
    shown = Compare([started_run])
    inbox = Inbox(started_run)
    buttons = {button.label: button for button in shown.panel().select(pn.widgets.Button)}
    shown.bar._factor.value = 0.5
    for label in ("Pause", "Resume", "Save checkpoint", "Stop", "Set"):
        buttons[label].clicks += 1
    taken = inbox.take()
    assert [command.name for command in taken] == ["pause", "resume", "save", "stop", "rate"]
    np.testing.assert_allclose(taken[-1].value, 0.5)
    assert shown.bar.error == ""
    shown.bar._factor.value = 0
    buttons["Set"].clicks += 1
    assert "a positive factor" in shown.bar.error


def test_a_run_that_is_over_takes_no_orders(trained_run: Run) -> None:
    shown = Compare([trained_run])
    assert not shown.bar._buttons.visible
    assert shown.bar.text.startswith("Finished")
