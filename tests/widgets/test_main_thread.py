"""Messages of comms, whichever thread they come by, are answered in one."""

import asyncio
import contextvars
import threading
from types import SimpleNamespace

import pytest
from tornado.ioloop import IOLoop

from workbench.widgets import main_thread
from workbench.widgets.main_thread import answer_in_main_thread

PARENT = contextvars.ContextVar("PARENT", default="nothing")


def test_messages_of_other_threads_come_to_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, int, str, threading.Thread]] = []

    async def kernel_runs() -> None:
        def handler(kind: str):
            return lambda number: heard.append(
                (kind, number, PARENT.get(), threading.current_thread())
            )

        kinds = ("comm_open", "comm_msg", "comm_close", "execute_request")
        before = {kind: handler(kind) for kind in kinds}
        kernel = SimpleNamespace(shell_handlers=dict(before), io_loop=IOLoop.current())
        monkeypatch.setattr(main_thread, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
        answer_in_main_thread()
        after = dict(kernel.shell_handlers)
        answer_in_main_thread()
        assert kernel.shell_handlers == after, "once is enough"
        assert after["execute_request"] is before["execute_request"]

        def subshell() -> None:
            PARENT.set("a click")
            for number, kind in enumerate(kinds[:3]):
                kernel.shell_handlers[kind](number)

        await asyncio.to_thread(subshell)
        kernel.shell_handlers["comm_msg"](3)
        while len(heard) < 4:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(kernel_runs(), 60))
    assert {thread for *_, thread in heard} == {threading.main_thread()}
    clicks = [each[:3] for each in heard if each[2] == "a click"]
    assert clicks == [
        (k, i, "a click") for i, k in enumerate(("comm_open", "comm_msg", "comm_close"))
    ]


def test_without_a_kernel_there_is_nothing_to_do() -> None:
    answer_in_main_thread()
