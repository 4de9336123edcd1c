"""Measurements of a run along its steps, or of a probe along its layers, for the timeline."""

from dataclasses import dataclass, field

import pandas as pd

from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.runs.alarms import alarms
from workbench.widgets.explorers.sources import ProbeSnapshots, SceneSnapshots

_FIRST = ("loss", "covering_average", "effective rank")
"""Measurements that are shown first, where they were taken."""


@dataclass(frozen=True)
class Measured:
    """Measurements along the steps of a run, or along the layers of a probe.

    Attributes:
        table: a row a step, a column a measurement; NaN where it was not taken.
        alarms: sentences by step.
        axis: what the rows are.
    """

    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    alarms: dict[int, str] = field(default_factory=dict)
    axis: str = "step"

    @property
    def names(self) -> list[str]:
        """Names of the measurements, the usual ones first."""
        names = [str(name) for name in self.table.columns]
        return [n for n in _FIRST if n in names] + [n for n in names if n not in _FIRST]

    def values(self, name: str) -> pd.Series:
        """A measurement without its gaps; empty where it was not taken."""
        if name not in self.table:
            return pd.Series(dtype=float)
        return self.table[name].dropna()


def measured(source: SceneSnapshots) -> Measured:
    """Measurements of the run or probe behind a source of snapshots."""
    return _of_layers(source.probe) if isinstance(source, ProbeSnapshots) else _of_run(source.run)


def _of_run(run: Run) -> Measured:
    table = run.metrics()
    return Measured(table, {each.step: str(each) for each in alarms(table)})


def _of_layers(probe: Probe) -> Measured:
    rows = [
        {
            "effective rank": each.effective_rank,
            "stable rank": each.stable_rank,
            "mean cosine": each.mean_cosine,
        }
        for each in probe.statistics.values()
    ]
    return Measured(pd.DataFrame(rows, index=range(1, len(rows) + 1)), {}, "layer")
