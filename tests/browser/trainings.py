"""Trainings in miniature, and the patience to see what becomes of them."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.models import ArchitectureConfig
from workbench.runs import Control, Run, Status
from workbench.training.scenes.config import DeepNCutsConfig

PATIENCE = 60
"""Seconds for a training to do what it was told; far more than it takes."""


def small(store: Path, passes: int) -> DeepNCutsConfig:
    """A network that takes a step in some hundredths of a second, with two scenes held out."""
    return DeepNCutsConfig(
        store=str(store),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        learning_rate=3e-3,
        head_multiplier=1.0,
        passes=passes,
        holdout=2,
    )


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"it has not come about: {what}"
        time.sleep(0.02)


def goes_on(run: Run, steps: int = 3) -> None:
    """Wait until a training has taken some more steps."""
    goal = run.step + steps
    eventually(lambda: run.step >= goal, f"step {goal}")


def stopped(path: Path) -> None:
    """Whatever may go on there ends."""
    with suppress(WorkbenchError):  # it never began, or has ended
        Control(path).stop()
        eventually(lambda: Run.open(path).status is not Status.RUNNING, "the end of the training")
