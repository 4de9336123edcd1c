"""Work that takes seconds, done in small steps between which a kernel or an app goes on answering.

No thread: what the steps change is looked at by the same event loop, one after the other.
"""

import asyncio
from collections.abc import Callable

_PAUSE = 0.02
"""Seconds for other messages after a step."""


def gradually(step: Callable[[], bool]) -> None:
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
