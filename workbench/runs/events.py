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

A reader parses every line once and keeps where it is in the file: an event becomes an object on
demand, measurements become columns of numbers (`measurements`) at once. What was parsed of a long
log is kept beside it (`kept`), so that the next reader parses only what has come since.
"""

import json
import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.runs.decimate import Positions, levels_of, most_telling
from workbench.runs.files import to_json
from workbench.runs.kept import Beginning, Columns
from workbench.runs.measurements import (
    NO_STEP,
    Block,
    column,
    frame_of,
    names_of,
    series_of,
    times_of,
)

RESUMED, METRICS = "resumed", "metrics"
_OWN = ("seq", "time", "step", "kind")
_KEYS = frozenset(_OWN)
_heads = itemgetter(*_OWN)
COLUMNS = ".measurements.cache"
"""Name of the kept file beside the log."""
_CHUNK = 1 << 20
"""Bytes that are parsed at a time: a long log is never in memory as a whole."""
_WORTH, _SHARE = 1 << 20, 8
"""Bytes that are parsed until it is worth to keep their columns, at least, and the number of such
parts in what is kept already."""

_Key = str | tuple[str, ...]
"""Kind of the events of a block; of measurements: the keys of their lines."""


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


class EventLog:
    """Reader and writer of the events of one run; may be shared by threads.

    Every method that reads raises `WorkbenchError` where a line is damaged.

    Args:
        path: path of the file, which must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._written = 0  # size of the file after the last append of this object
        self._seq = 0  # `seq` of the last line before `_written`
        self._forget(None)

    def _forget(self, file: int | None) -> None:
        """Begin to read a file, given by its number on the disk, from its start."""
        self._file = file
        self._blocks: dict[_Key, Block] = {}
        self._levels: dict[str, tuple[int, list[Positions]]] = {}  # see `kept.Columns`
        self._step = 0  # last recorded step
        self._read = 0  # bytes of the file that were parsed
        self._kept = 0  # bytes of the file whose columns are kept

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
            end = _line_end(file, file.seek(0, os.SEEK_END))
            file.truncate(end)
            start = _line_end(file, max(0, end - 1))
            file.seek(start)
            line = file.read(end - start)
        self._written, self._seq = end, self._parse(line)["seq"] if line else 0

    def read(self, kinds: str | Collection[str] | None = None, since: int = 0) -> list[Event]:
        """Read the events that are not cancelled, in order; only new lines are parsed for it.

        Args:
            kinds: only events of this kind, or of one of these.
            since: only events with a greater `seq`.
        """
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            blocks = self._of(kinds)
            offsets = [block["offset"][bisect_right(block["seq"], since) :] for block in blocks]
            places = np.sort(np.concatenate([*offsets, np.empty(0, np.int64)]))
            return [self._event(line) for line in _lines(file, places.tolist())]

    def last(self, kind: str | None = None, before: int | None = None) -> Event | None:
        """Last event (of a kind; with a smaller `seq`), if there is one."""
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            offsets = []
            for block in self._of(kind):
                count = len(block) if before is None else bisect_left(block["seq"], before)
                offsets += [int(block["offset"][count - 1])] * (count > 0)
            return self._event(next(_lines(file, [max(offsets)]))) if offsets else None

    def metrics(self) -> pd.DataFrame:
        """Table of the "metrics" events, a row a step."""
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            return frame_of(self._measured())

    def series(self, names: Iterable[str] | None = None) -> dict[str, pd.Series]:
        """Values of measurements (None: of all), by name, each at the steps where it was taken."""
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            blocks = self._measured()
            names = names_of(blocks) if names is None else names
            return {name: series_of(blocks, name) for name in names}

    def times(self) -> pd.Series:
        """Time of the last measurement at each step."""
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            return times_of(self._measured())

    def curves(
        self,
        names: Iterable[str] | None,
        start: int | float | None,
        stop: int | float | None,
        most: int,
    ) -> dict[str, pd.Series]:
        """Values of measurements to draw, see `Run.curves`."""
        found = self.series(names)
        with self._lock:
            return {
                name: self._decimated(name, values, start, stop, most)
                for name, values in found.items()
            }

    def _decimated(
        self,
        name: str,
        values: pd.Series,
        start: int | float | None,
        stop: int | float | None,
        most: int,
    ) -> pd.Series:
        steps, numbers = values.index.to_numpy(), values.to_numpy()
        a = 0 if start is None else max(int(np.searchsorted(steps, start, "left")) - 1, 0)
        b = len(steps) if stop is None else int(np.searchsorted(steps, stop, "right")) + 1
        inside = self._coarse(name, a, min(b, len(steps)), most)
        steps, numbers = steps[inside], numbers[inside]
        if (missing := np.isnan(numbers)).any():
            steps, numbers = steps[~missing], numbers[~missing]
        chosen = most_telling(numbers, most)
        return pd.Series(numbers[chosen], pd.Index(steps[chosen], name="step"), name=name)

    def _coarse(self, name: str, start: int, stop: int, most: int) -> slice | Positions:
        """Positions from `start` until `stop` of the coarsest level that has `most` there."""
        count, levels = self._levels.get(name, (0, []))
        for level in reversed(levels):
            inside = level[np.searchsorted(level, start) : np.searchsorted(level, stop)]
            if len(inside) >= most:
                since = np.arange(max(start, count), max(stop, count))
                return np.unique(np.concatenate([[start], inside, since, [stop - 1]]))
        return slice(start, stop)

    def step(self) -> int:
        """Last recorded step."""
        with self._lock, self.path.open("rb") as file:
            self._take_in(file)
            return self._step

    def beginning(self) -> Beginning:
        """Part of the log that is parsed now."""
        with self._lock, self.path.open("rb") as file:
            before = os.fstat(file.fileno())
            self._take_in(file)
            return Beginning.of(file, self._read, before)

    def _of(self, kinds: str | Collection[str] | None) -> list[Block]:
        """Blocks of one of these kinds."""
        if isinstance(kinds, str):
            kinds = (kinds,)
        return [block for block in self._blocks.values() if kinds is None or block.kind in kinds]

    def _measured(self) -> list[Block]:
        """Blocks of measurements at a step."""
        return [block for key, block in self._blocks.items() if isinstance(key, tuple)]

    def _take_in(self, file: BinaryIO) -> None:
        """Parse the new lines of the open log, up to the last complete one."""
        before = os.fstat(file.fileno())
        if before.st_ino != self._file or before.st_size < self._read:  # it was replaced
            self._forget(before.st_ino)
        if self._read == 0 and before.st_size > _WORTH:
            self._restore(file)
        file.seek(self._read)
        rest = b""
        while data := file.read(_CHUNK):
            data = rest + data
            end = data.rfind(b"\n") + 1
            if end:
                self._take(data[:end])
            rest = data[end:]
        if self._read - self._kept > max(_WORTH, self._kept // _SHARE):
            self._keep(file, before)

    def _restore(self, file: BinaryIO) -> None:
        """Take over the columns that are kept of the open log."""
        found = Columns.read(self.path.with_name(COLUMNS), file)
        if found is None:
            return
        for block, measured in found.blocks:
            self._blocks[(*_OWN, *block.names) if measured else block.kind] = block
        self._levels = found.levels
        self._read = self._kept = found.beginning.length
        self._step = _last_step(self._blocks.values())

    def _keep(self, file: BinaryIO, before: os.stat_result) -> None:
        """Keep the columns of what was parsed."""
        blocks = self._measured()
        self._levels = {}
        for name in names_of(blocks):
            own = [block for block in blocks if name in block.names]
            if len(own) > 1 or not own[0].ascending:
                continue
            values = own[0][column(name)]
            if levels := levels_of(values):
                self._levels[name] = len(values), levels
        beginning = Beginning.of(file, self._read, before)
        kept = [(block, isinstance(key, tuple)) for key, block in self._blocks.items()]
        Columns(beginning, kept, self._levels).write(self.path.with_name(COLUMNS))
        self._kept = self._read  # if it could not be written, it is tried again with more

    def _take(self, data: bytes) -> None:
        """Take in complete lines; all of them or, where one is damaged, none."""
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        offsets = self._read + np.append(0, ends[:-1] + 1)
        rows = self._rows(data, len(ends))
        parts = []
        try:
            kinds = [row["kind"] for row in rows]
            resumed = [i for i, kind in enumerate(kinds) if kind == RESUMED]
            for start, stop in pairwise([0, *resumed, len(rows)]):
                step = rows[start]["step"] if start in resumed else None
                parts.append((step, dict(_columns(rows[start:stop], offsets[start:stop]))))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise self._damaged(error) from error
        for step, blocks in parts:
            if step is not None:
                self._rewind(step)
            for key, (kind, names, arrays) in blocks.items():
                block = self._blocks.get(key)
                if new := block is None:
                    block = self._blocks[key] = Block(kind, names)
                block.extend(arrays)
                if new or not block.ascending:  # values may come between those of a level
                    self._levels = {n: own for n, own in self._levels.items() if n not in names}
                self._step = max(self._step, int(arrays["step"].max()))
        self._read += len(data)

    def _rows(self, data: bytes, count: int) -> list[dict[str, Any]]:
        """Values of complete lines."""
        try:
            rows: list[dict[str, Any]] = _DECODER.decode_lines(data)
        except msgspec.DecodeError:
            rows = []
        if len(rows) != count:  # NaN and infinities, which are no JSON, or damage
            rows = [self._parse(line) for line in data.split(b"\n")[:-1]]
        return rows

    def _rewind(self, step: int) -> None:
        """Cancel the events of later steps."""
        before = self._blocks
        kept = {key: block.until(step) for key, block in before.items()}
        self._blocks = {key: block for key, block in kept.items() if len(block)}
        if any(block is not before[key] for key, block in kept.items()):
            self._levels = {}
        self._step = _last_step(self._blocks.values())

    def _event(self, line: bytes) -> Event:
        """Event of a line that was parsed before."""
        try:
            return Event.from_line(line)
        except (ValueError, KeyError, AttributeError) as error:  # it was changed meanwhile
            raise self._damaged(error) from error

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


_DECODER = msgspec.json.Decoder(dict[str, Any])


def _columns(
    rows: list[dict[str, Any]], offsets: Any
) -> Iterator[tuple[_Key, tuple[str, list[str], dict[str, Any]]]]:
    """Key, kind, names and arrays of the events of each block, see `measurements.Block`.

    Raises:
        KeyError, TypeError, ValueError: an event has not all keys, or a value that is no number.
    """
    places: dict[_Key, list[int]] = {}
    for i, row in enumerate(rows):
        measured = row["kind"] == METRICS and row["step"] is not None
        places.setdefault(tuple(row) if measured else row["kind"], []).append(i)
    for key, own in places.items():
        events = [rows[i] for i in own]
        seq, times, steps, kinds = zip(*map(_heads, events), strict=True)
        names = [name for name in key if name not in _KEYS] if isinstance(key, tuple) else []
        arrays = {
            "seq": _numbers("seq", seq, np.int64),
            "step": _numbers(
                "step", [NO_STEP if step is None else step for step in steps], np.int64
            ),
            "offset": offsets[own],
            "time": _numbers("time", times),
        }
        for name in names:
            arrays[column(name)] = _numbers(name, [event[name] for event in events])
        yield key, (kinds[0], names, arrays)


def _numbers(name: str, values: Any, dtype: Any = np.float64) -> Any:
    """Array of numbers.

    Raises:
        TypeError: a value is not a number.
    """
    found = np.array(values)
    if found.dtype.kind not in ("biuf" if dtype is np.float64 else "i") or found.ndim != 1:
        raise TypeError(f"{name} is not a number everywhere")
    return found.astype(dtype, copy=False)


def _last_step(blocks: Iterable[Block]) -> int:
    return max((int(block["step"].max()) for block in blocks), default=0)


def _lines(file: BinaryIO, offsets: Iterable[int]) -> Iterator[bytes]:
    """Lines of an open log that begin at these places."""
    place = -1
    for offset in offsets:
        if offset != place:
            file.seek(offset)
        line = file.readline()
        place = offset + len(line)
        yield line


def _line_end(file: BinaryIO, before: int) -> int:
    """End of the last line of an open log that ends at or before a place; 0 where none does."""
    while before > 0:
        start = max(0, before - _CHUNK // 16)
        file.seek(start)
        found = file.read(before - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        before = start
    return 0


def _decoded(line: bytes) -> dict[str, Any]:
    """Object of a line; NaN and infinities are not JSON for the fast decoder."""
    try:
        values: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:
        values = json.loads(line)
    return values
