"""Commands to a running training, through its run folder: commands.jsonl beside the events.

Anybody with access to the folder can give commands: another thread, another process, another
machine of a shared file system, a second browser. Invariants:

- A command is one line, written by one call. Several processes may write at a time; a writer that
  is killed while writing leaves at most an unreadable line, which is skipped.
- A command is for the present stretch of training (from the run's start or last resumption on): the
  trainer of a later stretch ignores it. No clocks are compared.
- The trainer reads commands between two steps, and answers each with a "control" event.
"""

import json
import math
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs.events import Event
from workbench.runs.files import to_json
from workbench.runs.run import Run
from workbench.runs.status import Status

COMMANDS = "commands.jsonl"
OWN_LOOP = "training of one's own"
"""Kind of runs that a loop of one's own records, see `probe.TrainingRecord`."""
ANSWER = "control"
"""Kind of the events that confirm a command."""
PAUSE, RESUME, STOP, SAVE, RATE = "pause", "resume", "stop", "save", "rate"
GEOMETRY = "geometry"
_NAMES = (PAUSE, RESUME, STOP, SAVE, RATE, GEOMETRY)


@dataclass(frozen=True)
class Command:
    """Command to a training.

    Attributes:
        id: unique id.
        stretch: `Run.stretch` of the addressed training.
        name: "pause", "resume", "stop", "save", "rate" or "geometry".
        value: for "rate": factor of the schedule's learning rate from now on.
        layers: for "geometry": names or patterns of the layers that are measured from now on.
    """

    id: str
    stretch: int
    name: str
    value: float = 1.0
    layers: tuple[str, ...] = ()


class Control:
    """Sender of commands to the training of a run.

    Every method returns the command at once; `answer` says whether the training has obeyed. Every
    method raises `WorkbenchError` where no training is running.

    Args:
        run: run or its folder.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)

    def pause(self) -> Command:
        """Pause before the next step, until `resume` or `stop`."""
        return self._give(PAUSE)

    def resume(self) -> Command:
        """Resume after `pause`."""
        return self._give(RESUME)

    def stop(self) -> Command:
        """Stop after the current step, with a checkpoint for an exact resumption."""
        return self._give(STOP)

    def save(self) -> Command:
        """Write a checkpoint after the current step."""
        return self._give(SAVE)

    def rate(self, factor: float) -> Command:
        """Multiply the schedule's learning rates from the next step on.

        Args:
            factor: factor of the schedule itself, not of an earlier command's; 1: the schedule.

        Raises:
            WorkbenchError: the factor is not positive and finite, or no training is running.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise WorkbenchError(
                "a positive factor of the learning rate", f"{factor}", "pause, to wait instead"
            )
        return self._give(RATE, float(factor))

    def geometry(self, layers: str | Sequence[str]) -> Command:
        """Measure the geometry of these layers from now on, in place of others.

        Args:
            layers: names or patterns with wildcards; the answer says if there is none.

        Raises:
            WorkbenchError: no training is running, or it is a loop of one's own, which takes no
                commands.
        """
        if self.run.config.get("kind") == OWN_LOOP:
            raise WorkbenchError(
                "a training that takes commands",
                f"{OWN_LOOP} at {self.run.path}",
                "say it in the loop: training.geometry(layers, samples)",
            )
        return self._give(GEOMETRY, layers=(layers,) if isinstance(layers, str) else tuple(layers))

    def answer(self, command: Command) -> Event | None:
        """Event that confirms a command; None as long as there is none."""
        answers = self.run.events(ANSWER, since=command.stretch)
        return next((each for each in answers if each.fields["id"] == command.id), None)

    def _give(self, name: str, value: float = 1.0, layers: tuple[str, ...] = ()) -> Command:
        status = self.run.status
        if status is not Status.RUNNING:
            raise WorkbenchError(
                f"a running training at {self.run.path}, to {name} it",
                f"one that is {status}",
                "look at it with workbench.watch"
                if status is Status.FINISHED
                else "go on with it first: workbench.train(…, resume=True)",
            )
        command = Command(secrets.token_hex(8), self.run.stretch, name, value, layers)
        line = to_json({**vars(command), "time": time.time()})
        with (self.run.path / COMMANDS).open("ab") as file:
            # The leading line break ends an incomplete line that another writer may have left.
            file.write(f"\n{line}\n".encode())
        return command


class Inbox:
    """Reader of the commands for the training that writes a run.

    Args:
        run: run that this process writes; commands for its present stretch are read.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.path / COMMANDS
        self._stretch = run.stretch
        self._read = 0
        """Number of bytes of the file that were read."""

    def take(self) -> list[Command]:
        """Commands since the last call, in order; takes some microseconds."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        found = (_command(line) for line in whole.splitlines() if line)
        return [each for each in found if each is not None and each.stretch == self._stretch]


def _command(line: bytes) -> Command | None:
    """Command of a line; None for an incomplete line, or one of another version."""
    try:
        values = json.loads(line)
        found = Command(
            str(values["id"]), int(values["stretch"]), values["name"], float(values["value"]),
            tuple(map(str, values.get("layers", ()))),
        )  # fmt: skip
    except (ValueError, TypeError, KeyError):
        return None
    return found if found.name in _NAMES and found.value > 0 else None


@dataclass(frozen=True)
class ControlState:
    """State of a training after the commands that it has answered.

    Attributes:
        paused: whether the training waits.
        factor: factor of the schedule's learning rates.
        layers: layers whose geometry a command has chosen; None: no command has.
    """

    paused: bool = False
    factor: float = 1.0
    layers: tuple[str, ...] | None = None


def control_state(answers: Sequence[Event], stretch: int) -> ControlState:
    """State of a training after its answers.

    Args:
        answers: "control" events of the run, in order.
        stretch: present stretch of the run; a pause ends with its stretch, a factor and layers do
            not.
    """
    paused, factor, layers = False, 1.0, None
    for event in answers:
        fields: Mapping[str, Any] = event.fields
        if fields["command"] in (PAUSE, RESUME) and event.seq > stretch:
            paused = fields["command"] == PAUSE
        elif fields["command"] == RATE:
            factor = float(fields["value"])
        elif fields["command"] == GEOMETRY and not fields["error"]:
            layers = tuple(fields["layers"])
    return ControlState(paused, factor, layers)
