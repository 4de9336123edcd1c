"""Trainings of a table's columns: settings that decide their outcome, and how they continue."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.runs import Run, Status
from workbench.runs.plain import plain
from workbench.runs.questions import refuse_other
from workbench.training.checkpoints import LATEST
from workbench.training.config import LoopConfig

PLACES = ("store", "weights", "start", "cache", "device", "micro_batch", "threads", "processes")
"""Settings of a training that do not decide its outcome: they may change when it continues."""


def essence(config: LoopConfig) -> dict[str, Any]:
    """Settings of a training that decide its outcome, without its kind, which the table states."""
    return {name: value for name, value in plain(config).items() if name not in PLACES}


def finished_run(config: LoopConfig, path: Path, label: str, train: Callable[..., Run]) -> Run:
    """Finished run at a path: as it is, continued, or trained anew.

    Args:
        config: configuration of the training.
        path: path of the run folder.
        label: name of the training, for messages.
        train: `train(config, path, resume=…, overwrite=…)` trains into a folder.

    Raises:
        WorkbenchError: the existing run is of another training, or another process works on it.
        KeyboardInterrupt: SIGINT or SIGTERM stopped the training, which has a checkpoint.
    """
    if not path.exists():
        tqdm.write(f"{label}: training into {path}")
        run = train(config, path)
    else:
        run = Run.open(path)
        then = type(config).from_dict(run.config)
        refuse_other(
            essence(then),
            essence(config),
            label,
            f"ask the same, give another --out, or delete {path}",
        )
        if run.status is Status.FINISHED:
            tqdm.write(f"{label}: trained before, in {path}")
            return run
        if (run.checkpoints / LATEST).exists():
            tqdm.write(f"{label}: going on in {path}")
            run = train(replace(then, device=config.device), path, resume=True)
        elif run.status is Status.RUNNING:
            run.resume(0)  # raises an error that names the process
        else:
            tqdm.write(f"{label}: stopped before its first checkpoint, training anew in {path}")
            run = train(config, path, overwrite=True)
    if run.status is Status.INTERRUPTED:
        tqdm.write("Stopped at a checkpoint; the same command goes on.")
        raise KeyboardInterrupt
    return run
