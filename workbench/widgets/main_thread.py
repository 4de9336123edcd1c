"""What a hand does on a picture is answered in the kernel's main thread, one thing after the other.

JupyterLab (4.4 and later, with ipykernel 7) sends the messages of comms over subshells, of which
each is a thread; those of ipywidgets still come by the main one. What answers them here, and
Panel's and Bokeh's documents, are made for one thread: a patch is sent in several messages, which
two threads could mix up.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from IPython.core.getipython import get_ipython

_TYPES = ("comm_open", "comm_msg", "comm_close")
_KERNELS: list[Any] = []
"""Those that have been seen to."""


def answer_in_main_thread() -> None:
    """From now on, have the running kernel take messages of comms to its main thread."""
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or kernel in _KERNELS:
        return
    _KERNELS.append(kernel)
    for kind in _TYPES:
        kernel.shell_handlers[kind] = _in_main_thread(kernel.shell_handlers[kind], kernel.io_loop)


def _in_main_thread(handler: Callable[..., Any], loop: Any) -> Callable[..., Any]:
    """The handler, called in the loop of the main thread.

    Args:
        handler: of messages of one type.
        loop: tornado's, of the main thread.
    """

    def hand_over(*message: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            return handler(*message)
        context = contextvars.copy_context()  # has the message that is answered
        loop.add_callback(context.run, handler, *message)
        return None

    return hand_over
