"""Checkpoints of a run: written atomically, read without running code in them."""

import pickle
from typing import Any

import torch

from workbench.errors import WorkbenchError
from workbench.runs import Run
from workbench.runs.files import atomic_write

LATEST = "latest.pt"


def save_checkpoint(run: Run, state: dict[str, Any]) -> None:
    """Replace the run's latest checkpoint, atomically."""
    with atomic_write(run.checkpoints / LATEST) as file:
        torch.save(state, file)


def load_checkpoint(run: Run, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Latest checkpoint of the run.

    Raises:
        WorkbenchError: there is none yet, or it cannot be read.
    """
    path = run.checkpoints / LATEST
    if not path.exists():
        raise WorkbenchError(
            f"a checkpoint at {path}",
            "none: the run stopped before its first pass ended",
            "train it again with --overwrite",
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WorkbenchError(
            "a readable checkpoint", f"{path}: {error}", "train the run again with --overwrite"
        ) from error
    return state
