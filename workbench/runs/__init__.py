"""Durable record of a run, which every view, widget and report reads."""

from workbench.runs.control import Control
from workbench.runs.events import Event
from workbench.runs.run import Run
from workbench.runs.status import Status

__all__ = ["Control", "Event", "Run", "Status"]
