"""Curves of one or more runs, and where the configurations of several differ."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets
import pandas as pd
import panel as pn
from bokeh.models.widgets import Div

from workbench.runs import Run
from workbench.widgets.served import in_one_message
from workbench.widgets.shells.jupyter_shell import as_present
from workbench.widgets.workspace.curves import SEEDS_ONLY, CurveChart, varied
from workbench.widgets.workspace.measured import Measured, of_run
from workbench.widgets.workspace.share import curves_picture, save_button
from workbench.widgets.workspace.state import AXES, MOST_CURVES, State
from workbench.widgets.workspace.training import TrainingBar

_USUAL = 4
"""Number of measurements that are drawn where none is chosen."""


class Compare:
    """Curves of runs over each other, the state of the first, and how their configurations differ.

    Args:
        runs: runs, at most `MOST_CURVES` of which are drawn.
        state: state of the workspace.
        names: names of the runs; default: those of their folders.

    Attributes:
        bar: state of the first run, and commands to it.
        charts: charts by measurement.
        differences: a row a field that differs, a column a run.
    """

    def __init__(
        self, runs: Sequence[Run], state: State | None = None, names: Sequence[str] = ()
    ) -> None:
        self.state = state or State()
        self._runs, self._names = list(runs)[:MOST_CURVES], [*names] or [r.path.name for r in runs]
        self._left_out = len(runs) - len(self._runs)
        self.charts: dict[str, CurveChart] = {}
        self.differences = pd.DataFrame()
        self.bar = TrainingBar(self._runs[0])
        self._measured: list[Measured] = []
        self._watchers: list[Any] = []
        self._busy = False
        state = self.state
        select, pick = pn.widgets.Select, pn.widgets.MultiChoice
        self._metrics = pick(label="Metrics", options=[], min_width=260, max_items=12)
        self._axis = pn.widgets.RadioButtonGroup.from_param(
            state.param.axis, options=list(AXES), align="end"
        )
        self._group = select(label="Average over", options=[], width=200)
        self._smooth = pn.widgets.FloatSlider.from_param(
            state.param.smooth, label="Smoothing", start=0, end=0.5, step=0.01, width=150
        )
        self._log = pn.widgets.Checkbox.from_param(
            state.param.logarithmic, label="Logarithmic", align="end"
        )
        self._table = pn.widgets.Tabulator(
            pd.DataFrame(), show_index=True, disabled=True, theme=state.table_theme, height=260,
            sizing_mode="stretch_width", layout="fit_data_fill", visible=False,
            configuration={"rowHeight": 24},
        )  # fmt: skip
        self._note = Div(sizing_mode="stretch_width")
        self._grid = pn.GridBox(ncols=2, sizing_mode="stretch_width")
        self._metrics.param.watch(self._choose("metrics"), "value")
        self._group.param.watch(self._choose("group"), "value")
        self._watch(["metrics", "logarithmic"], self._build)
        self._watch(["axis", "smooth", "group"], self._draw)
        self.refresh()

    @in_one_message()
    def refresh(self) -> None:
        """Read the runs again."""
        named = zip(self._runs, self._names, strict=False)
        self._measured = [of_run(run, name) for run, name in named]
        self.bar.refresh(list(self._measured[0].alarms.values()))
        names = list(dict.fromkeys(name for each in self._measured for name in each.names))
        fields = varied(self._measured)
        self.differences = pd.DataFrame(
            fields, index=[each.name for each in self._measured], dtype=object
        ).T
        groups = {"None": "", "Runs of equal configuration": SEEDS_ONLY}
        groups |= {f"Runs of one {name}": name for name in fields}
        state = self.state
        known = state.group if state.group in groups.values() else ""
        chosen = [name for name in state.metrics if name in names] or names[:_USUAL]
        self._busy = True
        self._group.param.update(options=groups, value=known)
        labels = {escape(name): name for name in names}  # a choice shows them as HTML
        self._metrics.param.update(options=labels, value=chosen)
        self._busy = False
        shown = self.differences.map(lambda value: "–" if value is None else escape(f"{value}"))
        shown.index = pd.Index([escape(f"{n}") for n in shown.index], name="configuration")
        shown.columns = [escape(f"{n}") for n in shown.columns]
        self._table.value = shown
        self._table.visible = len(self._runs) > 1 and not shown.empty
        self._group.visible = len(self._runs) > 1
        self._write_note(names)
        self._build()

    def table(self) -> pd.DataFrame:
        """Drawn curves, a row a point: measurement, run or group, place, value, band."""
        rows = [
            pd.DataFrame(
                {"metric": metric, "run": curve.name, self.state.axis: curve.values.index}
                | {name: values.to_numpy() for name, values in curve.columns().items()}
            )
            for metric, chart in self.charts.items()
            for curve in chart.curves
        ]
        return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()

    def _csv(self) -> bytes:
        return str(self.table().to_csv(index=False)).encode()

    def _svg(self) -> bytes:
        return curves_picture(self.charts, "svg")

    def _fail(self, error: Exception) -> None:
        self._note.text = f'<p style="margin:4px 8px">{escape(str(error))}</p>'

    def panel(self) -> pn.Column:
        """Layout of controls, charts and differences."""
        controls = pn.FlexBox(
            self._metrics,
            self._axis,
            self._smooth,
            self._log,
            self._group,
            save_button("Save CSV", "curves.csv", self._csv, self._fail),
            save_button("Save SVG", "curves.svg", self._svg, self._fail),
            align_items="end",
        )
        note = pn.pane.Bokeh(self._note, sizing_mode="stretch_width")
        return pn.Column(
            self.bar.layout,
            controls,
            note,
            self._grid,
            self._table,
            sizing_mode="stretch_both",
            scroll=True,
        )

    def widget(self) -> ipywidgets.Widget:
        """Widget for a cell of JupyterLab."""
        return as_present(self.panel())

    def close(self) -> None:
        """Stop to answer the state."""
        for watcher in self._watchers:
            self.state.param.unwatch(watcher)

    def _write_note(self, names: Sequence[str]) -> None:
        said = []
        if not names:
            said.append("No measurements yet: they come with the first steps.")
        if self._left_out:
            said.append(f"{self._left_out} more runs are chosen than the {MOST_CURVES} drawn.")
        if len(self._runs) > 1 and self.differences.empty:
            said.append("The configurations of these runs are the same.")
        self._note.text = f'<p style="margin:4px 8px">{" ".join(said)}</p>' if said else ""

    def _watch(self, names: list[str], answer: Callable[[], None]) -> None:
        answered = in_one_message()(answer)
        self._watchers.append(self.state.param.watch(lambda *_: answered(), names))

    def _choose(self, name: str) -> Callable[[Any], None]:
        def chosen(event: Any) -> None:
            if event.new is not None and not self._busy:
                setattr(self.state, name, event.new)

        return chosen

    def _build(self) -> None:
        """Make a chart for each chosen measurement."""
        names = [str(name) for name in self._metrics.value]
        self.charts = {name: CurveChart(self.state) for name in names}
        self._draw()
        self._grid.objects = [
            pn.pane.Bokeh(each.figure, sizing_mode="stretch_width", margin=4)
            for each in self.charts.values()
        ]

    def _draw(self) -> None:
        for name, chart in self.charts.items():
            chart.show(self._measured, name)
