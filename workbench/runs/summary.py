"""Summary of a run: how it stands, and the last, lowest and highest value of every measurement.

It is kept beside the log, see `kept`, so that a table of many runs reads one small file of each. A
run that goes on is summarised anew as it grows.
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from workbench.runs import Run, Status
from workbench.runs.alarms import Alarm, alarms
from workbench.runs.kept import Beginning, find_body, write_kept
from workbench.runs.progress import Facts, Progress, facts

KEPT = ".summary.cache"
"""Name of the kept file beside the log."""
MAIN = ("covering_best", "covering_average", "held_out_error", "loss")
"""Measurements by which runs are compared, the first that was taken."""
_MAGIC = b"workbench summary 2\n"  # another number where a field or a rule of the alarms changes
_LESS = ("loss", "error")
"""Words in the names of measurements that are to fall."""
_SHAPE = 24
"""Number of values in `Measure.shape`, at most."""


@dataclass(frozen=True)
class Measure:
    """A measurement in short; NaN and infinities are left out, of `last` only NaN.

    Attributes:
        count: number of values.
        step: step of the last one.
        last, lowest, highest: values.
        shape: means of equal stretches of the values, for a small picture.
    """

    count: int
    step: int
    last: float
    lowest: float
    highest: float
    shape: tuple[float, ...]


@dataclass(frozen=True)
class Summary:
    """Summary of a run as its log was when it was read.

    Attributes:
        beginning: what was read of the log.
        facts: times, steps and figures; `progress` says how it stands now.
        measures: measurements that have a value, by name.
        alarms: alarms that held, see `alarms`.
    """

    beginning: Beginning
    facts: Facts
    measures: dict[str, Measure] = field(default_factory=dict)
    alarms: tuple[Alarm, ...] = ()

    @property
    def main(self) -> str:
        """Name of the measurement by which the run is compared; "" where nothing was measured."""
        names = [*(name for name in MAIN if name in self.measures), *self.measures]
        return next(iter(names), "")

    def best(self, name: str) -> float | None:
        """Lowest value of a loss or an error, highest of anything else; None where there is none."""
        if name not in self.measures:
            return None
        own = self.measures[name]
        return own.lowest if any(word in name for word in _LESS) else own.highest

    def progress(self, now: float | None = None) -> Progress:
        """Progress of the run; a writer that has died meanwhile counts as interrupted.

        Args:
            now: seconds since 1970; default: the present time.
        """
        return self.facts.progress(now)

    def is_lost(self, now: Progress) -> bool:
        """Whether the run's writer ended without a word."""
        return now.status is Status.INTERRUPTED and self.facts.ending != Status.INTERRUPTED


def summary(run: Run, known: Summary | None = None) -> Summary:
    """Summary of a run: `known` or the kept one if the log is as it was, or else a new one.

    Raises:
        WorkbenchError: the run's events are damaged.
        OSError: the run has been deleted.
    """
    path, log = run.path / KEPT, run.log_path.stat()
    found = known if known is not None and known.beginning.is_all(log) else _read(path)
    if found is not None and found.beginning.is_all(log):
        return found
    beginning = run.beginning  # what is written from here on makes the summary an old one
    series = run.series()
    measures = {name: _measure(values) for name, values in series.items()}
    made = Summary(
        beginning,
        facts(run),
        {name: each for name, each in measures.items() if each is not None},
        tuple(alarms(series)),
    )
    if made.progress().status is not Status.RUNNING:
        write_kept(path, _MAGIC, [msgspec.msgpack.encode(made)])
    return made


def _read(path: Path) -> Summary | None:
    """Kept summary; None where there is none that is whole."""
    try:
        with path.open("rb") as file:
            if not find_body(file, _MAGIC):
                return None
            return msgspec.msgpack.decode(file.read(), type=Summary)
    except OSError:
        return None


def _measure(values: pd.Series) -> Measure | None:
    values = values.dropna()
    numbers = values.to_numpy()
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return None
    starts = np.unique(np.linspace(0, len(finite), _SHAPE + 1, dtype=np.int64)[:-1])
    means = np.add.reduceat(finite, starts) / np.diff(np.append(starts, len(finite)))
    return Measure(
        count=len(values),
        step=int(values.index[-1]),
        last=float(numbers[-1]),
        lowest=float(finite.min()),
        highest=float(finite.max()),
        shape=tuple(means.tolist()),
    )
