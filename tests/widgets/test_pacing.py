"""Rate limits: the latest of many values is answered, and none is answered late."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from workbench.widgets.pacing import Latest

Runner = Callable[[Coroutine[Any, Any, None]], None]


def test_without_a_loop_every_value_is_answered() -> None:
    answered: list[int] = []
    latest = Latest(answered.append)
    for i in range(3):
        latest(i)
    assert answered == [0, 1, 2]


def test_in_a_loop_the_latest_replaces_what_waits(run_simulated: Runner) -> None:
    answered: list[int] = []

    async def play() -> None:
        latest = Latest(answered.append, interval=0.05)
        for burst in range(3):
            for i in range(10):
                latest(10 * burst + i)
            await asyncio.sleep(0.2)

    run_simulated(play())
    assert answered == [9, 19, 29]


def test_what_is_cancelled_is_not_answered(run_simulated: Runner) -> None:
    answered: list[int] = []

    async def play() -> None:
        latest = Latest(answered.append)
        latest(1)
        latest.cancel()
        await asyncio.sleep(0.05)
        latest(2)
        await asyncio.sleep(0.2)

    run_simulated(play())
    assert answered == [2]


def test_an_answer_that_fails_does_not_end_the_next_one(run_simulated: Runner) -> None:
    answered: list[int] = []

    def answer(value: int) -> None:
        if value == 1:
            raise ValueError
        answered.append(value)

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        latest = Latest(answer, interval=0.01)
        latest(1)
        await asyncio.sleep(0.1)
        latest(2)
        await asyncio.sleep(0.1)

    run_simulated(play())
    assert answered == [2]
