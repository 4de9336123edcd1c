"""A heartbeat beside the kernel: looks again and again, in a thread that keeps nothing alive.

It stops before the kernel does: a kernel that shuts down closes its sockets, and nothing may be on
its way through them from another thread then.
"""

import atexit
import threading
import time
from collections.abc import Callable

INTERVAL = 0.5
"""Seconds between two beats, at least."""
SHARE = 0.04
"""Of the time that beats may take: what trains in the same process is not to feel them."""
MOST = 3.0
"""Seconds between two beats, at most: nobody waits longer than that to see something."""


class Pulse:
    """Calls a function until it says that this is enough, or `stop` does.

    Args:
        beat: returns whether to go on; what it raises ends the pulse.
        name: of the thread.
    """

    def __init__(self, beat: Callable[[], bool], name: str) -> None:
        self._beat, self._name = beat, name
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
        """End; wait for a beat that goes on, but not for longer than `timeout` seconds."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _run(self) -> None:
        going, before = True, 0.0
        try:
            while going and not self._stopped.is_set():
                start = time.perf_counter()
                going = self._beat()
                took = time.perf_counter() - start
                # The cheaper of two beats: one alone may have paid for what is made once.
                self._stopped.wait(min(max(INTERVAL, min(took, before) / SHARE), MOST))
                before = took
        finally:
            atexit.unregister(self.stop)
