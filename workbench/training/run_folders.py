"""Trainings into run folders: created, replaced or continued, with failures recorded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.training.config import LoopConfig
from workbench.training.devices import device_of, threads
from workbench.training.processes import ranks

Began = Callable[[Run], None]
"""Function that is called with a training's run, before the first step."""
Config = TypeVar("Config", bound=LoopConfig)
Prepared = TypeVar("Prepared")
Fit = Callable[[Prepared, Config, Run, bool, bool], object]
"""Function that trains; last arguments: whether to resume from the checkpoint, and to print."""


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

    SIGINT and SIGTERM stop between two steps, with a checkpoint. `workbench.train` trains
    in the background and returns at once.

    Args:
        prepare: function that opens everything the training needs, before there is a run; every
            process calls it and `fit`, so both must be functions of a module.
        fit: function that trains.
        config: configuration; a resumed run's own may differ in the device and threads only.
        path: path of the run folder.
        resume: continue the existing run.
        overwrite: delete the existing run first.
        progress: whether a bar and the values measured on held-out samples are printed.
        began: function that is called with the run once it exists.

    Raises:
        PipelineError: there is no finished store, or none of features.
        WorkbenchError: the weights, the stores or the run folder do not fit, or the training
            diverged.
    """
    prepared = prepare(config)
    with threads(config.threads_chosen, said=progress):
        run = _run_to_train(path, config, resume=resume, overwrite=overwrite)
        if began is not None:
            began(run)
        others = partial(_train_as_rank, config, prepare, fit, run.path, resume)
        device = device_of(config.device).type
        with failures_on_record(run), ranks(config.processes, device, others):
            fit(prepared, config, run, resume, progress)
    return run


def _train_as_rank(
    config: Config,
    prepare: Callable[[Config], Prepared],
    fit: Fit[Prepared, Config],
    path: Path,
    resume: bool,
) -> None:
    """Run a rank that is not the caller's."""
    fit(prepare(config), config, Run.open(path), resume, False)


def _run_to_train(path: Path | str, config: LoopConfig, *, resume: bool, overwrite: bool) -> Run:
    """Run that a training writes to."""
    if resume:
        return _run_to_resume(path, config)
    if overwrite and Path(path).exists():
        Run.delete(path)
    return Run.create(path, config.to_dict())


def _run_to_resume(path: Path | str, config: LoopConfig) -> Run:
    run = Run.open(path)
    before = type(config).from_dict(run.config)
    if replace(before, device=config.device, threads=config.threads) != config:
        now, then = config.to_dict(), before.to_dict()
        changed = ", ".join(k for k in now if now[k] != then[k] and k not in ("device", "threads"))
        raise WorkbenchError(
            f"the configuration of {path}, to resume it",
            f"another {changed}",
            "resume with the same options, or train into another run folder",
        )
    return run


@contextmanager
def failures_on_record(run: Run) -> Iterator[None]:
    """Record the error that ends a run."""
    try:
        yield
    except BaseException as error:
        run.append("failed", None, error=f"{type(error).__name__}: {error}")
        raise
