"""Adapters of a `TrainingRecord` to training loops of other libraries.

    Trainer(callbacks=[lightning_callback(training)])        # Lightning
    Trainer(..., callbacks=[transformers_callback(training)])  # Hugging Face

Each library is imported when its adapter is asked for.
"""

from importlib import import_module
from numbers import Real
from typing import Any

from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.probe.training import TrainingRecord


def lightning_callback(training: TrainingRecord) -> Any:
    """Callback for Lightning's `Trainer`: a step of the record after every batch.

    Values that the module logged for the batch are recorded with it, under the same names.

    Raises:
        WorkbenchError: Lightning is not installed.
    """
    base = _imported("lightning.pytorch", "pytorch_lightning").Callback

    class Recording(base):  # type: ignore[misc, valid-type]
        def on_train_batch_end(
            self, trainer: Any, module: Any, outputs: Any, batch: Any, number: int
        ) -> None:
            training.step(int(trainer.global_step), **_numbers(trainer.callback_metrics))

        def on_train_end(self, trainer: Any, module: Any) -> None:
            training.finish()

    return Recording()


def transformers_callback(training: TrainingRecord) -> Any:
    """Callback for Hugging Face's `Trainer`: a step of the record after every optimiser step.

    Values that the trainer logs (loss, learning rate, …) are recorded at its own steps.

    Raises:
        WorkbenchError: transformers is not installed.
    """
    base = _imported("transformers").TrainerCallback

    class Recording(base):  # type: ignore[misc, valid-type]
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            training.step(int(state.global_step))

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            training.log(int(state.global_step), **_numbers(logs or {}))

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            training.finish()

    return Recording()


def _imported(*names: str) -> Any:
    """First of some modules that is installed."""
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise WorkbenchError(
        f"{names[0]} installed", "it is not", f"pip install {names[0].partition('.')[0]}"
    )


def _numbers(values: Any) -> dict[str, float]:
    """Entries that are single numbers, by name."""
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, Real) or (isinstance(value, Tensor) and value.numel() == 1)
    }
