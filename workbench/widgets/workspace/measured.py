"""Measurements of a run along its steps, or of a probe along its layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.runs.summary import summary
from workbench.widgets.explorers.sources import ProbeSnapshots, SceneSnapshots
from workbench.widgets.workspace.state import PASS, TIME

_FIRST = (
    "loss", "covering_average", "covering_best", "held_out_error", "effective rank",
    "effective_rank", "rank", "learning_rate",
)  # fmt: skip
"""Measurements that are shown first, where they were taken."""


@dataclass(frozen=True)
class Measured:
    """Measurements along the steps of a run, or along the layers of a probe.

    Attributes:
        series: measurements by name, each at the steps where it was taken.
        alarms: sentences by step.
        axis: what the rows are.
        per_pass: steps of a pass over the samples; None where it is unknown.
        hours: time of each step since the start, hours.
        config: configuration of the run, nested fields joined by dots.
        name: name of the run.
    """

    series: Mapping[str, pd.Series] = field(default_factory=dict)
    alarms: dict[int, str] = field(default_factory=dict)
    axis: str = "step"
    per_pass: int | float | None = None
    hours: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))
    config: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def names(self) -> list[str]:
        """Names of the measurements, the usual ones first."""
        names = list(self.series)
        return [n for n in _FIRST if n in names] + [n for n in names if n not in _FIRST]

    @property
    def table(self) -> pd.DataFrame:
        """A row a step, ascending, and a column a measurement; NaN where it was not taken."""
        return pd.DataFrame(dict(self.series)).sort_index()

    def values(self, name: str, axis: str = "") -> pd.Series:
        """A measurement without its gaps; empty where it was not taken.

        Args:
            name: name of the measurement.
            axis: what it is indexed by: steps, passes over the samples, or hours since the start;
                empty where the run does not know its passes.
        """
        if name not in self.series:
            return pd.Series(dtype=float)
        values = self.series[name].dropna()
        if axis == PASS:
            if not self.per_pass:
                return pd.Series(dtype=float)
            return pd.Series(values.to_numpy(), values.index / self.per_pass)
        if axis == TIME:
            hours = self.hours.reindex(values.index)
            values = pd.Series(values.to_numpy(), hours.to_numpy(float))
            return values[np.isfinite(values.index)].sort_index()
        return values


def measured(source: SceneSnapshots) -> Measured:
    """Measurements of the run or probe behind a source of snapshots."""
    return _of_layers(source.probe) if isinstance(source, ProbeSnapshots) else of_run(source.run)


def of_run(run: Run, name: str = "") -> Measured:
    """Measurements of a training.

    Args:
        run: its run.
        name: name under which it is shown; default: that of its folder.
    """
    found, times = summary(run), run.times()
    return Measured(
        run.series(), {each.step: str(each) for each in found.alarms},
        per_pass=found.facts.per_pass, hours=(times - times.min()) / 3600,
        config=flat(run.config), name=name or run.path.name,
    )  # fmt: skip


def flat(config: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Configuration as one level, nested names joined by dots."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = value
    return found


def _of_layers(probe: Probe) -> Measured:
    rows = [
        {
            "effective rank": each.effective_rank,
            "stable rank": each.stable_rank,
            "mean cosine": each.mean_cosine,
        }
        for each in probe.statistics.values()
    ]
    table = pd.DataFrame(rows, index=range(1, len(rows) + 1))
    series = {str(name): table[name] for name in table}
    return Measured(series, {}, "layer", config=flat(probe.run.config), name=probe.run.path.name)
