"""Pointer events come faster than pictures can be drawn: only the latest counts.

A hand that moves over an image sends dozens of positions a second. Were each of them answered, the
answers would queue up and the picture would lag ever further behind the hand. Here a position that
comes while the last answer is still young replaces the one that is waiting.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

REST_FACTOR = 1.5
"""How long to wait after an answer, in times of what it took: other messages need their turn."""


class Latest(Generic[Value]):
    """Answers the latest of many values, not more often than `interval` and not late.

    Without a running event loop, as in a script, every value is answered at once.

    Args:
        answer: called with a value, in the loop of the call.
        interval: seconds between two answers, at least.
    """

    def __init__(self, answer: Callable[[Value], None], interval: float = 0.03) -> None:
        self._answer = answer
        self._interval = interval
        self._waiting: list[Value] = []  # none or one
        self._timer: asyncio.TimerHandle | None = None
        self._ready = 0.0  # when the next answer may be given, by the loop's clock

    def __call__(self, value: Value) -> None:
        """Have a value answered, now or soon, unless a later one comes first."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._answer(value)
            return
        self._waiting = [value]
        if self._timer is None:
            wait = max(0.0, self._ready - loop.time())
            self._timer = loop.call_later(wait, self._due, loop)

    def cancel(self) -> None:
        """Forget what is waiting."""
        self._waiting = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if not self._waiting:
            return
        (value,), self._waiting = self._waiting, []
        start = time.perf_counter()
        try:
            self._answer(value)
        finally:
            took = time.perf_counter() - start
            self._ready = loop.time() + max(self._interval, REST_FACTOR * took)


_PAUSE = 0.02
"""Seconds for other messages after a step."""


def run_in_steps(step: Callable[[], bool]) -> None:
    """Take steps until one returns False.

    In a running event loop this returns at once; without one, as in a script, when all is done.

    Args:
        step: takes the next one, a fraction of a second long; what it raises ends the work.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        while step():
            pass
        return

    def go_on() -> None:
        if step():
            loop.call_later(_PAUSE, go_on)

    loop.call_later(_PAUSE, go_on)


MIN_INTERVAL = 0.5
"""Seconds between two beats, at least."""
MAX_SHARE = 0.04
"""Of the time that beats may take: what trains in the same process is not to feel them."""
MAX_INTERVAL = 3.0
"""Seconds between two beats, at most: nobody waits longer than that to see something."""


class Poller:
    """Calls a function until it says that this is enough, or `stop` does.

    Args:
        poll: returns whether to go on; what it raises ends the poller.
        name: of the thread.
    """

    def __init__(self, poll: Callable[[], bool], name: str) -> None:
        self._poll, self._name = poll, name
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether it beats."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin, unless it beats already."""
        if not self.alive:
            self._stopped.clear()
            atexit.register(self.stop)
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End; wait for a poll that goes on, but not for longer than `timeout` seconds."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        going, before = True, 0.0
        try:
            while going and not self._stopped.is_set():
                start = time.perf_counter()
                going = self._poll()
                took = time.perf_counter() - start
                # The cheaper of two beats: one alone may have paid for what is made once.
                self._stopped.wait(
                    min(max(MIN_INTERVAL, min(took, before) / MAX_SHARE), MAX_INTERVAL)
                )
                before = took
        finally:
            atexit.unregister(self.stop)
