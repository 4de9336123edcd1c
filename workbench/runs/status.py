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
    """Status of a run; interrupted if none of its events determines it.

    Args:
        status_events: events of the run of the kinds `STATUS_EVENTS`, in order.
        latest: last event of the run of any kind.
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
