"""Whether a run is going on, and how it ended.

The log says what the writer lived to say. A run that says neither "finished" nor "failed" nor
"interrupted" is running if its process is alive; one on another machine, whose processes cannot be
seen from here, if it said anything lately.
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
"""Seconds by which a process's time of birth may shift when the machine's clock is set."""


class Status(StrEnum):
    """State of a run; the last three are also the kinds of the events that say so."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


def this_process() -> dict[str, Any]:
    """What a later reader needs to know whether this process is still alive.

    The time of birth tells it from another process that got the same number later.
    """
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
    }


STATUS_EVENTS = (STARTED, RESUMED, Status.FINISHED, Status.FAILED, Status.INTERRUPTED)
"""The kinds of events that say how a run stands."""


def status_of(status_events: Sequence[Event], latest: Event | None) -> Status:
    """The state of a run; interrupted if its events tell nothing of it.

    Args:
        status_events: its events of the kinds `STATUS_EVENTS`, in order.
        latest: its last event of any kind.
    """
    if not status_events or latest is None:  # the machine died before its disk had the first line
        return Status.INTERRUPTED
    last = status_events[-1]
    if last.kind not in {STARTED, RESUMED}:
        return Status(last.kind)
    alive = _is_alive(last.fields["process"], latest.time)
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
