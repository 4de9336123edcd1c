"""What a hand does on a picture is answered in the kernel's main thread, one thing after the other.

JupyterLab (4.4 and later, with ipykernel 7) sends the messages of comms over subshells, of which
each is a thread; those of ipywidgets still come by the main one. What answers them here, and
Panel's and Bokeh's documents, are made for one thread: a patch is sent in several messages, which
two threads could mix up.

What opens a comm comes by the main thread, where it waits while a cell blocks the kernel, so the
comm's first messages may overtake it. The kernel would drop these, and the plot, which waits for an
answer before it sends what comes next, would keep a click to itself. Here they wait as well.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from IPython.core.getipython import get_ipython

_MAX_EARLY = 1000
"""Messages that wait at most; what pages from before a restart send waits in vain."""
_KERNELS: list[Any] = []
"""Those that have been seen to."""


def answer_in_main_thread() -> None:
    """From now on, have the running kernel take messages of comms to its main thread."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or kernel in _KERNELS:
        return
    _KERNELS.append(kernel)
    _Comms(kernel)


class _Comms:
    """The messages of a kernel's comms, each answered in the main thread and in its comm's order.

    Args:
        kernel: IPython's; its handlers are replaced.
    """

    def __init__(self, kernel: Any) -> None:
        self._loop, self._known = kernel.io_loop, kernel.comm_manager.comms
        self._early: deque[tuple[str, Callable[[], Any]]] = deque(maxlen=_MAX_EARLY)
        handlers = kernel.shell_handlers
        handlers["comm_open"] = partial(self._forward, self._on_open, handlers["comm_open"])
        for kind in ("comm_msg", "comm_close"):
            handlers[kind] = partial(self._forward, self._on_message, handlers[kind])

    def _forward(
        self,
        deliver: Callable[[str, Callable[[], Any]], None],
        handler: Callable[..., Any],
        stream: Any,
        identities: Any,
        message: Any,
    ) -> None:
        """Called in any thread."""
        context = copy_context()  # knows which message is answered
        answer = partial(context.run, handler, stream, identities, message)
        comm = message["content"]["comm_id"]
        if threading.current_thread() is threading.main_thread():
            deliver(comm, answer)
        else:
            self._loop.add_callback(deliver, comm, answer)

    def _on_open(self, comm: str, answer: Callable[[], Any]) -> None:
        answer()
        own = [each for each in self._early if each[0] == comm]
        for each in own:
            self._early.remove(each)
            each[1]()

    def _on_message(self, comm: str, answer: Callable[[], Any]) -> None:
        if comm in self._known:
            answer()
        else:
            self._early.append((comm, answer))
