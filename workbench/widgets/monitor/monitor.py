"""`workbench.watch(run)`: a widget that shows a running training and controls it.

The monitor reads the run folder and writes commands into it: it works the same for a training in
this kernel, in another process or elsewhere, and after a restart of the kernel. Everything that its
page shows is in traits, which a refreshed page asks for by itself: the cell need not run again. The
monitor polls in a thread of its own, also while the kernel is busy, and ends with the run.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import anywidget
from IPython.core.getipython import get_ipython
from IPython.display import display
from traitlets import Dict, Float, Int, List, Unicode, observe

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.runs import Control, Event, Run, Status
from workbench.runs.alarms import alarms
from workbench.runs.control import ANSWER, PAUSE, RATE, RESUME, SAVE, STOP
from workbench.runs.measurements import Metrics
from workbench.runs.progress import Progress, progress
from workbench.views.training.live import Chart, live_lines, measured_charts
from workbench.widgets.explorers.affinity import AffinityExplorer
from workbench.widgets.monitor.figures import VERSION, bokeh_script, document_of, lines_as_bytes
from workbench.widgets.monitor.words import (
    answer_text,
    ending_text,
    facts_of,
    fraction_of,
    status_of,
)
from workbench.widgets.pacing import Poller

_HERE = Path(__file__).parent
_COMMAND_TEXTS = {
    PAUSE: "pause", RESUME: "resume", STOP: "stop", SAVE: "write a checkpoint",
    RATE: "learn at {value:g} times the schedule's rate",
}  # fmt: skip
_RUN_POLL = 0.05
"""Seconds between two polls for a run that is about to begin."""
_RECHECK = 2.0
"""Seconds after which a run without new events is read again: its process may have died."""


@runtime_checkable
class Launched(Protocol):
    """Handle on a training that may have no run yet, as `launch.train.Training`."""

    @property
    def path(self) -> Path:
        """Path of the run folder."""

    @property
    def alive(self) -> bool:
        """Whether the training goes on, or has not begun yet."""

    @property
    def begun(self) -> bool:
        """Whether the run folder exists."""

    @property
    def error(self) -> BaseException | None:
        """Error that ended the training, if one did."""


Watched = Run | Path | str | Launched


class Monitor(anywidget.AnyWidget):
    """Live monitor of a run, as a widget.

    Attributes:
        run: watched run; None before it begins.
        scenes: explorer of the run's held-out scenes that follows the training, if asked for.
        name: name of the run folder.
        path: path of the run folder.
        status: status of the run, or "paused".
        facts: labels and values, in the order in which they are shown.
        fraction: done part of the planned steps.
        factor: factor by which commands have changed the schedule's learning rate.
        alarms: alarms of the run, see `runs.alarms`.
        message: result of the last command, or an error.
        figures: charts, see `figures.document_of`.
        lines: values of the charts' lines, thinned; see `figures.lines_as_bytes`.
        last: last recorded step.
        window: visible range of steps; empty: all of them.
        library: source of BokehJS.
        version: version of BokehJS.
    """

    _esm = _HERE / "monitor.js"
    _css = _HERE / "monitor.css"

    name = Unicode().tag(sync=True)
    path = Unicode().tag(sync=True)
    status = Unicode("about to begin").tag(sync=True)
    facts: Any = List().tag(sync=True)
    fraction = Float().tag(sync=True)
    factor = Float(1.0).tag(sync=True)
    alarms: Any = List().tag(sync=True)
    message = Unicode().tag(sync=True)
    figures = Dict().tag(sync=True)
    lines = Dict().tag(sync=True)
    last = Int().tag(sync=True)
    window: Any = List().tag(sync=True)
    library = Unicode().tag(sync=True)
    version = Unicode(VERSION).tag(sync=True)

    def __init__(self, watched: Run | Launched, scenes: AffinityExplorer | None = None) -> None:
        """Start to watch a run, or a training that may have no run yet; see `watch`."""
        self._lock = threading.RLock()  # a poll may meet a command from the page
        self._launched = None if isinstance(watched, Run) else watched
        self.run: Run | None = watched if isinstance(watched, Run) else None
        self.scenes = scenes
        self._loop = _running_loop()
        path = watched.path
        self._charts: tuple[Chart, ...] = ()
        self._state: tuple[int, int] | None = None  # inode and size of the log at the last poll
        self._looked = 0.0
        self._answered, self._snapshot = 0, 0  # `seq` of the last events that were shown
        super().__init__(name=path.name, path=str(path), library=bokeh_script())
        self.on_msg(self._on_message)
        self._poller = Poller(self._poll, f"watching {path.name}")
        self._poller.start()

    @property
    def alive(self) -> bool:
        """Whether the monitor goes on polling."""
        return self._poller.alive

    def refresh(self) -> None:
        """Read the run now."""
        with self._lock, self.hold_sync():
            try:
                self._look()
            except UserError as error:
                self.message = str(error)

    def close(self) -> None:
        """Stop polling, and remove the monitor from its page."""
        self._poller.stop()
        super().close()

    def _poll(self) -> bool:
        """Read the run if its log has changed; returns whether to go on."""
        launched = self._launched
        waiting = launched is not None and launched.alive  # asked before the run is read
        if self.run is None:
            assert launched is not None
            if launched.begun:
                self.run = Run.open(launched.path)
            elif not waiting:
                self.status, self.message = "failed", str(launched.error)
                return False
            else:
                return True
        try:
            log = (self.run.log_path).stat()
        except OSError as error:
            self.message = f"The run has gone: {error}"
            return False
        going = waiting or self.run.status is Status.RUNNING
        state = log.st_ino, log.st_size
        if state != self._state or not going or time.monotonic() - self._looked > _RECHECK:
            if self._state is not None and self._state[0] != log.st_ino:
                self.run = Run.open(self.run.path)  # another training has replaced the run
            self._state, self._looked = state, time.monotonic()
            self.refresh()
        return going

    def _look(self) -> None:
        """Set all traits from the run."""
        run = self.run
        assert run is not None, "only a run that has begun is read"
        answer = run.latest(ANSWER)  # read first: the status is then not older than the answer
        now, metrics = progress(run), run.series()
        self.status, self.facts = status_of(now), facts_of(now)
        self.fraction, self.factor = fraction_of(now), now.factor
        self.alarms = [vars(alarm) for alarm in alarms(metrics)]
        charts = measured_charts(metrics)
        if charts != self._charts:
            self._charts, self.figures = charts, document_of(charts)
        self._draw(metrics)
        self.last = now.step
        self._update_message(answer, now)
        self._show_scenes(run)

    def _draw(self, metrics: Metrics) -> None:
        window = (self.window[0], self.window[1]) if self.window else None
        self.lines = lines_as_bytes(live_lines(metrics, self._charts, window))

    def _update_message(self, answer: Event | None, now: Progress) -> None:
        """Show the answer to the last command, and how the run ended."""
        if answer is not None and answer.seq > self._answered:
            self._answered = answer.seq
            self.message = answer_text(answer)
        error = None if self._launched is None else self._launched.error
        ending = ending_text(now) if error is None else str(error)
        if ending and ending not in self.message:
            self.message = f"{self.message} {ending}".strip()

    def _show_scenes(self, run: Run) -> None:
        taken = run.latest("snapshot")
        if self.scenes is not None and taken is not None and taken.seq > self._snapshot:
            self._snapshot = taken.seq
            if self._loop is None:
                self.scenes.refresh()
            else:  # Panel and its pointer events belong to the loop's thread
                self._loop.call_soon_threadsafe(self.scenes.refresh)

    @observe("window")
    def _on_window(self, change: Any) -> None:
        if self.run is not None:
            with self._lock:
                self._draw(self.run.series())

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Handle a message of a page: that it has opened, or a command."""
        if content.get("kind") == "here":  # perhaps after the run was resumed
            if not self._poller.alive and self.run is not None:
                self.refresh()
                if self.run.status is Status.RUNNING:
                    self._poller.start()
            return
        self.order(content["order"], content.get("value", 1.0))

    def order(self, name: str, value: float = 1.0) -> None:
        """Give the training a command; an error becomes the message.

        Args:
            name: "pause", "resume", "stop", "save" or "rate".
            value: factor of "rate".
        """
        try:
            if self.run is None:
                raise WorkbenchError(
                    "a training that has begun", "none yet", "wait for its first step"
                )
            control = Control(self.run)
            if name == RATE:
                control.rate(value)
            else:
                {PAUSE: control.pause, RESUME: control.resume, STOP: control.stop,
                 SAVE: control.save}[name]()  # fmt: skip
            self.message = f"Told it to {_COMMAND_TEXTS[name].format(value=value)} …"
        except UserError as error:
            self.message = str(error)

    def _ipython_display_(self) -> None:
        _close_earlier_monitor(self)
        data, metadata = self._repr_mimebundle_() or ({}, {})
        display(data, metadata=metadata, raw=True)
        if self.scenes is not None:
            self.scenes._ipython_display_()


