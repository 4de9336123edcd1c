"""Named arrays of a run at a step: snapshots/<step>/<name>.safetensors."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from workbench.errors import WorkbenchError
from workbench.runs.files import atomic_write

Array = Shaped[np.ndarray, "..."]


def snapshot_path(folder: Path, step: int, name: str) -> Path:
    """Path of the arrays of that name and step.

    Raises:
        WorkbenchError: the name is not a valid file name.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise WorkbenchError(
            "a snapshot's name of letters, digits, '_', '-' and '.'", repr(name), "rename it"
        )
    return folder / f"{step:08d}" / f"{name}.safetensors"


def write_snapshot(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays, of any shape, atomically.

    Raises:
        WorkbenchError: an array is neither of numbers nor of booleans.
    """
    # safetensors copies the memory as it is, so it must be in C order.
    plain = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    for key, array in plain.items():
        if array.dtype.kind not in "biuf":
            raise WorkbenchError(
                "arrays of booleans, integers or floats", f"{key}: {array.dtype}", "convert it"
            )
    with atomic_write(path, sync=False) as file:
        file.write(save(plain))


def read_snapshot(path: Path, names: Sequence[str] = ()) -> dict[str, Array]:
    """Read arrays back, with their shapes and dtypes.

    Args:
        path: file of the snapshot.
        names: arrays to read, of those that there are; empty: all.

    Raises:
        WorkbenchError: the file does not exist or cannot be read.
    """
    try:
        if not names:
            return load_file(path)
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in names if name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise WorkbenchError(
            f"a snapshot at {path}", f"{error}", "see run.snapshots(name) for the steps there are"
        ) from error
