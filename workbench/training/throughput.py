"""How fast a training goes and what memory it takes, written down every few seconds.

In "vitals" events, and not among the measurements: these are of the machine, and a resumed run's
measurements are those of one that was never interrupted.
"""

import time

import psutil
import torch

from workbench.runs import Run

KIND = "vitals"
EVERY = 5.0
"""Seconds between two events."""


class Throughput:
    """Counts samples and seconds of steps; looks and pauses are not in them.

    Args:
        run: where events go.
        device: that is trained on.
    """

    def __init__(self, run: Run, device: torch.device) -> None:
        self._run, self._device = run, device
        self._process = psutil.Process()
        self._samples, self._seconds = 0, 0.0
        self._next = 0.0  # the first step is told of at once

    def add(self, step: int, samples: int, seconds: float) -> None:
        """Take in a step, and write an event where it is time for one.

        Args:
            step: after it.
            samples: that it saw, on all ranks.
            seconds: that it took.
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
        """Bytes: the peak of tensors on a GPU, on a CPU all that the process holds now."""
        if self._device.type == "cuda":
            return {"memory": torch.cuda.max_memory_allocated(self._device), "memory_of": "GPU"}
        return {"memory": self._process.memory_info().rss, "memory_of": "process"}
