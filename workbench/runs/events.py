"""Append-only log of a run: one JSON object a line.

Invariants:

- An event is one line, written by one call and never changed. A process killed while writing leaves
  at most an incomplete last line: readers stop before it, the next append cuts it off.
- Sequence numbers rise by one through the file, across resumptions.
- A "resumed" event with step s cancels all earlier events with a later step, so that a resumed run
  reads like one that was never interrupted.
- One process writes at a time; any number of processes read, at any time.

A line is handed to the operating system at once without waiting for the disk: it survives a crash
of the process, not of the machine.

A reader parses every line once and keeps the line: an event becomes an object on demand,
measurements become rows of a table (`measurements`) at once.
"""

import json
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.runs.files import to_json
from workbench.runs.measurements import Measurements

RESUMED, METRICS = "resumed", "metrics"
_OWN = ("seq", "time", "step", "kind")
_KEYS = frozenset(_OWN)


@dataclass(frozen=True)
class Event:
    """Event of a run.

    Attributes:
        seq: 1 for the first event of a run, then rising.
        time: seconds since 1970, UTC.
        step: step of the optimizer; None where it has no meaning.
        kind: "started", "metrics", "snapshot", "resumed", "finished", "failed", "interrupted", or
            another kind of a writer's choice.
        fields: all other fields, by name.
    """

    seq: int
    time: float
    step: int | None
    kind: str
    fields: Mapping[str, Any]

    def to_line(self) -> bytes:
        """Line of the log for this event."""
        own = dict(zip(_OWN, (self.seq, self.time, self.step, self.kind), strict=True))
        return to_json({**own, **self.fields}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Event":
        """Event of a line that `to_line` made."""
        values = _decoded(line)
        seq, moment, step, kind = (values.pop(key) for key in _OWN)
        return cls(seq, moment, step, kind, values)


class _Entry(msgspec.Struct, gc=False):
    """Parsed event without its fields, with the line that has them."""

    seq: int
    step: int | None
    kind: str
    line: bytes


class EventLog:
    """Reader and writer of the events of one run; may be shared by threads.

    Args:
        path: path of the file, which must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []
        self._by_kind: dict[str, list[_Entry]] = {}
        self._measured = Measurements()
        self._step = 0  # last recorded step
        self._read = 0  # bytes of the file that were parsed
        self._written = 0  # size of the file after the last append of this object
        self._seq = 0  # `seq` of the last line before `_written`

    def append(self, kind: str, step: int | None, fields: Mapping[str, Any]) -> Event:
        """Add an event.

        Raises:
            WorkbenchError: a field has one of the log's own names, or cannot be written as JSON.
        """
        if taken := _KEYS & fields.keys():
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
        """Continue the numbering of another writer, and cut off its incomplete last line."""
        with self.path.open("r+b") as file:
            data = file.read()
            end = data.rfind(b"\n") + 1
            file.truncate(end)
        lines = data[:end].splitlines()
        self._written, self._seq = end, self._parse(lines[-1])["seq"] if lines else 0

    def read(self, kind: str | None = None, since: int = 0) -> list[Event]:
        """Read the events that are not cancelled, in order; only new lines are read from the file.

        Args:
            kind: only events of this kind.
            since: only events with a greater `seq`.

        Raises:
            WorkbenchError: a line is damaged.
        """
        with self._lock:
            self._take_in()
            entries = self._entries if kind is None else self._by_kind.get(kind, [])
            start = bisect_right(entries, since, key=attrgetter("seq"))
            return [Event.from_line(entry.line) for entry in entries[start:]]

    def last(self, kind: str | None = None) -> Event | None:
        """Last event (of a kind), if there is one; errors as `read`."""
        with self._lock:
            self._take_in()
            entries = self._entries if kind is None else self._by_kind.get(kind, [])
            return Event.from_line(entries[-1].line) if entries else None

    def metrics(self) -> pd.DataFrame:
        """Table of the "metrics" events, a row a step; errors as `read`."""
        with self._lock:
            self._take_in()
            return self._measured.frame()

    def step(self) -> int:
        """Last recorded step; errors as `read`."""
        with self._lock:
            self._take_in()
            return self._step

    def _take_in(self) -> None:
        """Parse the new lines, up to the last complete one."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.split(b"\n")[:-1]:
            values = self._parse(line)
            entry = _Entry(values.pop("seq"), values.pop("step"), values.pop("kind"), line)
            if entry.kind == RESUMED and entry.step is not None:
                self._rewind(entry.step)
            elif entry.kind == METRICS and entry.step is not None:
                del values["time"]
                self._measure(entry.step, values)
            self._entries.append(entry)
            self._by_kind.setdefault(entry.kind, []).append(entry)
            self._step = max(self._step, entry.step or 0)
            self._read += len(line) + 1

    def _measure(self, step: int, values: Mapping[str, Any]) -> None:
        try:
            self._measured.add(step, values)
        except TypeError as error:
            raise self._damaged(error) from error

    def _rewind(self, step: int) -> None:
        """Cancel the events of later steps."""
        self._entries = [each for each in self._entries if each.step is None or each.step <= step]
        self._by_kind = {}
        for entry in self._entries:
            self._by_kind.setdefault(entry.kind, []).append(entry)
        self._measured.rewind(step)
        self._step = max((entry.step or 0 for entry in self._entries), default=0)

    def _parse(self, line: bytes) -> dict[str, Any]:
        """Values of a line, with at least the keys of every event."""
        try:
            values = _decoded(line)
            if not values.keys() >= _KEYS:
                raise KeyError(f"no {', '.join(sorted(_KEYS - values.keys()))}")
        except (ValueError, KeyError, AttributeError) as error:
            raise self._damaged(error) from error
        return values

    def _damaged(self, error: Exception) -> WorkbenchError:
        return WorkbenchError(
            f"one event a line in {self.path}",
            f"a damaged line ({error})",
            "remove that line; the others stay readable",
        )


def _decoded(line: bytes) -> dict[str, Any]:
    """Object of a line; NaN and infinities are not JSON for the fast decoder."""
    try:
        values: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:
        values = json.loads(line)
    return values
