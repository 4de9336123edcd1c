"""State of a training in words, with its alarms, and commands to it while it runs."""

from collections.abc import Callable
from html import escape
from typing import Any

import panel as pn
from bokeh.models.widgets import Div

from pipelines.errors import UserError
from workbench.runs import Control, Run, Status
from workbench.runs.control import ANSWER
from workbench.runs.progress import progress
from workbench.widgets.monitor.words import answer_text, ending_text, facts_of, status_of

_ALARM = "#c62828"


class TrainingBar:
    """Line about a training, and buttons that go through the run folder, wherever it runs.

    Args:
        run: run of the training.

    Attributes:
        text: what is said.
        error: reason why the last command was refused; empty without one.
        layout: line and buttons; the buttons are there while the training runs.
    """

    def __init__(self, run: Run) -> None:
        self._run, self._control = run, Control(run)
        self.text = self.error = ""
        self._words = Div(sizing_mode="stretch_width")
        control = self._control
        self._pause = self._button("Pause", control.pause)
        self._resume = self._button("Resume", control.resume)
        self._factor = pn.widgets.FloatInput(
            label="Learning rate × schedule", value=1.0, start=0.01, step=0.1, width=160
        )
        self._buttons = pn.FlexBox(
            self._pause, self._resume, self._button("Stop", control.stop),
            self._button("Save checkpoint", control.save), self._factor,
            self._button("Set", lambda: control.rate(float(self._factor.value or 0))),
            align_items="end",
        )  # fmt: skip
        words = pn.pane.Bokeh(self._words, sizing_mode="stretch_width")
        self.layout = pn.Column(words, self._buttons, sizing_mode="stretch_width")

    def refresh(self, alarms: list[str]) -> None:
        """Read the state of the training.

        Args:
            alarms: sentences about its measurements.
        """
        now = progress(self._run)
        self._buttons.visible = now.status is Status.RUNNING
        self._pause.visible, self._resume.visible = not now.paused, now.paused
        answer = self._run.latest(ANSWER)
        facts = ", ".join(f"{label} {value}" for label, value in facts_of(now))
        said = [f"{status_of(now).capitalize()}: {facts}", ending_text(now)]
        said += [] if answer is None else [answer_text(answer)]
        self.text = "\n".join([each for each in said if each] + [f"⚠ {each}" for each in alarms])
        self._write()

    def _write(self) -> None:
        lines = [escape(line) for line in self.text.splitlines()]
        red = f'<span style="color:{_ALARM}">'
        lines = [f"{red}{line}</span>" if line.startswith("⚠") else line for line in lines]
        if self.error:
            lines.append(f"{red}{escape(self.error)}</span>")
        self._words.text = f'<div style="margin:2px 8px">{"<br>".join(lines)}</div>'

    def _button(self, label: str, command: Callable[[], Any]) -> pn.widgets.Button:
        def give(_: object) -> None:
            try:
                command()
                self.error = ""
            except UserError as error:
                self.error = str(error)
            self._write()

        button = pn.widgets.Button(label=label, align="end")
        button.on_click(give)
        return button
