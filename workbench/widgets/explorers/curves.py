"""Explorer of a run's measurements as curves, of any length.

The visible range of steps is thinned to as many points as a chart can show, with every spike kept
(`views.training.decimate`), and thinned again when the range changes: a hundred thousand steps cost
a browser no more than two thousand.
"""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import holoviews as hv
import pandas as pd
from holoviews.streams import RangeX
from traitlets import Unicode, observe

from workbench.errors import WorkbenchError
from workbench.runs import Run, Status
from workbench.views.style import as_chart, interactive
from workbench.views.training.curves import faint, line, smoothed
from workbench.views.training.decimate import thinned, visible
from workbench.widgets.shells.controls import Action, Choice, Control, Options
from workbench.widgets.shells.explorer import Explorer

_FIRST = ("loss", "covering_best", "alignment", "effective_rank_held_out")
"""Measurements that are shown first, if they were taken."""


class CurveExplorer(Explorer):
    """Explorer of two measurements of a run, one below the other, over the same steps.

    Attributes:
        upper, lower: names of measurements.
    """

    upper = Unicode()
    lower = Unicode()

    controls: ClassVar[tuple[Control, ...]] = (
        Choice("upper", "Metric"),
        Choice("lower", "Second metric"),
        Action("refresh", "Refresh"),
    )

    def __init__(self, run: Run | Path | str) -> None:
        """Open a run, given as `Run` or as its folder."""
        super().__init__()
        self.run = run if isinstance(run, Run) else Run.open(run)
        self.metrics: dict[str, pd.Series] = {}
        self._windows: dict[str, tuple[float, float] | None] = {}
        self._smooth: dict[str, pd.Series] = {}
        for name in ("upper", "lower"):
            answers = {RangeX: partial(self._scroll, name)}
            self._picture(name, partial(self._draw, name), answers)
        self.refresh()

    @property
    def ended(self) -> bool:
        """Whether the run writes no more records."""
        return self.run.status is not Status.RUNNING

    def options(self, name: str) -> Options:
        """Names of all measurements."""
        return {name: name for name in self.metrics}

    def refresh(self) -> None:
        """Read new measurements."""
        with self._errors_as_message():
            self.metrics = self.run.series()
            self._smooth = {}
            if not self.metrics:
                raise WorkbenchError(
                    f"measurements in {self.run.path}", "none yet", "refresh after its first step"
                )
            names = list(self.metrics)
            order = [name for name in _FIRST if name in names]
            order += [name for name in names if name not in order]
            with self.hold_trait_notifications():
                if self.upper not in names:
                    self.upper = order[0]
                if self.lower not in names:
                    self.lower = order[min(1, len(order) - 1)]
            self.readout = self._figures()
        self._update_options()
        self._redraw()

    @observe("upper", "lower")
    def _on_choice(self, change: Any) -> None:
        self._windows[change["name"]] = None
        self._redraw(change["name"])

    def _scroll(self, which: str, x_range: tuple[float, float] | None) -> None:
        # Drawing sets the range, which comes back as an event: only a changed range counts.
        if x_range is not None and x_range != self._windows.get(which):
            self._windows[which] = x_range
            self._redraw(which)

    def _draw(self, which: str) -> hv.Overlay:
        name = getattr(self, which)
        if name not in self.metrics:
            nothing = pd.Series(dtype=float)
            drawn = faint(nothing, "value") * line(nothing, "value")
            return interactive(as_chart(drawn.relabel("nothing measured yet")), chart=True)
        values = self.metrics[name].dropna()
        if name not in self._smooth:
            self._smooth[name] = smoothed(values)
        window = self._windows.get(which)
        parts = [thinned(visible(each, window)) for each in (values, self._smooth[name])]
        drawn = (faint(parts[0], "value") * line(parts[1], "value")).relabel(name)
        limits = window or (float(values.index.min()), max(float(values.index.max()), 1.0))
        return interactive(as_chart(drawn, ylabel=name, xlim=limits), chart=True)

    def _figures(self) -> str:
        found = ((name, values.dropna()) for name, values in self.metrics.items())
        return f"step {self.run.step}, {self.run.status}: " + ", ".join(
            f"{name} {values.iloc[-1]:.4g}" for name, values in found if len(values)
        )
