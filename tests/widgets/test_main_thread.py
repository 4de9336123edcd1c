"""Messages of comms, whichever thread they come by, are answered in one, and in their order."""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from workbench.widgets.shells import main_thread
from workbench.widgets.shells.main_thread import answer_in_main_thread

PARENT = contextvars.ContextVar("PARENT", default="nothing")


class Kernel:
    """As much of IPython's as handlers see; `heard`: kind, comm, text, context and thread.

    Args:
        opened: comms that it knows.
    """

    def __init__(self, *opened: str) -> None:
        self.heard: list[tuple[str, str, str, str, threading.Thread]] = []
        self.comm_manager = SimpleNamespace(comms=dict.fromkeys(opened))
        kinds = ("comm_open", "comm_msg", "comm_close", "execute_request")
        self.shell_handlers = {kind: self._handler(kind) for kind in kinds}
        self.io_loop = IOLoop.current()

    def say(self, kind: str, comm: str, text: str = "") -> None:
        """A message as the shell or a subshell hands it over, in its own thread."""
        PARENT.set(text)
        self.shell_handlers[kind](None, [], {"content": {"comm_id": comm, "text": text}})

    def from_subshell(self, *messages: tuple[str, str, str]) -> None:
        """Messages out of one other thread."""

        def run() -> None:
            for message in messages:
                self.say(*message)

        subshell = threading.Thread(target=run)
        subshell.start()
        subshell.join()

    def _handler(self, kind: str) -> Callable[..., None]:
        def handle(stream: Any, identities: Any, message: Any) -> None:
            content = message["content"]
            if kind == "comm_open":
                self.comm_manager.comms[content["comm_id"]] = None
            said = (kind, content["comm_id"], content["text"])
            self.heard.append((*said, PARENT.get(), threading.current_thread()))

        return handle


def heard_by(
    monkeypatch: pytest.MonkeyPatch, story: Callable[[Kernel], Awaitable[None] | None], *opened: str
) -> list[tuple[str, str, str, str, threading.Thread]]:
    """What a kernel answers, once its loop has had its turn, to what comes in a story."""

    async def run() -> Kernel:
        kernel = Kernel(*opened)
        monkeypatch.setattr(main_thread, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
        answer_in_main_thread()
        told = story(kernel)
        if told is not None:
            await told
        await turn()
        return kernel

    return asyncio.run(run()).heard


async def turn() -> None:
    """Give the loop the turns in which it takes what other threads have handed over."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_messages_of_other_threads_come_to_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(kernel: Kernel) -> None:
        kernel.from_subshell(("comm_msg", "plot", "click"), ("comm_close", "plot", "gone"))
        kernel.say("comm_msg", "plot", "widget")

    found = heard_by(monkeypatch, story, "plot")
    assert {each[-1] for each in found} == {threading.main_thread()}
    assert {each[:4] for each in found} == {
        ("comm_msg", "plot", "click", "click"),
        ("comm_close", "plot", "gone", "gone"),
        ("comm_msg", "plot", "widget", "widget"),
    }


def test_what_overtakes_the_opening_of_its_comm_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(kernel: Kernel) -> None:
        kernel.from_subshell(
            ("comm_msg", "plot", "sizes"),
            ("comm_msg", "other", "lost"),
            ("comm_msg", "plot", "tap"),
        )
        await turn()
        assert kernel.heard == [], "neither comm is open"
        kernel.say("comm_open", "plot")  # by the main shell, once its cell is done
        kernel.from_subshell(("comm_msg", "plot", "later"))

    found = [each[:4] for each in heard_by(monkeypatch, story)]
    assert found == [
        ("comm_open", "plot", "", ""),
        ("comm_msg", "plot", "sizes", "sizes"),
        ("comm_msg", "plot", "tap", "tap"),
        ("comm_msg", "plot", "later", "later"),
    ]


def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_thread, "_MAX_EARLY", 3)

    def story(kernel: Kernel) -> None:
        for number in range(5):
            kernel.say("comm_msg", "old page", str(number))
        kernel.say("comm_open", "old page")

    found = heard_by(monkeypatch, story)
    assert [each[2] for each in found] == ["", "2", "3", "4"]


def test_a_kernel_is_seen_to_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(kernel: Kernel) -> None:
        before = dict(kernel.shell_handlers)
        answer_in_main_thread()
        assert kernel.shell_handlers == before

    assert heard_by(monkeypatch, story) == []


def test_other_messages_keep_their_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    def story(kernel: Kernel) -> None:
        kernel.from_subshell(("execute_request", "", "import this"))

    ((*_, thread),) = heard_by(monkeypatch, story)
    assert thread is not threading.main_thread()


def test_without_a_kernel_there_is_nothing_to_do() -> None:
    answer_in_main_thread()
