"""Workspace of a run or probe, and of others beside it."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets
import panel as pn
from bokeh.models.widgets import Div
from IPython.display import display

from pipelines.errors import UserError
from workbench.runs import Status
from workbench.widgets.explorers.sources import Explored, ProbeSnapshots, snapshots_of
from workbench.widgets.served import in_one_message
from workbench.widgets.shells.jupyter_shell import as_present, load_plots, load_tables
from workbench.widgets.shells.main_thread import answer_in_main_thread
from workbench.widgets.workspace.blocks import BlockMatrix
from workbench.widgets.workspace.canvas import Canvas, link_canvases
from workbench.widgets.workspace.charts import EigenvectorPictures, SpectrumChart, Timeline
from workbench.widgets.workspace.controls import Controls
from workbench.widgets.workspace.figures import figures_table
from workbench.widgets.workspace.geometry import GeometryChart
from workbench.widgets.workspace.images import ImageTable, Look
from workbench.widgets.workspace.keys import HELP, Keys
from workbench.widgets.workspace.measured import Measured, measured
from workbench.widgets.workspace.photos import can_segment, photo_snapshot
from workbench.widgets.workspace.share import Share
from workbench.widgets.workspace.sides import Sides
from workbench.widgets.workspace.state import (
    BLOCKS,
    GEOMETRY,
    IMAGES,
    MOST_CANVASES,
    MOST_CURVES,
    SEGMENTS,
    SPECTRUM,
    State,
)
from workbench.widgets.workspace.view import View

INTERVAL = 2000
"""Milliseconds between two looks at the runs."""
HEIGHT = 720
"""Height of a workspace in a cell, screen pixels."""
_FRAME = 150
"""Milliseconds between two steps that are played."""
_SHRINKS = {"min-height": "0"}
"""Style of a layout that gives way to the window: flexible boxes else keep their content's size."""
_GREY = "color:#6d737c;padding:10px 24px;font-size:14px"


