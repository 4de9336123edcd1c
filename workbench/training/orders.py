"""Commands between two steps of a training, the same on every rank.

Rank 0 reads the run's commands (`runs.control`); the others receive them in a small exchange, and
a signal to any rank counts for all. A paused training continues these exchanges, so that no rank
waits longer for another than `POLL`.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from workbench.runs import Run
from workbench.runs.control import ANSWER, GEOMETRY, PAUSE, RATE, RESUME, SAVE, STOP, Command, Inbox

POLL = 0.05
"""Seconds between two readings of commands while paused."""
HEARTBEAT = 120.0
"""Seconds after which a paused run writes an event: a run on another machine without events
counts as interrupted (`runs.status`)."""

Exchange = Callable[[Sequence[float]], list[float]]
"""Function that sums numbers over all ranks."""


class Orders(NamedTuple):
    """Orders that all ranks follow before the next step.

    Attributes:
        stop: end here, with a checkpoint.
        save: write a checkpoint.
        paused: ask again in place of taking the step.
        factor: factor of the schedule's learning rates.
        layers: layers whose geometry is to be measured from now on, for rank 0; None: as before.
    """

    stop: bool
    save: bool
    paused: bool
    factor: float
    layers: tuple[str, ...] | None = None


class Ear:
    """Receiver of commands and signals.

    Args:
        run: run of the training.
        rank: rank of this process; 0 reads commands and answers them.
        exchange: sum over the ranks; the identity for a single one.
        factor: factor of the learning rates, from the checkpoint.
    """

    def __init__(self, run: Run, rank: int, exchange: Exchange, factor: float = 1.0) -> None:
        self._run, self._exchange = run, exchange
        self._inbox = Inbox(run) if rank == 0 else None
        self._paused, self._factor = False, factor
        self._known = factor
        """Factor in the latest orders that `hear` returned."""
        self._unheard: list[Command] = []
        """Commands that came while the training was not between two steps."""
        self._heard: list[Command] = []
        """Commands whose execution is not answered yet."""
        self._last_word = time.monotonic()

    def hear(self, step: int, signalled: threading.Event) -> Orders:
        """Orders for now; while paused, waits until there is something to do or the factor changed.

        Args:
            step: present step of the training.
            signalled: event that is set when the process was asked to stop.
        """
        while True:
            orders = self._agreed(signalled)
            changed = orders.factor != self._known or orders.layers is not None
            if orders.stop or orders.save or not orders.paused or changed:
                self._known = orders.factor
                return orders
            self.answer(step)
            self._stay_alive(step)
            signalled.wait(POLL)

    def asked_to_stop(self, signalled: threading.Event) -> bool:
        """Whether the next `hear` will order a stop; for rank 0, during long work between steps."""
        if self._inbox is not None:
            self._unheard += self._inbox.take()
        return signalled.is_set() or any(each.name == STOP for each in self._unheard)

    def answer(self, step: int, error: str = "") -> None:
        """Record that all commands heard so far were executed.

        Args:
            step: present step of the training.
            error: reason why the geometry of the layers cannot be measured; empty where it can.
        """
        for command in self._heard:
            more: dict[str, object] = {}
            if command.name == RATE:
                more = {"value": command.value}
            elif command.name == GEOMETRY:
                more = {"layers": command.layers, "error": error}
            self._run.append(ANSWER, step, command=command.name, id=command.id, **more)
            self._last_word = time.monotonic()
        self._heard = []

    def _agreed(self, signalled: threading.Event) -> Orders:
        """Orders from new commands, exchanged with the other ranks."""
        new = [] if self._inbox is None else self._unheard + self._inbox.take()
        self._unheard = []
        for command in new:
            if command.name in (PAUSE, RESUME):
                self._paused = command.name == PAUSE
            elif command.name == RATE:
                self._factor = command.value
        self._heard += new
        names = {command.name for command in new}
        chosen = [command.layers for command in new if command.name == GEOMETRY]
        told = (0.0, 0.0, 0.0, 0.0)  # contribution of ranks that read no commands
        if self._inbox is not None:
            told = float(STOP in names), float(SAVE in names), float(self._paused), self._factor
        stop, save, paused, self._factor = self._exchange([told[0] + signalled.is_set(), *told[1:]])
        return Orders(stop > 0, save > 0, paused > 0, self._factor, chosen[-1] if chosen else None)

    def _stay_alive(self, step: int) -> None:
        if self._inbox is not None and time.monotonic() - self._last_word > HEARTBEAT:
            self._run.append("paused", step)
            self._last_word = time.monotonic()


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Event that SIGINT and SIGTERM set, so that a stop falls between two steps.

    A second SIGINT interrupts at once. Outside the main thread no signal sets the event.
    """
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
