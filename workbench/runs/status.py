"""Status of a run: running, or how it ended.

A killed writer cannot record its end. A run whose log has neither "finished" nor "failed" nor
"interrupted" is running if its process is alive; on another machine, whose processes cannot be
seen from here, if it has recorded anything recently.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import psutil

from workbench.runs.events import RESUMED, Event

STARTED = "started"
_SILENCE = 600.0
"""Seconds without an event after which a run on another machine counts as interrupted."""
_CLOCK = 10.0
"""Seconds by which a process's creation time may shift when the machine's clock is set."""


class Status(StrEnum):
    """Status of a run; the last three are also the kinds of the events that record them."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


def this_process() -> dict[str, Any]:
    """Identity of this process, from which a later reader can tell whether it is still alive.

    The creation time tells it from another process that gets the same number later.
    """
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
    }


STATUS_EVENTS = (STARTED, RESUMED, Status.FINISHED, Status.FAILED, Status.INTERRUPTED)
"""Kinds of the events that determine the status of a run."""


def status_of(status_events: Sequence[Event], latest: Event | None) -> Status:
    """Status of a run.

    Args:
        status_events: events of the run of the kinds `STATUS_EVENTS`, in order.
        latest: last event of the run of any kind.
    """
    last = status_events[-1] if status_events else None
    return status_now(
        "" if last is None else last.kind,
        None if last is None else last.fields.get("process"),
        None if latest is None else latest.time,
    )


def status_now(ending: str, process: Mapping[str, Any] | None, last: float | None) -> Status:
    """Status of a run; interrupted if nothing determines it.

    Args:
        ending: kind of its last event of the kinds `STATUS_EVENTS`; "": none.
        process: process that started or resumed it last.
        last: time of its last event of any kind, seconds since 1970.
    """
    if ending not in {"", STARTED, RESUMED}:
        return Status(ending)
    # Without events the machine died before its disk had the first line.
    alive = process is not None and last is not None and _is_alive(process, last)
    return Status.RUNNING if alive else Status.INTERRUPTED


def _is_alive(process: Mapping[str, Any], last_heard: float) -> bool:
    if process["host"] != socket.gethostname():
        return time.time() - last_heard < _SILENCE
    try:
        found = psutil.Process(process["pid"])
        same: bool = abs(found.create_time() - process["born"]) < _CLOCK
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
