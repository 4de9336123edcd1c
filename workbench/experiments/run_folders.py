"""The run folder of a training: made, replaced or continued, and told when the training fails."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.config import LoopConfig

Began = Callable[[Run], None]
"""Is told of the run of a training, once it is there and before the first step."""


def run_to_train(path: Path | str, config: LoopConfig, *, resume: bool, overwrite: bool) -> Run:
    """The run that a training writes to.

    Args:
        path: of the run folder.
        config: of the training.
        resume: the run is there, with the same configuration but for the device.
        overwrite: delete the run that is there first.

    Raises:
        WorkbenchError: there is a run, or none, or another training's, or one that goes on.
    """
    if resume:
        return _run_to_resume(path, config)
    if overwrite and Path(path).exists():
        shutil.rmtree(_run_to_delete(path).path)
    return Run.create(path, config.to_dict())


def _run_to_delete(path: Path | str) -> Run:
    """Only a run is ever deleted, and none that another process is writing."""
    run = Run.open(path)
    run.refuse_to_disturb()
    return run


def _run_to_resume(path: Path | str, config: LoopConfig) -> Run:
    run = Run.open(path)
    before = type(config).from_dict(run.config)
    if replace(before, device=config.device) != config:
        now, then = config.to_dict(), before.to_dict()
        changed = ", ".join(k for k in now if now[k] != then[k] and k != "device")
        raise WorkbenchError(
            f"the configuration of {path}, to resume it",
            f"another {changed}",
            "resume with the same options, or train into another run folder",
        )
    return run


@contextmanager
def failures_on_record(run: Run) -> Iterator[None]:
    """A run that dies says of what."""
    try:
        yield
    except BaseException as error:
        run.append("failed", None, error=f"{type(error).__name__}: {error}")
        raise
