"""Pointer events come faster than pictures can be drawn: only the latest counts.

A hand that moves over an image sends dozens of positions a second. Were each of them answered, the
answers would queue up and the picture would lag ever further behind the hand. Here a position that
comes while the last answer is still young replaces the one that is waiting.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

REST = 1.5
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
            self._ready = loop.time() + max(self._interval, REST * took)
