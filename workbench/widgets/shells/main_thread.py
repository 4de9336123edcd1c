"""Comm messages, for example pointer events, are answered one by one in the kernel's main thread.

JupyterLab (4.4 and later, with ipykernel 7) sends the messages of comms over subshells, each of
which is a thread; messages of ipywidgets still come by the main one. Code that answers them, and
Panel's and Bokeh's documents, are made for one thread: a patch is sent in several messages, which
two threads could interleave.

The message that opens a comm comes by the main thread and waits there while a cell blocks the
kernel, so the comm's first messages may arrive earlier. The kernel would drop them, and the plot,
which waits for an answer before it sends the next message, would ignore clicks. Here they are kept
until the comm is open.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from IPython.core.getipython import get_ipython

_MAX_EARLY = 1000
"""Most messages kept; messages of pages from before a restart are never answered."""
_KERNELS: list[Any] = []
"""Kernels whose handlers are replaced already."""


def answer_in_main_thread() -> None:
    """Make the running kernel answer messages of comms in its main thread from now on."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or kernel in _KERNELS:
        return
    _KERNELS.append(kernel)
    _Comms(kernel)


class _Comms:
    """Handlers that answer a kernel's comm messages in the main thread, in the order of each comm.

    Args:
        kernel: kernel of IPython, whose handlers are replaced.
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
        """Handle a message; called in any thread."""
        context = copy_context()  # holds the message that is answered
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
