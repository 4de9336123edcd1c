"""Outputs of a workspace: its picture as PNG or SVG, its numbers as CSV, its view as Python."""

import io
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import panel as pn
from bokeh.models.widgets import PreText
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from workbench.errors import WorkbenchError
from workbench.views.style import COLOURS, MARKER, SEEDS
from workbench.widgets.workspace.curves import LEGEND, CurveChart
from workbench.widgets.workspace.painting import painting
from workbench.widgets.workspace.state import State
from workbench.widgets.workspace.view import View

_WIDTH = 6.0
"""Width of a picture on paper, inches."""


def picture(state: State, views: Sequence[tuple[str, View]], kind: str) -> bytes:
    """Pictures of a state beside each other, with their colour bars.

    Args:
        state: what lies over the photographs.
        views: name of the run, empty where there is one, and what is shown of it.
        kind: "png" or "svg".

    Raises:
        WorkbenchError: nothing is shown.
    """
    if not views:
        raise WorkbenchError("a picture", "nothing shown", "choose an image that has snapshots")
    height = max(view.size[0] / view.size[1] for _, view in views)
    drawn = Figure((_WIDTH * len(views), _WIDTH * height + 1.0), layout="constrained")
    frames = drawn.subplots(1, len(views), squeeze=False)[0]
    for frame, (name, view) in zip(frames, views, strict=True):
        _draw(frame, state, view)
        frame.set_title(" · ".join([*[name] * bool(name), view.title]), fontsize=9)
    return _saved(drawn, kind)


def _draw(frame: Any, state: State, view: View) -> None:
    found, image = painting(state, view), view.snapshot.image
    height, width = view.size
    place = (-0.5, width - 0.5, height - 0.5, -0.5)
    frame.imshow(image, extent=place, interpolation="nearest")
    if found.colours is not None:
        frame.imshow(found.colours, extent=place, alpha=state.opacity, interpolation="nearest")
    if found.values is not None:
        mapped = frame.imshow(
            found.values, cmap=ListedColormap(found.palette), vmin=found.low, vmax=found.high,
            extent=place, alpha=state.opacity, interpolation="nearest",
        )  # fmt: skip
        below = {"orientation": "horizontal", "shrink": 0.7, "pad": 0.02}
        bar = frame.figure.colorbar(mapped, ax=frame, **below)
        bar.set_label(found.unit, fontsize=8)
        bar.ax.tick_params(labelsize=7)
    if found.lines is not None:
        frame.imshow(found.lines, extent=place, interpolation="nearest")
    colours = SEEDS if len(state.pixels) > 1 else (MARKER,)
    for i, (y, x) in enumerate(state.pixels):
        frame.plot(
            x, y, "o", ms=8, mew=2, fillstyle="none", color=colours[i % len(colours)],
        )  # fmt: skip
    frame.set_xlim(place[:2])
    frame.set_ylim(place[2:])
    frame.set_xlabel(found.title, fontsize=8)
    frame.set_xticks([])
    frame.set_yticks([])


def curves_picture(charts: Mapping[str, CurveChart], kind: str) -> bytes:
    """Charts of measurements below each other, as they are drawn.

    Args:
        charts: charts by measurement.
        kind: "png" or "svg".

    Raises:
        WorkbenchError: there is no chart.
    """
    if not charts:
        raise WorkbenchError("a chart", "none", "choose a metric")
    drawn = Figure((_WIDTH + 2, 2.4 * len(charts)), layout="constrained")
    frames = drawn.subplots(len(charts), 1, squeeze=False)[:, 0]
    for frame, (metric, chart) in zip(frames, charts.items(), strict=True):
        for curve, colour in zip(chart.curves, cycle(COLOURS), strict=False):
            frame.plot(curve.values.index, curve.values, color=colour, lw=1.3, label=curve.name)
            if curve.low is not None and curve.high is not None:
                places = curve.low.index.to_numpy(float)
                frame.fill_between(places, curve.low, curve.high, color=colour, alpha=0.18, lw=0)
        frame.set_yscale("log" if chart.logarithmic else "linear")
        frame.set_title(metric, fontsize=9)
        frame.set_xlabel(chart.axis, fontsize=8)
        if 1 < len(chart.curves) <= LEGEND:
            frame.legend(fontsize=7, frameon=False)
    return _saved(drawn, kind)


def _saved(drawn: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    drawn.savefig(file, format=kind, dpi=200)
    return file.getvalue()


def spectra(views: Sequence[tuple[str, View]]) -> pd.DataFrame:
    """Eigenvalues of M: a row a number, a column a picture."""
    columns = {f"{name or view.title}": view.spectrum.eigenvalues for name, view in views}
    table = pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})
    table.index = pd.Index(np.arange(1, len(table) + 1), name="number")
    return table


class Share:
    """Buttons that save what is shown, and the lines of Python that show it again.

    Args:
        state: state of the workspace.
        views: function that gives what is shown.
        measurements: function that gives the measurements of the main run.
        paths: function that gives the paths of the chosen runs, as Python.
        failed: function that takes an error.

    Attributes:
        row: all of it; hidden until it is asked for.
    """

    def __init__(
        self,
        state: State,
        views: Callable[[], list[tuple[str, View]]],
        measurements: Callable[[], pd.DataFrame],
        paths: Callable[[], str],
        failed: Callable[[WorkbenchError], None],
    ) -> None:
        self._state, self._paths = state, paths
        self._code = PreText(
            text="",
            sizing_mode="stretch_width",
            styles={"user-select": "text", "font-size": "12px", "white-space": "pre-wrap"},
        )
        made = [
            save_button(
                "Save PNG", "workbench.png", lambda: picture(state, views(), "png"), failed
            ),
            save_button(
                "Save SVG", "workbench.svg", lambda: picture(state, views(), "svg"), failed
            ),
            save_button(
                "Save eigenvalues, CSV", "eigenvalues.csv",
                lambda: spectra(views()).to_csv().encode(), failed,
            ),
            save_button(
                "Save measurements, CSV", "measurements.csv",
                lambda: measurements().to_csv().encode(), failed,
            ),
        ]  # fmt: skip
        code = pn.pane.Bokeh(self._code, sizing_mode="stretch_width")
        self.row = pn.Column(pn.FlexBox(*made), code, visible=False, sizing_mode="stretch_width")
        self.watchers = [state.param.watch(lambda *_: self.write(), list(State.ADDRESS))]

    def toggle(self) -> None:
        """Show or hide the buttons."""
        self.row.visible = not self.row.visible
        self.write()

    def write(self) -> None:
        """Write the lines of Python, where they are seen."""
        if self.row.visible:
            self._code.text = self._state.code(self._paths())


def save_button(
    label: str,
    filename: str,
    made: Callable[[], bytes],
    failed: Callable[[WorkbenchError], None],
) -> pn.widgets.FileDownload:
    """Button that makes a file when it is clicked.

    Args:
        label: text of the button.
        filename: name of the file.
        made: function that gives its content.
        failed: function that takes an error.
    """

    def content() -> io.BytesIO | None:
        try:
            return io.BytesIO(made())
        except WorkbenchError as error:
            failed(error)
            return None

    return pn.widgets.FileDownload(
        callback=content, filename=filename, label=label, color="light", width=185, auto=True,
        embed=False, align="end",
    )  # fmt: skip
