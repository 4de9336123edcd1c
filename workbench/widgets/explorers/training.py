"""A training in an app: its curves, how it stands, what is wrong with it, and orders to it.

The same as `monitor.watch` shows in a notebook, as an explorer: what a hand does goes through the
run folder, wherever the training is, and `refresh` takes in what became of it.
"""

from typing import ClassVar

from traitlets import Int

from workbench.runs import Control as Hand
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
    """Curves of a run, and a hand on its training.

    Attributes:
        percent: of the schedule's learning rate that `set_rate` asks for.
    """

    percent = Int(100)

    controls: ClassVar[tuple[Control, ...]] = (
        Choice("upper", "measured"),
        Choice("lower", "and"),
        Action("refresh", "refresh"),
        Action("pause", "pause"),
        Action("go_on", "go on"),
        Action("stop", "stop"),
        Action("save", "save a checkpoint"),
        Number("percent", "learning rate, %"),
        Action("set_rate", "set"),
    )

    def bounds(self, name: str) -> Bounds:
        """From a fiftieth of the schedule's learning rate to four times it."""
        return (2, 400, 2) if name == "percent" else super().bounds(name)

    def pause(self) -> None:
        """Have the training wait after its present step."""
        with self._errors_as_message():
            Hand(self.run).pause()

    def go_on(self) -> None:
        """Have it go on after a pause."""
        with self._errors_as_message():
            Hand(self.run).resume()

    def stop(self) -> None:
        """Have it end after its present step, with a checkpoint."""
        with self._errors_as_message():
            Hand(self.run).stop()

    def save(self) -> None:
        """Have it write a checkpoint now."""
        with self._errors_as_message():
            Hand(self.run).save()

    def set_rate(self) -> None:
        """Have the learning rate be `percent` of the schedule's."""
        with self._errors_as_message():
            Hand(self.run).rate(self.percent / 100)

    def _figures(self) -> str:
        """How it stands, the last answer to an order, alarms; then what was measured last."""
        stand = progress(self.run)
        facts = ", ".join(f"{label} {value}" for label, value in facts_of(stand))
        lines = [f"{status_of(stand)}: {facts}", ending_text(stand)]
        answer = self.run.latest(ANSWER)
        lines += [] if answer is None else [answer_text(answer)]
        lines += [f"⚠ {alarm}" for alarm in alarms(self.metrics)]
        return "\n".join([line for line in lines if line] + [super()._figures()])