class Workspace:
    """Large pictures, spectrum, figures and timeline of a run or a probe, on one state.

    Args:
        runs: run, its folder, or a probe; or several of these, the main one first.
        state: selection to begin with; None: the first image at its last step.
        names: names of the runs; default: those of their folders.
        look: function that makes the snapshot of an evaluated image whose own was not kept.

    Attributes:
        state: the selection.
        message: reason why nothing, or something else than asked for, is shown; empty without one.
        views: what is shown, the main one first; None where something cannot be read.
    """

    def __init__(
        self,
        runs: Explored | Sequence[Explored],
        state: State | None = None,
        names: Sequence[str] = (),
        look: Look | None = None,
    ) -> None:
        self.state = state or State()
        self.message = ""
        self._take(runs, names)
        self._writes = False
        self._rows: list[list[Any]] = []
        self._timer: Any = None
        self._player: Any = None
        self._watchers: list[Any] = []
        self.controls = Controls(self.state)
        self.canvases = [Canvas(self.state) for _ in range(MOST_CANVASES)]
        link_canvases(self.canvases)
        self.spectrum = SpectrumChart(self.state)
        self.blocks = BlockMatrix(self.state)
        self.images = ImageTable(self.state, self._sides.main, look, self._fail)
        self.geometry = GeometryChart(self.state)
        self.vectors = EigenvectorPictures(self.state)
        self.timeline = Timeline(self.state)
        self.keys = Keys(self.state, self.open_photo, self._fail, self._toggle_help)
        self.share = Share(
            self.state, self.shown, lambda: self._measured[0].table, self._paths, self._fail
        )
        self._metric = pn.widgets.Select(label="Metric", width=200)
        # Not Panel's HTML panes: with each text they name style sheets on the network.
        self._figures = Div(sizing_mode="stretch_width")
        self._note = Div(sizing_mode="stretch_width", visible=False)
        self._help = Div(text=_keys_table(), visible=False)
        self._panes = [
            pn.pane.Bokeh(each.figure, sizing_mode="stretch_both") for each in self.canvases
        ]
        self._timeline = pn.pane.Bokeh(self.timeline.figure, sizing_mode="stretch_width")
        self._charts = {
            SPECTRUM: pn.pane.Bokeh(self.spectrum.figure, sizing_mode="stretch_width"),
            BLOCKS: pn.pane.Bokeh(self.blocks.figure, sizing_mode="stretch_width"),
            IMAGES: self.images.widget,
            GEOMETRY: pn.Column(
                *(
                    pn.pane.Bokeh(each, sizing_mode="stretch_width", margin=(0, 5))
                    for each in (self.geometry.legend, *self.geometry.figures, self.geometry.table)
                )
            ),
        }
        self._empty = pn.Spacer(sizing_mode="stretch_both")
        self._pictures = pn.Column(sizing_mode="stretch_both", styles=_SHRINKS)
        self.refresh()
        self._watch()

    def _take(self, runs: Explored | Sequence[Explored], names: Sequence[str]) -> None:
        several = runs if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
        self._sources = [snapshots_of(each) for each in several[:MOST_CURVES]]
        self._names = [*names] or [each.name for each in self._sources]
        self._sides = Sides(self._sources)
        self._measured: list[Measured] = []
        self._steps: list[int] = []
        self._seen = -1
        self.views: list[View | None] = []

    def open(
        self,
        runs: Explored | Sequence[Explored],
        names: Sequence[str] = (),
        look: Look | None = None,
    ) -> None:
        """Show other runs in the same panels, which is quicker than a new workspace.

        Args:
            runs, names, look: as for a new workspace.
        """
        self.state.playing = False
        self._take(runs, names)
        self.images.show(self._sides.main, look)
        self.refresh()

    @property
    def view(self) -> View | None:
        """View of the main run; None where there is nothing."""
        return self.views[0] if self.views else None

    def _watch(self) -> None:
        def on(names: list[str], answer: Callable[[], None]) -> None:
            def unless_own(*_: object) -> None:
                if not self._writes:
                    with in_one_message():
                        answer()

            self._watchers.append(self.state.param.watch(unless_own, names))

        on(["image", "step", "affinity", "pins"], self._load)
        on(
            [
                "pixels", "overlay", "rows", "eigenvector", "cut", "k", "seed", "threshold",
                "pooled", "annotator",
            ],
            self._repaint,
        )  # fmt: skip
        on(["opacity"], self._fade)
        on(["metric", "logarithmic"], self._draw_timeline)
        on(["chart"], self._show_chart)
        on(["playing"], self._play)
        self.controls.share.on_click(lambda _: self.share.toggle())
        self.controls.help.on_click(lambda _: self._toggle_help())
        self.controls.photo.param.watch(self._on_photo, "value")
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
        for watcher in [*self._watchers, *self.controls.watchers, *self.share.watchers]:
            self.state.param.unwatch(watcher)

    def open_photo(self, name: str, content: bytes) -> None:
        """Segment a photograph by the main run's network, as a further image of the run.

        An error is shown, and what is seen stays.

        Args:
            name: name of the file.
            content: the file.
        """
        try:
            found = photo_snapshot(self._sides.main.run, name, content)
        except UserError as error:
            self._fail(error)
            return
        self._sides.main.put(name, found)
        self.state.param.update(image=name, overlay=SEGMENTS)
        self.refresh()

    def shown(self) -> list[tuple[str, View]]:
        """Name of the run, empty where there is one, and what is shown of it, for each picture."""
        sides = self._sides.of(self.state)
        several = len(self._sources) > 1
        return [
            (self._names[self._sources.index(side.source)] if several else "", view)
            for side, view in zip(sides, self.views, strict=False)
            if view is not None
        ]

    def _paths(self) -> str:
        paths = [str(each.run.path) for each in self._sources]
        return repr(paths[0] if len(paths) == 1 else paths)

    def _fail(self, error: Exception) -> None:
        self._say(str(error))

    def _toggle_help(self) -> None:
        self._help.visible = not self._help.visible

    def _on_photo(self, event: Any) -> None:
        if event.new:
            self.open_photo(f"{self.controls.photo.filename}", event.new)

    def _play(self) -> None:
        """Show the steps one after another, from the first where the last is shown."""
        if self._player is not None:
            self._player.stop()
            self._player = None
        if not self.state.playing:
            return
        if self.state.step in self._steps[-1:]:
            self.state.step = self._steps[0]
        self._player = pn.state.add_periodic_callback(self._advance, _FRAME)

    def _advance(self) -> None:
        later = [step for step in self._steps if step > self.state.step]
        if later:
            self.state.step = later[0]
        else:
            self.state.playing = False

    def _on_metric(self, event: Any) -> None:
        if event.new:
            self.state.metric = event.new

    @in_one_message()
    def refresh(self) -> None:
        """Read what there is of the run: images, steps, measurements; follow its latest step."""
        source, state = self._sides.main, self.state
        self._measured = [measured(each) for each in self._sources]
        latest = state.follow and state.step in self._steps[-1:]
        images = source.scenes()
        note = self._settle(latest)
        steps = self._steps
        names = self._measured[0].names
        metric = state.metric if state.metric in names else next(iter(names), "")
        self._metric.param.update(options=names, value=metric or None)
        self._write(metric=metric)
        self.controls.offer(
            images,
            {source.label(each): each for each in steps},
            source.words,
            isinstance(source, ProbeSnapshots),
        )
        self.keys.offer(images, steps)
        self.controls.photo.visible = can_segment(source.run)
        self._load(note)
        self._draw_timeline()
        self.geometry.show(self._measured, steps)

    def _settle(self, latest: bool = False) -> list[str]:
        """Give way to what there is: an image and a step of the main run.

        Args:
            latest: whether its last step is wanted.

        Returns:
            A sentence, where another image than the asked one is shown.
        """
        source, asked = self._sides.main, self.state.image
        images = source.scenes()
        image = asked if asked in images else next(iter(images), "")
        steps = source.steps(image) if image else []
        step = self.state.step
        if steps and (latest or step not in steps):
            step = steps[-1] if latest or step < 0 else min(steps, key=lambda s: abs(s - step))
        self._steps = steps
        self._write(image=image, step=step)
        if not asked or asked == image or not image:
            return []
        return [f"{self._names[0]} has no {source.words[0]} {asked}; {image} is shown."]

    def _load(self, settled: Sequence[str] | None = None) -> None:
        """Show the state's image at its step, pinned steps and other runs beside it.

        Args:
            settled: result of `_settle`, where that was called before.
        """
        note = self._settle() if settled is None else settled
        self.views = self._sides.views(self.state)
        self._say(" ".join([*note, *self._sides.problems]))
        view = self.view
        if view is not None:
            inside = [p for p in self.state.pixels if view.contains(p)]
            if not inside:
                inside = [list(view.first_pixel())]
            self._write(pixels=inside)
        self.controls.show(view)
        self._arrange(sum(each is not None for each in self.views))
        shown = self.shown()
        for i, canvas in enumerate(self.canvases):
            name, each = shown[i] if i < len(shown) else ("", None)
            canvas.show(each, name, len(shown) > 1)
        self._draw_charts()
        self.timeline.mark()
        self.geometry.mark()
        self._write_figures()

    def _arrange(self, count: int) -> None:
        """Lay out some pictures: in one row, or in two rows of two."""
        panes: list[Any] = self._panes[: max(count, 1)]
        if len(panes) == 3:  # frames of one size, as they have one zoom
            panes.append(self._empty)
        rows = [panes] if len(panes) < 3 else [panes[:2], panes[2:]]
        if self._rows != rows:
            self._rows = rows
            self._pictures.objects = [
                pn.Row(*row, sizing_mode="stretch_both", styles=_SHRINKS) for row in rows
            ]

    def _draw_charts(self) -> None:
        others = [each for each in self.views[1:] if each is not None]
        self.spectrum.show(self.view, others)
        self.vectors.show(self.view)
        if self.state.chart == BLOCKS:
            self.blocks.show(self.view)
        if self.state.chart == IMAGES:
            self.images.refresh()

    def _fade(self) -> None:
        for canvas in self.canvases:
            canvas.fade()

    def _show_chart(self) -> None:
        for name, pane in self._charts.items():
            pane.visible = name == self.state.chart
        self._draw_charts()

    def _repaint(self) -> None:
        for canvas in self.canvases:
            canvas.paint()
        self.controls.show(self.view)
        self.vectors.mark()
        self.spectrum.mark()
        self.blocks.mark()
        self._write_figures()

    def _write_figures(self) -> None:
        self._figures.text = figures_table(self.state, [v for v in self.views if v is not None])

    def _draw_timeline(self) -> None:
        name, found = self.state.metric, self._measured[0]
        if self.timeline.log != self.state.logarithmic:
            self.timeline = Timeline(self.state)
            self._timeline.object = self.timeline.figure
        beside = [each.values(name) for each in self._measured[1:]]
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
            self.share.row,
            bokeh(self._help),
            bokeh(self._note, sizing_mode="stretch_width"),
            self._pictures,
            sizing_mode="stretch_both",
            styles=_SHRINKS,
        )
        chart = pn.widgets.RadioButtonGroup.from_param(
            self.state.param.chart, stylesheets=[".bk-btn {padding: 6px 7px}"]
        )
        right = pn.Column(
            chart,
            *self._charts.values(),
            pn.GridBox(*(bokeh(each) for each in self.vectors.figures), ncols=3),
            bokeh(self._figures, sizing_mode="stretch_width"),
            width=330,
            sizing_mode="stretch_height",
            scroll=True,
            styles=_SHRINKS | {"max-height": "100%"},
        )
        log = pn.widgets.Checkbox.from_param(self.state.param.logarithmic, label="Logarithmic")
        below = pn.Row(
            pn.Column(self._metric, log, width=215), self._timeline, sizing_mode="stretch_width"
        )
        size: dict[str, Any] = {"sizing_mode": "stretch_both", "styles": _SHRINKS}
        if height is not None:
            size = {"sizing_mode": "stretch_width", "height": height}
        above = pn.Row(left, right, sizing_mode="stretch_both", styles=_SHRINKS)
        self._show_chart()
        figures = [each.figure for each in self.canvases]
        self.keys.listen(figures, whole=height is None)
        return pn.Column(above, below, **size)

    def widget(self) -> ipywidgets.Widget:
        """Widget for a cell of JupyterLab; it follows a run that goes on."""
        if self._timer is None and self._sides.main.run.status is Status.RUNNING:
            self._timer = pn.state.add_periodic_callback(self._follow, INTERVAL)
        return as_present(self.panel(HEIGHT))

    def _ipython_display_(self) -> None:
        answer_in_main_thread()
        load_plots()
        load_tables()
        display(self.widget())

    def _follow(self) -> None:
        """Read news of a run that goes on, its last ones included."""
        run = self._sides.main.run
        try:
            going = run.status is Status.RUNNING
            last = run.latest()
            seen = -1 if last is None else last.seq
            if seen != self._seen:
                self._seen = seen
                self.refresh()
        except (UserError, OSError) as error:
            self._say(f"The run cannot be read any more: {error}")
            going = False
        if not going and self._timer is not None:
            self._timer.stop()
            self._timer = None


def _keys_table() -> str:
    rows = "".join(
        f'<tr><td style="padding:1px 12px 1px 0"><kbd>{escape(key)}</kbd></td>'
        f"<td>{escape(meaning)}</td></tr>"
        for key, meaning in HELP.items()
    )
    return f'<table style="font-size:12px;margin:4px 24px">{rows}</table>'
