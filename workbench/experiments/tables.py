"""What resumable experiments share: a folder with one question, trainings that are gone on with.

A folder, a result and a training remember what was asked of them. Asked the same again, what is
there is taken; asked something else, it is refused by name and never used in silence.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status
from workbench.runs.files import atomic_write, read_json_object, to_json
from workbench.runs.plain import plain
from workbench.training.checkpoints import LATEST
from workbench.training.config import LoopConfig

PLACES = ("store", "weights", "start", "cache", "device", "micro_batch", "processes")
"""Settings of a training that say where, and not what: they may change when it goes on."""


def essence(config: LoopConfig) -> dict[str, Any]:
    """What of a training decides its outcome."""
    return {name: value for name, value in plain(config).items() if name not in PLACES}


def agree_on_question(folder: Path, question: Mapping[str, Any], what: str) -> None:
    """Have a folder answer one question: the first that it was asked.

    Args:
        folder: made if it is not there.
        question: values that have a JSON.
        what: is in the folder, for the message.

    Raises:
        WorkbenchError: it was asked another one.
    """
    path = folder / "question.json"
    if path.exists():
        then = read_json_object(path)
        refuse_other(then, question, f"{what} in {folder}", "ask the same, or give another --out")
        return
    with atomic_write(path) as file:
        file.write(to_json(dict(question)).encode())


def finished_run(config: LoopConfig, path: Path, label: str, train: Callable[..., Run]) -> Run:
    """The finished run at a path: as it is, gone on with, or made.

    Args:
        config: of the training.
        path: of the run folder.
        label: of the training, for messages.
        train: `train(config, path, resume=…, overwrite=…)` trains into a folder.

    Raises:
        WorkbenchError: the run there is of another training, or another process is at it.
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
            run.resume(0)  # which says whose it is
        else:
            tqdm.write(f"{label}: stopped before its first checkpoint, training anew in {path}")
            run = train(config, path, overwrite=True)
    if run.status is Status.INTERRUPTED:
        tqdm.write("Stopped at a checkpoint; the same command goes on.")
        raise KeyboardInterrupt
    return run


def refuse_other(then: Mapping[str, Any], now: Mapping[str, Any], what: str, remedy: str) -> None:
    """Make sure that what was asked before is what is asked now.

    Args:
        then: values that have a JSON.
        now: likewise.
        what: is held against them, for the message.
        remedy: what to do.

    Raises:
        WorkbenchError: they differ; the message names what.
    """
    changed = _changes(*(json.loads(to_json(values)) for values in (then, now)))
    if changed:
        raise WorkbenchError(f"what was asked before of {what}", "; ".join(changed), remedy)


def _changes(then: Any, now: Any, name: str = "") -> list[str]:
    """What differs in two trees of plain values, each by its place and the two values."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        pairs: Sequence[tuple[str, Any, Any]] = [
            (f"{name}.{key}" if name else str(key), then.get(key), now.get(key))
            for key in {**then, **now}
        ]
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        pairs = [(f"{name}[{i}]", a, b) for i, (a, b) in enumerate(zip(then, now, strict=True))]
    else:
        return [] if then == now else [f"{name} {to_json(now)}, was {to_json(then)}"]
    return [line for key, a, b in pairs for line in _changes(a, b, key)]


def digest_of(path: Path) -> str:
    """The beginning of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
