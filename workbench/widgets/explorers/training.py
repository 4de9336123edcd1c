"""Explorer of a training for the app: curves, status, alarms and commands.

The content is that of `monitor.watch` in a notebook. Commands go through the run folder, wherever
the training runs, and `refresh` reads their answers.
"""

from typing import ClassVar

from traitlets import Int

from workbench.runs import Control as TrainingControl
from workbench.runs import Status
from workbench.runs.alarms import alarms
from workbench.runs.control import ANSWER
from workbench.runs.progress import progress
from workbench.widgets.explorers.curves import CurveExplorer
from workbench.widgets.monitor.words import (
    answer_text,
    ending_text,
    facts_of,
    status_of,
)
from workbench.widgets.shells.controls import Action, Bounds, Choice, Control, Number


class TrainingExplorer(CurveExplorer):
    """Explorer of a run's curves with commands to its training.

    Attributes:
        percent: percentage of the schedule's learning rate that `set_rate` asks for.
    """

    percent = Int(100)

    controls: ClassVar[tuple[Control, ...]] = (
        Choice("upper", "Metric"),
        Choice("lower", "Second metric"),
        Action("refresh", "Refresh"),
        Action("pause", "Pause"),
        Action("resume", "Resume"),
        Action("stop", "Stop"),
        Action("save", "Save a checkpoint"),
        Number("percent", "Learning rate, %"),
        Action("set_rate", "Set"),
    )

    def can_act(self, control: Control) -> bool:
        """Whether a control can act: a training that has ended takes no commands."""
        if control.name in ("upper", "lower", "refresh"):
            return super().can_act(control)
        stand = progress(self.run)
        unwanted = "pause" if stand.paused else "resume"
        return stand.status is Status.RUNNING and control.name != unwanted

    def bounds(self, name: str) -> Bounds:
        """Bounds of the learning rate: from 2 % to 400 % of the schedule's."""
        return (2, 400, 2) if name == "percent" else super().bounds(name)

    def pause(self) -> None:
        """Pause the training after its present step."""
        with self._errors_as_message():
            TrainingControl(self.run).pause()

    def resume(self) -> None:
        """Resume the training after a pause."""
        with self._errors_as_message():
            TrainingControl(self.run).resume()

    def stop(self) -> None:
        """Stop the training after its present step, with a checkpoint."""
        with self._errors_as_message():
            TrainingControl(self.run).stop()

    def save(self) -> None:
        """Write a checkpoint of the training now."""
        with self._errors_as_message():
            TrainingControl(self.run).save()

    def set_rate(self) -> None:
        """Set the learning rate to `percent` of the schedule's."""
        with self._errors_as_message():
            TrainingControl(self.run).rate(self.percent / 100)

    def _figures(self) -> str:
        """Status, last answer to a command, alarms, and the last measurements, as lines."""
        stand = progress(self.run)
        facts = ", ".join(f"{label} {value}" for label, value in facts_of(stand))
        lines = [f"{status_of(stand)}: {facts}", ending_text(stand)]
        answer = self.run.latest(ANSWER)
        lines += [] if answer is None else [answer_text(answer)]
        lines += [f"⚠ {alarm}" for alarm in alarms(self.metrics)]
        return "\n".join([line for line in lines if line] + [super()._figures()])
