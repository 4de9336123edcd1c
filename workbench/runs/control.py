"""Orders to a training that is going on, through its run folder: commands.jsonl beside the events.

Whoever sees the folder can give them, and only the folder is needed: another thread, another
process, another machine of a shared file system, a second browser. What it keeps true:

- A command is one line, written in one go. Several may write at a time; a writer that is killed
  while writing leaves at most a line that does not read, which is passed over.
- A command is for the stretch of training that goes on when it is given (from the run's start, or
  its last resumption, on): the trainer of a later stretch does not obey it. No clocks are compared.
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
ANSWER = "control"
"""The kind of the events that say that a command was obeyed."""
PAUSE, RESUME, STOP, SAVE, RATE = "pause", "resume", "stop", "save", "rate"
_NAMES = (PAUSE, RESUME, STOP, SAVE, RATE)


@dataclass(frozen=True)
class Command:
    """One order.

    Attributes:
        id: its own.
        stretch: `Run.stretch` of the training that it is for.
        name: "pause", "resume", "stop", "save" or "rate".
        value: of "rate": by what the schedule's learning rate is multiplied from now on.
    """

    id: str
    stretch: int
    name: str
    value: float = 1.0


class Control:
    """Gives orders to the training of a run.

    Every method returns at once, with the command; `answer` says whether it was obeyed. Every one
    raises `WorkbenchError` where nothing is going on that could obey.

    Args:
        run: or its folder.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)

    def pause(self) -> Command:
        """Wait before the next step, until `resume` or `stop`."""
        return self._give(PAUSE)

    def resume(self) -> Command:
        """Go on after `pause`."""
        return self._give(RESUME)

    def stop(self) -> Command:
        """End after the current step, with a checkpoint from which it resumes exactly."""
        return self._give(STOP)

    def save(self) -> Command:
        """Write a checkpoint after the current step."""
        return self._give(SAVE)

    def rate(self, factor: float) -> Command:
        """From the next step on, multiply the schedule's learning rates.

        Args:
            factor: of the schedule, not of what an earlier command made of it; 1: the schedule.

        Raises:
            WorkbenchError: it is not positive and finite, or nothing is going on.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise WorkbenchError(
                "a positive factor of the learning rate", f"{factor}", "pause, to wait instead"
            )
        return self._give(RATE, float(factor))

    def answer(self, command: Command) -> Event | None:
        """The event that says that a command was obeyed; None as long as there is none."""
        answers = self.run.events(ANSWER, since=command.stretch)
        return next((each for each in answers if each.fields["id"] == command.id), None)

    def _give(self, name: str, value: float = 1.0) -> Command:
        status = self.run.status
        if status is not Status.RUNNING:
            raise WorkbenchError(
                f"a running training at {self.run.path}, to {name} it",
                f"one that is {status}",
                "look at it with workbench.watch"
                if status is Status.FINISHED
                else "go on with it first: workbench.train(…, resume=True)",
            )
        command = Command(secrets.token_hex(8), self.run.stretch, name, value)
        line = to_json({**vars(command), "time": time.time()})
        with (self.run.path / COMMANDS).open("ab") as file:
            # Two lines of one write: what another writer left torn ends before this one.
            file.write(f"\n{line}\n".encode())
        return command


class Inbox:
    """The commands for the training that writes a run, each of them once.

    Args:
        run: which this process writes, from its present stretch on.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.path / COMMANDS
        self._stretch = run.stretch
        self._read = 0
        """Bytes of the file that were looked at."""

    def take(self) -> list[Command]:
        """Those that have come since the last call, in order; costs some microseconds."""
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
    """What a line says; None for one that was torn, or that another version wrote."""
    try:
        values = json.loads(line)
        found = Command(
            str(values["id"]), int(values["stretch"]), values["name"], float(values["value"])
        )
    except (ValueError, TypeError, KeyError):
        return None
    return found if found.name in _NAMES and found.value > 0 else None


@dataclass(frozen=True)
class ControlState:
    """What commands have made of a training, so far as it has answered them.

    Attributes:
        paused: it waits.
        factor: of the schedule's learning rates.
    """

    paused: bool = False
    factor: float = 1.0


def control_state(answers: Sequence[Event], stretch: int) -> ControlState:
    """How a training stands.

    Args:
        answers: the run's "control" events, in order.
        stretch: the run's; a pause ends with the stretch, a factor does not.
    """
    paused, factor = False, 1.0
    for event in answers:
        fields: Mapping[str, Any] = event.fields
        if fields["command"] in (PAUSE, RESUME) and event.seq > stretch:
            paused = fields["command"] == PAUSE
        elif fields["command"] == RATE:
            factor = float(fields["value"])
    return ControlState(paused, factor)
