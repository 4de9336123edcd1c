"""Pace of a measurement between the steps of a training, which keeps a share of the time."""

import math
import time
from collections.abc import Callable

from workbench.errors import WorkbenchError

SHARE = 0.03
"""Share of the time of a training that measurements take: a promise of 0.05 has room for noise."""


class Pace:
    """Pace of measurements: every so many steps, or as often as a share of the time allows.

    Without a number of steps, these are the least of 1, 2, 5, 10, 20, 50, … that keep the share, so
    that two runs of the same training are measured at the same steps, nearly always. Between two
    measurements there always lies at least the last one's time over the share.

    Args:
        every: number of steps between two measurements; None: as the share allows.
        share: share of the time.
        clock: seconds.

    Raises:
        WorkbenchError: a number of steps that is not positive.
    """

    def __init__(
        self,
        every: int | None = None,
        share: float = SHARE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if every is not None and every < 1:
            raise WorkbenchError("a positive number of steps", f"every={every}", "raise it")
        self.every, self.share, self._clock = every, share, clock
        self._step: int | None = None
        self._ended = self._cost = 0.0

    def due(self, step: int) -> bool:
        """Whether to measure at a step: at the first one, and then at the pace."""
        if self._step is None:
            return True
        if step == self._step:
            return False
        if self.every is not None:
            return step % self.every == 0
        passed = self._clock() - self._ended
        if passed * self.share < self._cost or step < self._step:
            return False
        seconds = passed / (step - self._step)  # a step
        return step % round_up(self._cost / (self.share * seconds)) == 0

    def took(self, step: int, seconds: float) -> None:
        """Take note of a measurement that has just ended."""
        self._step, self._cost, self._ended = step, seconds, self._clock()


def round_up(steps: int | float) -> int:
    """Least of 1, 2, 5, 10, 20, 50, … that is not smaller."""
    if steps <= 1:
        return 1
    power = int(10 ** math.floor(math.log10(steps)))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= steps)