def watch(watched: Watched, *, scenes: bool = False, geometry: str | Sequence[str] = ()) -> Monitor:
    """Watch a training in this cell, wherever it runs, also after its end.

    Args:
        watched: run, its folder, or the handle that `workbench.train` returns.
        scenes: show an explorer of the held-out scenes' affinities below, which follows the
            training from snapshot to snapshot; waits until the run has begun.
        geometry: names or patterns of layers whose width, dimension and angles are measured from
            now on, until another call names others; waits until the run has begun.

    Raises:
        WorkbenchError: there is no run at that path; with `geometry`, no training is running, or it
            is a loop of one's own, which takes no commands.
        BaseException: with `scenes`, the error that ended the training before there was a run.
    """
    if isinstance(watched, Path | str):
        watched = Run.open(watched)
    if geometry:
        Control(watched if isinstance(watched, Run) else _run_of(watched)).geometry(geometry)
    if not scenes:
        return Monitor(watched)
    explorer = AffinityExplorer(watched if isinstance(watched, Run) else _run_of(watched))
    explorer.follow = True
    return Monitor(watched, explorer)


def _run_of(launched: Launched) -> Run:
    """Run of a training, after waiting until it has begun.

    Raises:
        BaseException: the error that ended it before.
    """
    while not launched.begun and launched.alive:
        time.sleep(_RUN_POLL)
    if not launched.begun and launched.error is not None:
        raise launched.error
    return Run.open(launched.path)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Event loop of the kernel; None in a script."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_IN_CELLS: dict[str, Monitor] = {}
"""Monitor shown by each cell of the notebook, by the cell's id."""


def _close_earlier_monitor(monitor: Monitor) -> None:
    """Close the monitor that an earlier execution of this cell left: monitors would pile up."""
    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    before = _IN_CELLS.pop(cell, None)
    if before is not None and before is not monitor:
        before.close()
    _IN_CELLS[cell] = monitor
