"""A training into a run folder: made, replaced or continued, and told when the training fails."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.config import LoopConfig
from workbench.training.devices import device_of
from workbench.training.processes import ranks

Began = Callable[[Run], None]
"""Is told of the run of a training, once it is there and before the first step."""
Config = TypeVar("Config", bound=LoopConfig)
Prepared = TypeVar("Prepared")
Fit = Callable[[Prepared, Config, Run, bool, bool], object]
"""Trains what was prepared; last, whether from the checkpoint on, and whether it prints."""


def train_into(
    prepare: Callable[[Config], Prepared],
    fit: Fit[Prepared, Config],
    config: Config,
    path: Path | str,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    began: Began | None = None,
) -> Run:
    """Train into a run folder, in as many processes as the configuration says.

    SIGINT and SIGTERM stop between two steps, with a checkpoint. `workbench.train` does it
    somewhere else, and comes back at once.

    Args:
        prepare: whatever can be wrong before there is a run; every process calls it, as it does
            `fit`, so both are a module's functions.
        fit: trains.
        config: how; when resuming, the run's own must be the same but for the device.
        path: of the run folder.
        resume: continue the run that is there.
        overwrite: delete the run that is there first.
        progress: whether a bar and what is seen of held-out samples are printed.
        began: called with the run once it is there.

    Raises:
        PipelineError: there is no finished store, or none of features.
        WorkbenchError: the weights, the stores or the run folder are not what they should be, or
            the training diverged.
    """
    prepared = prepare(config)
    run = _run_to_train(path, config, resume=resume, overwrite=overwrite)
    if began is not None:
        began(run)
    others = partial(_train_as_rank, config, prepare, fit, run.path, resume)
    with failures_on_record(run), ranks(config.processes, device_of(config.device).type, others):
        fit(prepared, config, run, resume, progress)
    return run


def _train_as_rank(
    config: Config,
    prepare: Callable[[Config], Prepared],
    fit: Fit[Prepared, Config],
    path: Path,
    resume: bool,
) -> None:
    """What a rank does that is not the caller's."""
    fit(prepare(config), config, Run.open(path), resume, False)


def _run_to_train(path: Path | str, config: LoopConfig, *, resume: bool, overwrite: bool) -> Run:
    """The run that a training writes to."""
    if resume:
        return _run_to_resume(path, config)
    if overwrite and Path(path).exists():
        Run.delete(path)
    return Run.create(path, config.to_dict())


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
