"""Processes for tests to kill: pipelines forked in milliseconds, and Dask's own command lines."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

PATIENCE = 30.0
"""Seconds after which what has not happened is a failure."""
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.reliability.victims"])


def fork(function: Callable[..., None], *arguments: Any) -> Any:
    """A process that calls a function of a module that can be imported; started."""
    process = FORKS.Process(target=_call, args=(function, arguments))
    process.start()
    return process


def _call(function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # As in a process that a user starts: semaphores are without a name, and end with it.
    multiprocessing.set_start_method("fork", force=True)
    function(*arguments)


def ended(process: Any) -> int:
    """How it ended: its exit code, or minus the signal."""
    process.join(PATIENCE)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        raise AssertionError(f"a process still ran after {PATIENCE} s")
    process.close()
    return int(code)


def eventually(what: str, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them have ended; nobody may have waited for some."""
    return not any(
        each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes
    )


@contextmanager
def dask(*command: str, log: Path) -> Iterator[subprocess.Popen]:
    """A `dask` command, killed with all that it started if it has not ended by the block's end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for each in family(process.pid):
            os.kill(each.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started and that still run."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
