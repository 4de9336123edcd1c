"""What distributed logs when a call is interrupted before it has begun stays unsaid."""

import asyncio
import logging

import pytest
from tornado.ioloop import IOLoop

from pipelines.interruption import keep_quiet


def log(error: BaseException) -> None:
    try:
        raise error
    except BaseException:
        logging.getLogger("tornado.application").error("Exception in callback", exc_info=True)


def test_only_that_error_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    keep_quiet()
    keep_quiet()
    log(NameError("cannot access free variable 'future'", name="future"))
    assert not caplog.records
    log(NameError("name 'other' is not defined", name="other"))
    log(ValueError("future"))
    assert len(caplog.records) == 2


def test_it_is_what_an_unbegun_call_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A closure over a variable that is not there yet, called back by tornado, as distributed's."""
    keep_quiet()
    future: object

    called = []

    def cancel() -> None:
        called.append(True)
        assert future is not None

    async def once() -> None:
        IOLoop.current().add_callback(cancel)
        await asyncio.sleep(0.05)

    loop = IOLoop(make_current=False)
    loop.run_sync(once)
    loop.close()
    assert called
    assert not caplog.records
    future = None
