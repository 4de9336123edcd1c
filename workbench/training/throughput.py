"""Speed and memory of a training, written into the run every few seconds.

The values are "vitals" events and not measurements, because they depend on the machine, and a
resumed run has the same measurements as one without interruption.
"""

import time

import psutil
import torch

from workbench.runs import Run

KIND = "vitals"
EVERY = 5.0
"""Seconds between two events."""


class Throughput:
    """Counter of samples and seconds of steps, without evaluations and pauses.

    Args:
        run: run that gets the events.
        device: device of the training.
    """

    def __init__(self, run: Run, device: torch.device) -> None:
        self._run, self._device = run, device
        self._process = psutil.Process()
        self._samples, self._seconds = 0, 0.0
        self._next = 0.0  # the first step writes an event at once

    def add(self, step: int, samples: int, seconds: float) -> None:
        """Count a step, and write an event when it is due.

        Args:
            step: number of steps done, with this one.
            samples: samples of the step, on all ranks.
            seconds: duration of the step.
        """
        self._samples += samples
        self._seconds += seconds
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        rate = self._samples / max(self._seconds, 1e-9)
        self._run.append(KIND, step, samples_per_second=rate, **self._memory())
        self._samples, self._seconds = 0, 0.0

    def _memory(self) -> dict[str, int | str]:
        """Memory in bytes: peak of tensors on a GPU, present size of the process on a CPU."""
        if self._device.type == "cuda":
            return {"memory": torch.cuda.max_memory_allocated(self._device), "memory_of": "GPU"}
        return {"memory": self._process.memory_info().rss, "memory_of": "process"}
