"""The log of a run: one JSON object a line, only ever appended to.

What it keeps true:

- An event is one line, written in one go and never changed. A process killed while writing leaves
  at most a torn last line: readers stop before it, the next append cuts it off.
- Sequence numbers rise by one through the file, across resumptions.
- A "resumed" event with step s takes back everything that stood before it with a later step, so
  that a resumed run reads like one that was never interrupted.
- One process writes at a time; any number read, at any time.

A line goes to the operating system at once and is not waited for: it survives the death of the
process, not that of the machine.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs.files import to_json

RESUMED = "resumed"
_OWN = ("seq", "time", "step", "kind")


@dataclass(frozen=True)
class Event:
    """Something that happened in a run.

    Attributes:
        seq: 1 for the first event of a run, then rising.
        time: seconds since 1970, UTC.
        step: of the optimizer; None where that means nothing.
        kind: "started", "metrics", "snapshot", "resumed", "finished", "failed", "interrupted", or
            what else a writer chose.
        fields: everything more, by name.
    """

    seq: int
    time: float
    step: int | None
    kind: str
    fields: Mapping[str, Any]

    def to_line(self) -> bytes:
        """The event as a line of the log."""
        own = dict(zip(_OWN, (self.seq, self.time, self.step, self.kind), strict=True))
        return to_json({**own, **self.fields}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Event":
        """Back from `to_line`."""
        values = json.loads(line)
        seq, moment, step, kind = (values.pop(key) for key in _OWN)
        return cls(seq, moment, step, kind, values)


class EventLog:
    """Reads and appends to the events of one run; may be shared by threads.

    Args:
        path: of the file, which must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._read = 0  # bytes of the file that `_events` stand for
        self._written = 0  # bytes of the file after the last append of this object
        self._seq = 0  # of the last line before `_written`

    def append(self, kind: str, step: int | None, fields: Mapping[str, Any]) -> Event:
        """Add an event.

        Raises:
            WorkbenchError: a field has one of the log's own names, or no JSON.
        """
        if taken := set(_OWN) & fields.keys():
            raise WorkbenchError(
                f"fields not named {', '.join(_OWN)}", ", ".join(taken), "rename the field"
            )
        with self._lock:
            if self.path.stat().st_size != self._written:
                self._find_end()
            event = Event(self._seq + 1, time.time(), step, kind, dict(fields))
            line = event.to_line()
            with self.path.open("ab") as file:
                file.write(line)
            self._seq, self._written = event.seq, self._written + len(line)
        return event

    def _find_end(self) -> None:
        """Take up the numbering after what another writer left, without its torn last line."""
        with self.path.open("r+b") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            file.truncate(end)
        lines = data[:end].splitlines()
        self._written, self._seq = end, self._parse(lines[-1:])[0].seq if lines else 0

    def read(self) -> list[Event]:
        """The events that count by now, in order; only what is new is read from the file.

        Raises:
            WorkbenchError: a line is damaged.
        """
        with self._lock:
            with self.path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            for event in self._parse(whole.splitlines()):
                if event.kind == RESUMED and event.step is not None:
                    last = event.step
                    self._events = [e for e in self._events if e.step is None or e.step <= last]
                self._events.append(event)
            self._read += len(whole)
            return list(self._events)

    def _parse(self, lines: list[bytes]) -> list[Event]:
        try:
            return [Event.from_line(line) for line in lines]
        except (ValueError, KeyError, AttributeError) as error:
            raise WorkbenchError(
                f"one event a line in {self.path}",
                f"a damaged line ({error})",
                "remove that line; the others stay readable",
            ) from error
