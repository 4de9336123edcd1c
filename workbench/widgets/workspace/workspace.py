"""Workspace over a library of runs, probes and stores."""

from collections import OrderedDict
from html import escape
from typing import Any

import pandas as pd
import panel as pn
import param

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.widgets.explorers.sources import ProbeSnapshots, SceneSnapshots, snapshots_of
from workbench.widgets.page.library import Library
from workbench.widgets.workspace.canvas import Canvas
from workbench.widgets.workspace.charts import EigenvectorPictures, SpectrumChart, Timeline
from workbench.widgets.workspace.controls import Controls
from workbench.widgets.workspace.figures import figures_table
from workbench.widgets.workspace.measured import Measured, measured
from workbench.widgets.workspace.runs import RunTable
from workbench.widgets.workspace.state import SEGMENTS, State
from workbench.widgets.workspace.view import View

INTERVAL = 2000
"""Milliseconds between two looks at the runs."""
_VIEWS = 6
"""Views kept: scrubbing back and forth costs nothing."""
_GREY = "color:#6d737c;padding:24px;font-size:14px"


class Workspace:
    """Table of runs, large picture, spectrum, figures and timeline on one state.

    Args:
        library: runs, probes and stores.
        state: selection to begin with; None: the first run, its first image, its last step.

    Attributes:
        state: the selection.
        message: reason why nothing, or something else than asked for, is shown; empty without one.
        view: what is shown; None where there is nothing.
        beside: the same of the second run.
    """

    def __init__(self, library: Library, state: State | None = None) -> None:
        self.library = library
        self.state = state or State()
        self.message = ""
        self.view: View | None = None
        self.beside: View | None = None
        self._source: SceneSnapshots | None = None
        self._other: SceneSnapshots | None = None
        self._measured, self._measured_beside = Measured(), Measured()
        self._views: OrderedDict[Any, View] = OrderedDict()
        self._seen = -1
        self.controls = Controls(self.state)
        self.canvas, self.second = Canvas(self.state), Canvas(self.state)
        self.second.figure.x_range = self.canvas.figure.x_range
        self.second.figure.y_range = self.canvas.figure.y_range
        self.spectrum = SpectrumChart(self.state)
        self.vectors = EigenvectorPictures(self.state)
        self.timeline = Timeline(self.state)
        self.table = RunTable(library, self.state)
        self._metric = pn.widgets.Select(name="Metric", width=200)
        self._figures = pn.pane.HTML("", sizing_mode="stretch_width")
        self._note = pn.pane.HTML("", sizing_mode="stretch_width", visible=False)
        self._canvases = [
            pn.pane.Bokeh(each.figure, sizing_mode="stretch_both")
            for each in (self.canvas, self.second)
        ]
        self._pictures = pn.Row(self._canvases[0], sizing_mode="stretch_both")
        self._watch()
        if self.table.entry(self.state.run) is None:
            first = next((e for e in library.entries() if not e.store), None)
            self.state.run = "" if first is None else first.name
        self._open()

    def _watch(self) -> None:
        watch = self.state.param.watch
        watch(lambda *_: self._open(), ["run", "beside"])
        watch(lambda *_: self._load(), ["image", "step", "affinity"])
        watch(lambda *_: self._repaint(), ["pixels", "overlay", "rows", "eigenvector", "cut", "k",
                                          "seed", "threshold"])  # fmt: skip
        watch(lambda *_: self._each(lambda canvas: canvas.outline()), "annotator")
        watch(lambda *_: self._each(lambda canvas: canvas.fade()), "opacity")
        watch(lambda *_: self._draw_timeline(), ["metric"])
        self._metric.param.watch(self._on_metric, "value")

    def _on_metric(self, event: Any) -> None:
        if event.new:
            self.state.metric = event.new

    def _each(self, act: Any) -> None:
        for canvas in (self.canvas, self.second):
            act(canvas)

    def refresh(self) -> None:
        """Read the states of all runs, and new records of the one that is shown."""
        self.table.refresh()
        if self._source is None:
            return
        events = self._source.run.events()
        seen = events[-1].seq if events else -1
        if seen != self._seen:
            self._seen = seen
            self._read()

    def _open(self) -> None:
        """Open the state's run, and the one beside."""
        self._source, self._other = self._opened(self.state.run), self._opened(self.state.beside)
        self._views.clear()
        self._seen = -1
        if self._source is not None:
            events = self._source.run.events()
            self._seen = events[-1].seq if events else -1
        self._read()

    def _opened(self, name: str) -> SceneSnapshots | None:
        entry = self.table.entry(name)
        if entry is None or entry.store:
            return None
        try:
            return snapshots_of(self.library.run(entry.path))
        except UserError as error:
            self._say(str(error))
            return None

    def _read(self) -> None:
        """Read what there is of the run: images, steps, measurements."""
        source, state = self._source, self.state
        self._measured = Measured() if source is None else measured(source)
        self._measured_beside = Measured() if self._other is None else measured(self._other)
        images = [] if source is None else source.scenes()
        image = state.image if state.image in images else next(iter(images), "")
        steps = source.steps(image) if source is not None and image else []
        latest = state.step == self._latest(steps[:-1]) or state.step not in steps
        step = steps[-1] if steps and latest and state.follow else state.step
        step = step if step in steps or not steps else steps[-1]
        labels = {} if source is None else {source.label(each): each for each in steps}
        names = self._measured.names
        metric = state.metric if state.metric in names else next(iter(names), "")
        self._metric.param.update(options=names, value=metric or None)
        self.controls.offer(
            images, labels, ("image", "step") if source is None else source.words,
            isinstance(source, ProbeSnapshots),
        )  # fmt: skip
        before = state.image, state.step
        state.param.update(image=image, step=step, metric=metric)
        if before == (image, step):
            self._load()
        self._draw_timeline()

    @staticmethod
    def _latest(steps: list[int]) -> int | None:
        return steps[-1] if steps else None

    def _load(self) -> None:
        """Show the state's image at its step."""
        self._say("")
        self.view = self._viewed(self._source, self.state.step)
        other = self._nearest_step(self._other)
        self.beside = None if other is None else self._viewed(self._other, other)
        if self.view is not None:
            inside = [p for p in self.state.pixels if self.view.contains(p)]
            if not inside:
                inside = [list(self.view.first_pixel())]
            with param.parameterized.discard_events(self.state):
                self.state.pixels = inside
        self.controls.show(self.view)
        shown = self._canvases[: 1 if self.beside is None else 2]
        if list(self._pictures) != shown:
            self._pictures.objects = shown
        self.canvas.show(self.view)
        self.second.show(self.beside)
        self.spectrum.show(self.view, self.beside)
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
        self._figures.object = figures_table(self.state, self.view, self.beside)

    def _draw_timeline(self) -> None:
        source = self._source
        steps = source.steps(self.state.image) if source is not None and self.state.image else []
        name, measured = self.state.metric, self._measured
        beside: pd.Series = self._measured_beside.values(name)
        self.timeline.show(measured.values(name), beside, steps, list(measured.alarms))
        self.timeline.figure.xaxis.axis_label = measured.axis

    def _say(self, message: str) -> None:
        self.message = message
        self._note.object = f'<div style="{_GREY}">{escape(message)}</div>' if message else ""
        self._note.visible = bool(message)

    def panel(self) -> pn.Column:
        """Layout of the workspace, which fills its page or cell."""
        bokeh = pn.pane.Bokeh
        left = pn.Column(
            self.table.widget, pn.layout.Divider(), self._figures, width=330,
            sizing_mode="stretch_height", scroll=True,
        )  # fmt: skip
        middle = pn.Column(
            self.controls.where, self.controls.how, self._note,
            self._pictures,
            sizing_mode="stretch_both",
        )  # fmt: skip
        right = pn.Column(
            bokeh(self.spectrum.figure, sizing_mode="stretch_width"),
            pn.GridBox(*(bokeh(each) for each in self.vectors.figures), ncols=3),
            width=330, sizing_mode="stretch_height", scroll=True,
        )  # fmt: skip
        below = pn.Row(
            pn.Column(self._metric, width=215),
            bokeh(self.timeline.figure, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )
        return pn.Column(
            pn.Row(left, middle, right, sizing_mode="stretch_both", min_height=460),
            below,
            sizing_mode="stretch_both",
        )
