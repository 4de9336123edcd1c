"""Workspace of one run or probe, and of a second one beside it."""

from collections import OrderedDict
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
import panel as pn
from bokeh.models.widgets import Div
from IPython.display import display

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.runs import Status
from workbench.widgets.explorers.sources import (
    Explored,
    ProbeSnapshots,
    SceneSnapshots,
    snapshots_of,
)
from workbench.widgets.shells.jupyter_shell import as_present, load_plots
from workbench.widgets.shells.main_thread import answer_in_main_thread
from workbench.widgets.workspace.canvas import Canvas
from workbench.widgets.workspace.charts import EigenvectorPictures, SpectrumChart, Timeline
from workbench.widgets.workspace.controls import Controls
from workbench.widgets.workspace.figures import figures_table
from workbench.widgets.workspace.measured import Measured, measured
from workbench.widgets.workspace.state import SEGMENTS, State
from workbench.widgets.workspace.view import View

INTERVAL = 2000
"""Milliseconds between two looks at the runs."""
HEIGHT = 720
"""Height of a workspace in a cell, screen pixels."""
_VIEWS = 6
"""Views kept: scrubbing back and forth costs nothing."""
_GREY = "color:#6d737c;padding:24px;font-size:14px"


class Workspace:
    """Large picture, spectrum, figures and timeline of a run or a probe, on one state.

    Args:
        run: run, its folder, or a probe.
        beside: second one, for comparison.
        state: selection to begin with; None: the first image at its last step.

    Attributes:
        state: the selection.
        message: reason why nothing, or something else than asked for, is shown; empty without one.
        view: what is shown; None where there is nothing.
        other: what is shown beside it; None where there is nothing.
    """

    def __init__(
        self, run: Explored, beside: Explored | None = None, state: State | None = None
    ) -> None:
        self.state = state or State()
        self.message = ""
        self.view: View | None = None
        self.other: View | None = None
        self._source = snapshots_of(run)
        self._beside = None if beside is None else snapshots_of(beside)
        self._measured, self._measured_beside = Measured(), Measured()
        self._views: OrderedDict[Any, View] = OrderedDict()
        self._steps: list[int] = []
        self._seen = -1
        self._writes = False
        self._timer: Any = None
        self._watchers: list[Any] = []
        self.controls = Controls(self.state)
        self.canvas, self.second = Canvas(self.state), Canvas(self.state)
        self.second.figure.x_range = self.canvas.figure.x_range
        self.second.figure.y_range = self.canvas.figure.y_range
        self.spectrum = SpectrumChart(self.state)
        self.vectors = EigenvectorPictures(self.state)
        self.timeline = Timeline(self.state)
        self._metric = pn.widgets.Select(label="Metric", width=200)
        # Not Panel's HTML panes: with each text they name style sheets on the network.
        self._figures = Div(sizing_mode="stretch_width")
        self._note = Div(sizing_mode="stretch_width", visible=False)
        self._canvases = [
            pn.pane.Bokeh(each.figure, sizing_mode="stretch_both")
            for each in (self.canvas, self.second)
        ]
        self._pictures = pn.Row(self._canvases[0], sizing_mode="stretch_both")
        self.refresh()
        self._watch()

    def _watch(self) -> None:
        def on(names: list[str], answer: Callable[[], None]) -> None:
            def unless_own(*_: object) -> None:
                if not self._writes:
                    answer()

            self._watchers.append(self.state.param.watch(unless_own, names))

        on(["image", "step", "affinity"], self._load)
        on(
            ["pixels", "overlay", "rows", "eigenvector", "cut", "k", "seed", "threshold"],
            self._repaint,
        )
        on(["annotator"], lambda: self._each(Canvas.outline))
        on(["opacity"], lambda: self._each(Canvas.fade))
        on(["metric"], self._draw_timeline)
        self._metric.param.watch(self._on_metric, "value")

    def _write(self, **values: Any) -> None:
        """Change the state without an answer of this workspace, which draws everything itself."""
        self._writes = True
        try:
            self.state.param.update(**values)
        finally:
            self._writes = False

    def close(self) -> None:
        """Stop to answer the state, which another workspace may go on with."""
        for watcher in [*self._watchers, *self.controls.watchers]:
            self.state.param.unwatch(watcher)

    def _on_metric(self, event: Any) -> None:
        if event.new:
            self.state.metric = event.new

    def _each(self, act: Callable[[Canvas], None]) -> None:
        for canvas in (self.canvas, self.second):
            act(canvas)

    def refresh(self) -> None:
        """Read what there is of the run: images, steps, measurements; follow its latest step."""
        source, state = self._source, self.state
        self._measured = measured(source)
        self._measured_beside = Measured() if self._beside is None else measured(self._beside)
        images = source.scenes()
        image = state.image if state.image in images else next(iter(images), "")
        steps = source.steps(image) if image else []
        latest = state.follow and state.step in self._steps[-1:]
        step = steps[-1] if steps and (latest or state.step not in steps) else state.step
        self._steps = steps
        names = self._measured.names
        metric = state.metric if state.metric in names else next(iter(names), "")
        self._metric.param.update(options=names, value=metric or None)
        self._write(image=image, step=step, metric=metric)
        self.controls.offer(
            images,
            {source.label(each): each for each in steps},
            source.words,
            isinstance(source, ProbeSnapshots),
        )
        self._load()
        self._draw_timeline()

    def _load(self) -> None:
        """Show the state's image at its step."""
        self._say("")
        self.view = self._viewed(self._source, self.state.step)
        nearest = self._nearest_step(self._beside)
        self.other = None if nearest is None else self._viewed(self._beside, nearest)
        if self.view is not None:
            inside = [p for p in self.state.pixels if self.view.contains(p)]
            if not inside:
                inside = [list(self.view.first_pixel())]
            self._write(pixels=inside)
        self.controls.show(self.view)
        shown = self._canvases[: 1 if self.other is None else 2]
        if list(self._pictures) != shown:
            self._pictures.objects = shown
        both = self.other is not None and self._beside is not None
        self.canvas.show(self.view, self._source.name if both else "")
        self.second.show(self.other, self._beside.name if self._beside is not None else "")
        self.spectrum.show(self.view, self.other)
        self.vectors.show(self.view)
        self.timeline.mark()
        self._write_figures()

    def _viewed(self, source: SceneSnapshots | None, step: int) -> View | None:
        image = self.state.image
        if source is None:
            return None
        try:
            if not source.scenes():
                raise WorkbenchError(
                    f"snapshots of {source.words[0]}s in {source.run.path}", "none yet",
                    source.advice,
                )  # fmt: skip
            source.affinity = self.state.affinity
            key = source.run.path, image, step, source.version(image, step)
            if key not in self._views:
                self._views[key] = View(source, image, step)
            self._views.move_to_end(key)
            while len(self._views) > _VIEWS:
                self._views.popitem(last=False)
            return self._views[key]
        except UserError as error:
            self._say(str(error))
            return None

    def _nearest_step(self, source: SceneSnapshots | None) -> int | None:
        if source is None or self.state.image not in source.scenes():
            return None
        return min(
            source.steps(self.state.image), key=lambda s: abs(s - self.state.step), default=None
        )

    def _repaint(self) -> None:
        self.canvas.paint()
        self.second.paint()
        if self.state.overlay != SEGMENTS:
            self._each(lambda canvas: canvas.outline())
        self.controls.show(self.view)
        self.vectors.mark()
        self.spectrum.mark()
        self._write_figures()

    def _write_figures(self) -> None:
        self._figures.text = figures_table(self.state, self.view, self.other)

    def _draw_timeline(self) -> None:
        name, found = self.state.metric, self._measured
        beside = self._measured_beside.values(name)
        self.timeline.show(found.values(name), beside, self._steps, list(found.alarms))
        self.timeline.figure.xaxis.axis_label = found.axis

    def _say(self, message: str) -> None:
        self.message = message
        self._note.text = f'<div style="{_GREY}">{escape(message)}</div>' if message else ""
        self._note.visible = bool(message)

    def panel(self, height: int | None = None) -> pn.Column:
        """Layout that fills its page, or a cell of some height in pixels."""
        bokeh = pn.pane.Bokeh
        left = pn.Column(
            self.controls.row,
            bokeh(self._note, sizing_mode="stretch_width"),
            self._pictures,
            sizing_mode="stretch_both",
        )
        right = pn.Column(
            bokeh(self.spectrum.figure, sizing_mode="stretch_width"),
            pn.GridBox(*(bokeh(each) for each in self.vectors.figures), ncols=3),
            bokeh(self._figures, sizing_mode="stretch_width"),
            width=330,
            sizing_mode="stretch_height",
            scroll=True,
        )
        below = pn.Row(
            pn.Column(self._metric, width=215),
            bokeh(self.timeline.figure, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )
        size: dict[str, Any] = {"sizing_mode": "stretch_both", "min_height": 560}
        if height is not None:
            size = {"sizing_mode": "stretch_width", "height": height}
        above = pn.Row(left, right, sizing_mode="stretch_both", min_height=380)
        return pn.Column(above, below, **size)

    def widget(self) -> ipywidgets.Widget:
        """Widget for a cell of JupyterLab; it follows a run that goes on."""
        if self._timer is None and self._source.run.status is Status.RUNNING:
            self._timer = pn.state.add_periodic_callback(self._follow, INTERVAL)
        return as_present(self.panel(HEIGHT))

    def _ipython_display_(self) -> None:
        answer_in_main_thread()
        load_plots()
        display(self.widget())

    def _follow(self) -> None:
        """Read news of a run that goes on, its last ones included."""
        going = self._source.run.status is Status.RUNNING
        events = self._source.run.events()
        seen = events[-1].seq if events else -1
        if seen != self._seen:
            self._seen = seen
            self.refresh()
        if not going and self._timer is not None:
            self._timer.stop()
            self._timer = None
