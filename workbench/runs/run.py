"""Run: a folder with the permanent record of what was done and what came out.

    config.json             configuration
    provenance.json         command, commit, libraries, machine, start
    events.jsonl            all events, in order (see `events`)
    snapshots/<step>/…      arrays, announced by a "snapshot" event
    checkpoints/            the trainer's
    .*.cache                what readers keep to open a long run fast (see `kept`, `summary`)

Views, widgets, reports and notebooks read only this folder: a running, a finished and a resumed run
look the same to them.
"""

import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, SupportsFloat

import pandas as pd

from workbench.errors import WorkbenchError
from workbench.runs.events import RESUMED, Event, EventLog
from workbench.runs.files import read_json_object, to_json
from workbench.runs.kept import Beginning
from workbench.runs.provenance import provenance
from workbench.runs.snapshots import Array, read_snapshot, snapshot_path, write_snapshot
from workbench.runs.status import STARTED, STATUS_EVENTS, Status, status_of, this_process

_CONFIG, _PROVENANCE, _EVENTS = "config.json", "provenance.json", "events.jsonl"


class Run:
    """Record of a run; made by `create` or `open`.

    Attributes:
        path: path of the run folder.
        config: configuration as read from JSON: tuples are lists.
        provenance: see `provenance.provenance`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = read_json_object(path / _CONFIG)
        self.provenance = read_json_object(path / _PROVENANCE)
        self._log = EventLog(path / _EVENTS)

    @classmethod
    def create(cls, path: Path | str, config: Mapping[str, Any]) -> "Run":
        """Begin a run in a new or empty folder; the folder appears complete, or not at all.

        Raises:
            WorkbenchError: the folder is not empty (it is left unchanged), or the configuration
                cannot be written as JSON.
        """
        path = Path(path)
        _refuse_occupied(path)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        contents = {
            _CONFIG: to_json(dict(config), indent=2) + "\n",
            _PROVENANCE: to_json(provenance(), indent=2) + "\n",
            _EVENTS: "",
        }
        (draft / "checkpoints").mkdir(parents=True)
        try:
            for name, text in contents.items():
                (draft / name).write_text(text, encoding="utf-8")
            EventLog(draft / _EVENTS).append(STARTED, 0, {"process": this_process()})
            draft.rename(path)
        except OSError:
            shutil.rmtree(draft)
            _refuse_occupied(path)  # another process may have begun a run there meanwhile
            raise
        return cls(path)

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Open an existing run, to read it or to go on with it.

        Raises:
            WorkbenchError: there is no run folder, or it is damaged.
        """
        path = Path(path)
        missing = [name for name in (_CONFIG, _PROVENANCE, _EVENTS) if not (path / name).is_file()]
        if missing:
            found = f"no {', '.join(missing)} in it" if path.is_dir() else "no such folder"
            raise WorkbenchError(
                f"a run folder at {path}", found, "give the path that --run had in training"
            )
        return cls(path)

    @classmethod
    def delete(cls, path: Path | str) -> None:
        """Delete a run folder; nothing but a run is ever deleted.

        Raises:
            WorkbenchError: there is no run, or another process is writing it.
        """
        run = cls.open(path)
        run.refuse_if_written()
        gone = run.path.with_name(f".{run.path.name}.{secrets.token_hex(4)}.tmp")
        run.path.rename(gone)  # a reader may keep a file in a folder that is being emptied
        shutil.rmtree(gone)

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints; its content belongs to the trainer."""
        return self.path / "checkpoints"

    @property
    def log_path(self) -> Path:
        """Path of the event log, which grows with every event."""
        return self.path / _EVENTS

    def append(self, kind: str, step: int | None, /, **fields: Any) -> Event:
        """Record an event.

        Args:
            kind: kind; "finished", "failed" and "interrupted" end the run (see `status`).
            step: step of the optimizer; None where it has no meaning.
            fields: plain values, numpy or torch scalars and arrays.

        Raises:
            WorkbenchError: a field is named seq, time, step or kind, or cannot be written as JSON.
        """
        return self._log.append(kind, step, fields)

    def log(self, step: int, /, **metrics: SupportsFloat) -> Event:
        """Record measurements at a step, as floats; NaN and infinities are kept.

        Raises:
            WorkbenchError: as `append`.
        """
        return self.append(
            "metrics", step, **{name: float(value) for name, value in metrics.items()}
        )

    def resume(self, step: int) -> Event:
        """Go on from the state after `step`: events of later steps are cancelled.

        Raises:
            WorkbenchError: another process is still writing this run.
        """
        self.refuse_if_written()
        return self.append(RESUMED, step, process=this_process(), provenance=provenance())

    def refuse_if_written(self) -> None:
        """Raise an error if another process is writing this run.

        Raises:
            WorkbenchError: another process is writing it.
        """
        if self.status is Status.RUNNING and self._writer != this_process():
            raise WorkbenchError(
                f"a run at {self.path} that nobody is writing",
                f"process {self._writer['pid']} on {self._writer['host']} at it",
                f'wait for it, or stop it first: workbench.Control("{self.path}").stop()',
            )

    def events(self, kind: str | None = None, since: int = 0) -> list[Event]:
        """Events that are not cancelled, in order.

        A polling view keeps the last `seq` that it has read; at a "resumed" event it forgets what
        it holds of later steps than that event's.

        Args:
            kind: only events of this kind.
            since: only events with a greater `seq`.
        """
        return self._log.read(kind, since)

    def latest(self, kind: str | None = None, *, before: int | None = None) -> Event | None:
        """Last event (of a kind; with a smaller `seq`) not cancelled; None where there is none."""
        return self._log.last(kind, before)

    def metrics(self) -> pd.DataFrame:
        """Measurements: one row a step, ascending; one column a name, NaN where not taken."""
        return self._log.metrics()

    def series(self, names: Iterable[str] | None = None) -> dict[str, pd.Series]:
        """Measurements by name, each at the steps where it was taken, ascending; not to be changed.

        Unlike a column of `metrics`, a series has NaN only where NaN was measured; it takes no
        memory of its own in most runs.

        Args:
            names: names of measurements, whose series are empty where they were not taken; None:
                all, in the order of their first.
        """
        return self._log.series(names)

    def times(self) -> pd.Series:
        """Time of the last measurement at each step, seconds since 1970; not to be changed."""
        return self._log.times()

    def curves(
        self,
        names: Iterable[str] | None = None,
        start: int | float | None = None,
        stop: int | float | None = None,
        most: int = 2000,
    ) -> dict[str, pd.Series]:
        """Measurements to draw, by name, without NaN: exact where few, else with every spike.

        Of more than `most` values the lowest and highest of equal intervals are kept, so that a
        line through them covers the same pixels. Of a long run they are read from coarser levels,
        whose own intervals are up to a sixteenth of one that is asked for.

        Args:
            names: as in `series`.
            start, stop: range of steps; one value beyond it at either end is included. None: all.
            most: largest number of values of a curve, at least four.
        """
        return self._log.curves(names, start, stop, most)

    def snapshot(self, step: int, name: str, arrays: Mapping[str, Array]) -> None:
        """Record arrays by name: booleans, integers or floats of any shape.

        Raises:
            WorkbenchError: the name is not a valid file name, or an array is of another kind.
        """
        write_snapshot(self._snapshot(step, name), arrays)
        self.append("snapshot", step, name=name)

    def snapshots(self, name: str | None = None) -> list[int]:
        """Steps with snapshots (of that name), ascending."""
        events = self.events("snapshot")
        steps = {e.step for e in events if e.step is not None and name in (None, e.fields["name"])}
        return sorted(steps)

    def snapshot_names(self) -> list[str]:
        """Names of all snapshots, in the order of their first."""
        return list(dict.fromkeys(event.fields["name"] for event in self.events("snapshot")))

    def load_snapshot(
        self, step: int, name: str, arrays: Sequence[str] = ()
    ) -> dict[str, Array]:
        """Arrays of a snapshot.

        Args:
            step: step at which it was taken.
            name: its name.
            arrays: names of the arrays to read, of those that there are; empty: all.

        Raises:
            WorkbenchError: there is no such snapshot, or it cannot be read.
        """
        return read_snapshot(self._snapshot(step, name), arrays)

    def _snapshot(self, step: int, name: str) -> Path:
        return snapshot_path(self.path / "snapshots", step, name)

    @property
    def status(self) -> Status:
        """Status: running, or how the run ended; a killed writer counts as interrupted."""
        return status_of(self.status_events(), self._log.last())

    @property
    def step(self) -> int:
        """Last recorded step; 0 before the first."""
        return self._log.step()

    @property
    def beginning(self) -> Beginning:
        """Part of the event log that is read now."""
        return self._log.beginning()

    @property
    def stretch(self) -> int:
        """Number (`seq`) of the event that began the present stretch of training.

        That event is the run's start or its last resumption; 0 where the log has lost both.
        """
        starts = (e.seq for e in self.status_events() if e.kind in {STARTED, RESUMED})
        return max(starts, default=0)

    @property
    def _writer(self) -> dict[str, Any]:
        """Process that started the run, or resumed it last."""
        writers = [event for event in self.status_events() if event.kind in {STARTED, RESUMED}]
        process: dict[str, Any] = writers[-1].fields["process"]
        return process

    def status_events(self) -> list[Event]:
        """Events of the kinds `status.STATUS_EVENTS`, which determine the status, in order."""
        return self._log.read(STATUS_EVENTS)

    def _facts(self) -> dict[str, str]:
        found = ((name, values.dropna()) for name, values in self.series().items())
        last = {name: f"{values.iloc[-1]:.4g}" for name, values in found if len(values)}
        return {
            "status": self.status,
            "step": f"{self.step}",
            "started": f"{self.provenance['started']}",
            "command": f"{self.provenance['command']}",
            **last,
        }

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self._facts().items())
        return f"Run({str(self.path)!r}: {facts})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._facts().items()
        )
        return f"<table><caption>Run {escape(str(self.path))}</caption>{rows}</table>"


def _refuse_occupied(path: Path) -> None:
    if (path / _EVENTS).exists():
        raise WorkbenchError(
            f"no run at {path} yet",
            "one",
            "continue it with --resume, replace it with --overwrite, or give another path",
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorkbenchError(
            f"a new or empty folder for a run at {path}",
            "other files" if path.is_dir() else "a file",
            "give another path",
        )
