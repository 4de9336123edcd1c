"""Rate limits: the latest of many pointer events, work in small steps or in a thread, polling.

A pointer that moves over an image sends dozens of positions a second, faster than pictures can be
drawn. If each were answered, the answers would queue up and the picture would lag behind more and
more. `Latest` therefore keeps one waiting position, and a newer one replaces it.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Generic, TypeVar

from pipelines.errors import UserError
from workbench.widgets.served import served_page

Value = TypeVar("Value")

REST_FACTOR = 1.5
"""Pause after an answer, as a multiple of its duration: other messages need their turn."""


class Latest(Generic[Value]):
    """Calls a function with the latest of many values, at most once an `interval`.

    Without a running event loop, as in a script, the function is called at once for every value.

    Args:
        answer: function that is called with a value, in the loop of the caller.
        interval: least seconds between two calls.
    """

    def __init__(self, answer: Callable[[Value], None], interval: float = 0.03) -> None:
        self._answer = answer
        self._interval = interval
        self._waiting: list[Value] = []  # none or one
        self._timer: asyncio.TimerHandle | None = None
        self._ready = 0.0  # time of the loop from which the next call is allowed

    def __call__(self, value: Value) -> None:
        """Answer a value now or soon, unless a later value comes first."""
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
        """Forget the waiting value."""
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
"""Seconds left to other messages after a step."""


def run_in_steps(step: Callable[[], bool]) -> None:
    """Call `step` until it returns False.

    In a running event loop this returns at once; without one, as in a script, after the last step.

    Args:
        step: does a fraction of a second of work; an error ends the work.
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
"""Least seconds between two polls."""
MAX_SHARE = 0.04
"""Largest share of the time spent in polls: a training in the same process is not slowed down."""
MAX_INTERVAL = 3.0
"""Most seconds between two polls: changes are shown after this time at the latest."""


class Poller:
    """Thread that calls a function again and again until it returns False or `stop` is called.

    Args:
        poll: function that returns whether to go on; an error ends the thread.
        name: name of the thread.
    """

    def __init__(self, poll: Callable[[], bool], name: str) -> None:
        self._poll, self._name = poll, name
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs already."""
        if not self.alive:
            self._stopped.clear()
            atexit.register(self.stop)
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Stop the thread; wait for a poll in progress, at most `timeout` seconds."""
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
                # The cheaper of two polls: one alone may include work that is done only once.
                self._stopped.wait(
                    min(max(MIN_INTERVAL, min(took, before) / MAX_SHARE), MAX_INTERVAL)
                )
                before = took
        finally:
            atexit.unregister(self.stop)


class InBackground:
    """Thread beside the event loop that computes what was asked for last.

    What was asked for before and has not begun is never computed; what has begun is dropped.
    Without a running event loop, as in a script, the caller waits.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, "computing")
        self._last: Future[Any] | None = None

    def __call__(
        self,
        compute: Callable[[], Value],
        deliver: Callable[[Value], None],
        failed: Callable[[str], None],
    ) -> None:
        """Compute a value, and deliver it in the caller's loop or its served page.

        Args:
            compute: function that is called in the thread.
            deliver: function that takes its value.
            failed: function that takes the sentence of an error; one that is no `UserError` or
                `OSError` is raised in the loop as well.
        """
        if self._last is not None:
            self._last.cancel()
        found = self._last = self._threads.submit(compute)
        answer = partial(self._answer, found, deliver, failed)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            wait([found])
            answer()
            return
        page = served_page()
        later = loop.call_soon_threadsafe if page is None else page.add_next_tick_callback
        found.add_done_callback(lambda _: later(answer))

    def _answer(
        self, found: Future[Value], deliver: Callable[[Value], None], failed: Callable[[str], None]
    ) -> None:
        if found is not self._last:
            return
        error = found.exception()
        if error is None:
            deliver(found.result())
            return
        failed(str(error))
        if not isinstance(error, UserError | OSError):
            raise error  # a fault of ours: the page says so, the log has all of it
