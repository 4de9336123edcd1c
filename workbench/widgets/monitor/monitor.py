"""`workbench.watch(run)`: a training as it goes on, and the hand that holds it.

The monitor reads the run folder and writes commands into it: whether the training goes on in this
kernel, in another process or elsewhere, is all one to it, and so is a restart of the kernel. All
that its page shows is in traits, which a refreshed page asks for by itself: the cell need not run
again. It looks in a thread of its own, while the kernel is busy too, and ends with the run.
"""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import anywidget
import pandas as pd
from IPython.core.getipython import get_ipython
from IPython.display import display
from traitlets import Dict, Float, Int, List, Unicode, observe

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.runs import Control, Event, Run, Status
from workbench.runs.alarms import alarms
from workbench.runs.control import ANSWER, PAUSE, RATE, RESUME, SAVE, STOP
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
    PAUSE: "pause", RESUME: "go on", STOP: "stop", SAVE: "write a checkpoint",
    RATE: "learn at {value:g} times the schedule's rate",
}  # fmt: skip
_RUN_POLL = 0.05
"""Seconds between two looks for a run that is about to begin."""
_RECHECK = 2.0
"""Seconds after which a run that says nothing is looked at again: its process may have died."""


@runtime_checkable
class Launched(Protocol):
    """A training that was started here, and may have no run yet (`launch.train.Training`)."""

    @property
    def path(self) -> Path:
        """Of the run folder."""

    @property
    def alive(self) -> bool:
        """Whether it goes on, or has not begun yet."""

    @property
    def begun(self) -> bool:
        """Whether there is a run."""

    @property
    def error(self) -> BaseException | None:
        """What ended it, if an error did."""


Watched = Run | Path | str | Launched


class Monitor(anywidget.AnyWidget):
    """The live monitor of a run, as a widget.

    Attributes:
        run: that is watched; None before there is one.
        scenes: an explorer of its held-out scenes that follows the training, if asked for.
        name: of the run folder.
        path: of it.
        status: of the run, or "paused".
        facts: labels and values, in the order in which they are shown.
        fraction: of the steps that is done.
        factor: by which commands have changed the schedule's learning rate.
        alarms: what is wrong, as `runs.alarms` has it.
        message: what became of the last command, or what went wrong.
        figures: the charts, see `monitor_figures.document_of`.
        lines: values of the charts' lines, thinned; see `monitor_figures.lines_as_bytes`.
        last: the last step of which anything is recorded.
        window: the range of steps that is looked at; empty: all of them.
        library: Bokeh for browsers.
        version: of it.
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
        """Of a run, or of a training that may not have one yet; see `watch`."""
        self._lock = threading.RLock()  # a beat, and what a hand does meanwhile
        self._launched = None if isinstance(watched, Run) else watched
        self.run: Run | None = watched if isinstance(watched, Run) else None
        self.scenes = scenes
        self._loop = _running_loop()
        path = watched.path
        self._charts: tuple[Chart, ...] = ()
        self._state: tuple[int, int] | None = None  # the log at the last look: which, how long
        self._looked = 0.0
        self._answered, self._snapshot = 0, 0  # the last events told of
        super().__init__(name=path.name, path=str(path), library=bokeh_script())
        self.on_msg(self._on_message)
        self._poller = Poller(self._poll, f"watching {path.name}")
        self._poller.start()

    @property
    def alive(self) -> bool:
        """Whether it looks again by itself."""
        return self._poller.alive

    def refresh(self) -> None:
        """Look at the run now."""
        with self._lock, self.hold_sync():
            try:
                self._look()
            except UserError as error:
                self.message = str(error)

    def close(self) -> None:
        """Look no more; the page forgets the monitor."""
        self._poller.stop()
        super().close()

    def _poll(self) -> bool:
        """Look, if there may be something new; whether to go on."""
        launched = self._launched
        waiting = launched is not None and launched.alive  # asked before the run is looked at
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
                self.run = Run.open(self.run.path)  # another training took the place
            self._state, self._looked = state, time.monotonic()
            self.refresh()
        return going

    def _look(self) -> None:
        """Bring all traits to what the run says."""
        run = self.run
        assert run is not None, "look at a run that has begun"
        answer = run.latest(ANSWER)  # first: the status is then not older than the last word
        now, metrics = progress(run), run.metrics()
        self.status, self.facts = status_of(now), facts_of(now)
        self.fraction, self.factor = fraction_of(now), now.factor
        self.alarms = [vars(alarm) for alarm in alarms(metrics)]
        charts = measured_charts(metrics.columns)
        if charts != self._charts:
            self._charts, self.figures = charts, document_of(charts)
        self._draw(metrics)
        self.last = now.step
        self._update_message(answer, now)
        self._show_scenes(run)

    def _draw(self, metrics: pd.DataFrame) -> None:
        window = (self.window[0], self.window[1]) if self.window else None
        self.lines = lines_as_bytes(live_lines(metrics, self._charts, window))

    def _update_message(self, answer: Event | None, now: Progress) -> None:
        """The last word on commands, and on how the run ended."""
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
            else:  # Panel and the hands on its pictures live there
                self._loop.call_soon_threadsafe(self.scenes.refresh)

    @observe("window")
    def _on_window(self, change: Any) -> None:
        if self.run is not None:
            with self._lock:
                self._draw(self.run.metrics())

    def _on_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """What a page says: that it is there, or what was ordered on it."""
        if content.get("kind") == "here":  # perhaps again, after the run went on
            if not self._poller.alive and self.run is not None:
                self.refresh()
                if self.run.status is Status.RUNNING:
                    self._poller.start()
            return
        self.order(content["order"], content.get("value", 1.0))

    def order(self, name: str, value: float = 1.0) -> None:
        """Give the training a command; what is wrong with that becomes the message.

        Args:
            name: "pause", "resume", "stop", "save" or "rate".
            value: of "rate".
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


def watch(watched: Watched, *, scenes: bool = False) -> Monitor:
    """Watch a training, in the cell that this stands in; it can be going on, over, or elsewhere.

    Args:
        watched: a run, its folder, or what `workbench.train` gave.
        scenes: whether an explorer of the held-out scenes' affinities stands below, and follows
            the training from snapshot to snapshot. It waits for the run.

    Raises:
        WorkbenchError: there is no run at that path.
        BaseException: with `scenes`, the error that ended the training before there was a run.
    """
    if isinstance(watched, Path | str):
        watched = Run.open(watched)
    if not scenes:
        return Monitor(watched)
    explorer = AffinityExplorer(watched if isinstance(watched, Run) else _run_of(watched))
    explorer.follow = True
    return Monitor(watched, explorer)


def _run_of(launched: Launched) -> Run:
    """The run of a training, once it has begun.

    Raises:
        BaseException: the error that ended it before.
    """
    while not launched.begun and launched.alive:
        time.sleep(_RUN_POLL)
    if not launched.begun and launched.error is not None:
        raise launched.error
    return Run.open(launched.path)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The kernel's; None in a script."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


_IN_CELLS: dict[str, Monitor] = {}
"""The monitor that each cell of the notebook shows."""


def _close_earlier_monitor(monitor: Monitor) -> None:
    """Where a cell runs again, its earlier monitor ends: they would pile up."""
    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    if cell is None:
        return
    before = _IN_CELLS.pop(cell, None)
    if before is not None and before is not monitor:
        before.close()
    _IN_CELLS[cell] = monitor
