"""Exports of a run to where people look: TensorBoard's event files, parquet, safetensors.

A run is only read. `feed` of `probe.TrainingRecord` is the hook for services that are fed while a
training goes on (W&B, MLflow).
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from workbench.errors import WorkbenchError
from workbench.runs.files import atomic_write
from workbench.runs.run import Run


def to_tensorboard(run: Run | Path | str, folder: Path | str) -> Path:
    """Write all measurements of a run as TensorBoard's scalars, and the images of its snapshots.

    Args:
        run: or its folder.
        folder: of the event file; `tensorboard --logdir` takes it, or one above it.

    Raises:
        WorkbenchError: tensorboard is not installed.
    """
    try:
        tensorboard: Any = import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise WorkbenchError(
            "tensorboard, to write its event files",
            "it is not installed",
            "pip install tensorboard",
        ) from error
    opened = _opened(run)
    times = opened.times()
    with tensorboard.SummaryWriter(str(folder)) as writer:
        for step, row in opened.metrics().iterrows():
            for name, value in row.dropna().items():
                writer.add_scalar(str(name), float(value), int(step), walltime=float(times[step]))
        for event in opened.events("snapshot"):
            assert event.step is not None
            name = event.fields["name"]
            arrays = opened.load_snapshot(event.step, name)
            if "image" in arrays:
                writer.add_image(
                    name, arrays["image"], event.step, walltime=event.time, dataformats="HWC"
                )
    return Path(folder)


def to_parquet(run: Run | Path | str, path: Path | str) -> Path:
    """Write all measurements as a table: a row a step, a column a name.

    Raises:
        WorkbenchError: pyarrow is not installed.
    """
    table = _opened(run).metrics()
    try:
        with atomic_write(Path(path)) as file:
            table.to_parquet(file)
    except ImportError as error:
        raise WorkbenchError(
            "pyarrow, to write parquet", "it is not installed", "pip install pyarrow"
        ) from error
    return Path(path)


def to_safetensors(run: Run | Path | str, path: Path | str) -> Path:
    """Write all measurements as arrays: `step`, and one (steps,) float64 array a name."""
    table = _opened(run).metrics()
    arrays = {str(name): np.ascontiguousarray(table[name].to_numpy(np.float64)) for name in table}
    with atomic_write(Path(path)) as file:
        file.write(save({"step": table.index.to_numpy(np.int64), **arrays}))
    return Path(path)


def _opened(run: Run | Path | str) -> Run:
    return run if isinstance(run, Run) else Run.open(run)
