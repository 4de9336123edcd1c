"""What a trainer does between two steps: hear what it was told, the same on every rank.

Rank 0 reads the run's commands (`runs.control`); the others learn of them in a small exchange, and
a signal to any of them counts for all. A paused training goes on exchanging, so that no rank waits
longer for another than a poll takes.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from workbench.runs import Run
from workbench.runs.control import ANSWER, PAUSE, RATE, RESUME, SAVE, STOP, Command, Inbox

POLL = 0.05
"""Seconds between two looks for commands while paused."""
HEARTBEAT = 120.0
"""Seconds after which a paused run says that it is there: a silent one on another machine counts
as interrupted (`runs.status`)."""

Exchange = Callable[[Sequence[float]], list[float]]
"""Sums numbers over all ranks."""


class Orders(NamedTuple):
    """What all ranks do before the next step.

    Attributes:
        stop: end here, with a checkpoint.
        save: write a checkpoint.
        paused: then ask again instead of taking the step.
        factor: of the schedule's learning rates.
    """

    stop: bool
    save: bool
    paused: bool
    factor: float


class Ear:
    """Hears commands and signals.

    Args:
        run: of the training.
        rank: this process's; 0 reads and answers.
        exchange: sums over the ranks; the identity where there is one only.
        factor: of the learning rates, from the checkpoint.
    """

    def __init__(self, run: Run, rank: int, exchange: Exchange, factor: float = 1.0) -> None:
        self._run, self._exchange = run, exchange
        self._inbox = Inbox(run) if rank == 0 else None
        self._paused, self._factor = False, factor
        self._known = factor
        """The factor that was last told."""
        self._unheard: list[Command] = []
        """What came while the training was not between two steps."""
        self._heard: list[Command] = []
        """What waits for the answer that it was obeyed."""
        self._last_word = time.monotonic()

    def hear(self, step: int, signalled: threading.Event) -> Orders:
        """What to do now; while paused, it waits until something is to be done or has changed.

        Args:
            step: at which the training stands.
            signalled: set where the process was asked to stop.
        """
        while True:
            orders = self._agreed(signalled)
            if orders.stop or orders.save or not orders.paused or orders.factor != self._known:
                self._known = orders.factor
                return orders
            self.answer(step)
            self._stay_alive(step)
            signalled.wait(POLL)

    def asked_to_stop(self, signalled: threading.Event) -> bool:
        """Whether the next `hear` will say so; for rank 0, in the middle of something long."""
        if self._inbox is not None:
            self._unheard += self._inbox.take()
        return signalled.is_set() or any(each.name == STOP for each in self._unheard)

    def answer(self, step: int) -> None:
        """Write down that everything heard so far was obeyed."""
        for command in self._heard:
            value = {"value": command.value} if command.name == RATE else {}
            self._run.append(ANSWER, step, command=command.name, id=command.id, **value)
            self._last_word = time.monotonic()
        self._heard = []

    def _agreed(self, signalled: threading.Event) -> Orders:
        """Read what is new, and tell the others."""
        new = [] if self._inbox is None else self._unheard + self._inbox.take()
        self._unheard = []
        for command in new:
            if command.name in (PAUSE, RESUME):
                self._paused = command.name == PAUSE
            elif command.name == RATE:
                self._factor = command.value
        self._heard += new
        names = {command.name for command in new}
        told = (0.0, 0.0, 0.0, 0.0)  # what a rank adds that does not read
        if self._inbox is not None:
            told = float(STOP in names), float(SAVE in names), float(self._paused), self._factor
        stop, save, paused, self._factor = self._exchange([told[0] + signalled.is_set(), *told[1:]])
        return Orders(stop > 0, save > 0, paused > 0, self._factor)

    def _stay_alive(self, step: int) -> None:
        if self._inbox is not None and time.monotonic() - self._last_word > HEARTBEAT:
            self._run.append("paused", step)
            self._last_word = time.monotonic()


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a stop falls between two steps.

    A second SIGINT interrupts at once. Signals belong to the main thread: elsewhere nothing is set.
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
