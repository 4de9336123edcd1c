"""Distance ratios of triplets: medians by layer over the steps, histograms of a kept network."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any, ClassVar

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import BasicTicker, ColumnDataSource, DataRange1d, HoverTool
from bokeh.models.annotations import Span
from bokeh.models.widgets import Div
from bokeh.plotting import figure
from jaxtyping import Float64

from workbench.evaluation.triplets import KINDS, Kind
from workbench.experiments.images.kept import Kept, KeptNetworks
from workbench.models.small_cnn import TAPS
from workbench.views.images.through import DASHES, SIDES
from workbench.views.style import BEFORE, MUTED, OTHER, RULE
from workbench.views.training.decimate import thinned
from workbench.widgets.images.asked import Asked, ImagesPanel
from workbench.widgets.workspace.measured import Measured
from workbench.widgets.workspace.state import State

BINS = 40
UNIT = "in units of random triplets"
_LINE = (
    '<span style="display:inline-block;width:22px;border-top:2px {} {};vertical-align:middle;'
    'margin:0 4px 0 10px"></span>{}'
)
_FAINT = 0.3
"""Opacity of the curves of other runs."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shares of the ratios of one kind of triplets in bins.

    Attributes:
        edges: ends of the bins.
        network, start: shares by side, of the chosen network and of the random start.
    """

    edges: Float64[np.ndarray, "ends"]
    network: dict[str, Float64[np.ndarray, "bins"]]
    start: dict[str, Float64[np.ndarray, "bins"]]


@dataclass(frozen=True, eq=False)
class Histograms:
    """Histograms of a network at a layer beside the random start.

    Attributes:
        words: network, layer and number of triplets.
        kinds: histograms by kind.
    """

    words: str
    kinds: dict[Kind, Histogram]


class RatioPanel(ImagesPanel):
    """Medians of ratios by layer against the steps, and histograms; a click chooses a network.

    Args:
        state: state of the workspace.

    Attributes:
        curves: a bokeh figure a layer.
        histograms: a bokeh figure a kind of triplets.
    """

    controls: ClassVar[tuple[str, ...]] = ("network", "layer")

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: list[Kept] = []
        self._lines = {tap: ColumnDataSource(_no_lines()) for tap in TAPS}
        self._marks = ColumnDataSource({"x": []})
        self._chosen = [Span(dimension="height", line_color=OTHER, line_width=2) for _ in TAPS]
        self._bars = {kind: ColumnDataSource(_no_bars()) for kind in KINDS}
        self._steps = {kind: ColumnDataSource(_no_lines()) for kind in KINDS}
        steps, heights = DataRange1d(), DataRange1d()
        self.curves = [
            self._curve(tap, mark, steps, heights)
            for tap, mark in zip(TAPS, self._chosen, strict=True)
        ]
        self.histograms = [self._histogram(kind) for kind in KINDS]
        self._legend, self._words = (Div(sizing_mode="stretch_width") for _ in range(2))

    def measured(self, runs: Sequence[Measured], kept: Sequence[Kept]) -> None:
        """Draw the medians of runs, the main one first, and mark the kept networks."""
        self._kept = list(kept)
        for tap, source in self._lines.items():
            data: dict[str, list[Any]] = _no_lines()
            for (place, run), kind, side in product(enumerate(runs), KINDS, SIDES):
                line = thinned(run.values(f"{tap} {kind} {side}"))
                if len(line):
                    data["xs"].append(line.index.to_numpy(float))
                    data["ys"].append(line.to_numpy(float))
                    data["colour"].append(SIDES[side])
                    data["dash"].append(DASHES[kind])
                    data["opacity"].append(_FAINT if place else 1.0)
                    data["name"].append(f"{kind} {side}" + f", {run.name}" * bool(place))
            source.data = data
        self._marks.data = {"x": [each.step for each in kept]}
        self._legend.text = _legend([run.name for run in runs[1:]])

    def mark(self, network: Kept | None) -> None:
        """Mark the step of the chosen network."""
        for mark in self._chosen:
            mark.visible = network is not None
            mark.location = 0 if network is None else network.step

    def compute(self, kept: KeptNetworks, asked: Asked) -> Histograms:
        """Histograms of the network at the layer; errors as in `ImagesPanel`."""
        last, start = kept.ratios(asked.network), kept.ratios(asked.start)
        found = {}
        for kind in KINDS:
            values = {
                (place, side): getattr(each[kind], side)[asked.layer].to_numpy()
                for place, each in enumerate((last, start))
                for side in SIDES
            }
            every = np.concatenate(list(values.values()))
            edges = np.linspace(np.quantile(every, 0.002), np.quantile(every, 0.998), BINS + 1)
            shares = {key: np.histogram(own, edges)[0] / len(own) for key, own in values.items()}
            found[kind] = Histogram(
                edges, *({side: shares[place, side] for side in SIDES} for place in (0, 1))
            )
        count = len(last["random"].intra)
        words = f"{asked.network.words}, at {asked.layer}: {count} triplets of test images a kind"
        return Histograms(words, found)

    def show(self, found: Histograms) -> None:
        """Show histograms."""
        for drawn in self.histograms:
            drawn.visible = True
        for kind, each in found.kinds.items():
            self._bars[kind].data = {
                "left": np.tile(each.edges[:-1], 2),
                "right": np.tile(each.edges[1:], 2),
                "top": np.concatenate(list(each.network.values())),
                "colour": np.repeat(list(SIDES.values()), len(each.edges) - 1),
            }
            self._steps[kind].data = {
                "xs": [np.repeat(each.edges, 2)] * 2,
                "ys": [np.r_[0, np.repeat(share, 2), 0] for share in each.start.values()],
                "colour": list(SIDES.values()),
            }
        self._words.text = (
            f'<div style="font-size:12px;margin:2px 8px">{escape(found.words)}; filled, the random '
            "start as lines. Further right: these pairs are taken farther apart. A click on a "
            "curve chooses the nearest kept network (grey marks).</div>"
        )

    def panel(self) -> pn.Column:
        """Layout of legend, curves and histograms."""
        pane, wide = pn.pane.Bokeh, {"sizing_mode": "stretch_width"}
        curves = [pane(each, margin=3, **wide) for each in self.curves]
        histograms = [pane(each, margin=3, **wide) for each in self.histograms]
        return pn.Column(
            pane(self._legend, **wide),
            pn.GridBox(*curves, ncols=len(TAPS), **wide),
            pane(self._words, **wide),
            pn.GridBox(*histograms, ncols=len(KINDS), **wide),
            sizing_mode="stretch_width",
        )

    def _curve(self, tap: str, mark: Span, steps: DataRange1d, heights: DataRange1d) -> Any:
        drawn = _figure(tap, 240, x_range=steps, y_range=heights, x_axis_label="step")
        drawn.yaxis.axis_label = f"median, {UNIT}" if tap == TAPS[0] else None
        drawn.xaxis.ticker = BasicTicker(min_interval=1, desired_num_ticks=4)
        drawn.vspan("x", source=self._marks, line_color=RULE, line_width=2)
        lines = drawn.multi_line(
            "xs", "ys", source=self._lines[tap], color="colour", line_dash="dash",
            line_alpha="opacity", line_width=1.8,
        )  # fmt: skip
        drawn.add_tools(
            HoverTool(renderers=[lines], tooltips=[("", "@name"), ("step", "$x{0}"), ("", "$y")])
        )
        drawn.add_layout(Span(dimension="width", location=1, line_color=BEFORE, line_width=0.8))
        drawn.add_layout(mark)
        drawn.on_event(Tap, lambda event: self._choose(event.x))
        return drawn

    def _histogram(self, kind: Kind) -> Any:
        drawn = _figure(
            f"{kind} triplets", 230, x_range=DataRange1d(), y_range=DataRange1d(start=0),
            x_axis_label=f"ratio, {UNIT}", y_axis_label="share" if kind == KINDS[0] else None,
        )  # fmt: skip
        drawn.quad(
            "left", "right", "top", 0, source=self._bars[kind], fill_color="colour",
            fill_alpha=0.5, line_color=None,
        )  # fmt: skip
        drawn.visible = False  # until there are ratios
        drawn.multi_line("xs", "ys", source=self._steps[kind], color="colour", line_width=1.6)
        drawn.add_layout(Span(dimension="height", location=1, line_color=BEFORE, line_width=0.8))
        return drawn

    def _choose(self, x: int | float | None) -> None:
        if x is not None and self._kept:
            self._state.network = min(self._kept, key=lambda each: abs(each.step - x)).name


def _legend(others: Sequence[str]) -> str:
    """Legend of the curves in HTML."""
    kinds = {
        "random": "random",
        "boundary": "boundary: farthest in class, closest out of class",
        "control": "control: closest in class, farthest out of class",
    }
    sides = {"intra": "pairs of one class", "inter": "pairs of two classes"}
    lines = [_LINE.format("solid", SIDES[side], words) for side, words in sides.items()]
    lines += [_LINE.format(DASHES[kind], MUTED, words) for kind, words in kinds.items()]
    faint = f" &nbsp; faint: {escape(', '.join(others))}" if others else ""
    return f'<div style="font-size:12px;margin:2px 8px">{"".join(lines)}{faint}</div>'


def _figure(title: str, height: int, **options: Any) -> Any:
    drawn: Any = figure(
        title=title, sizing_mode="stretch_width", height=height, min_width=200,
        tools="xwheel_zoom,reset,save", toolbar_location="right", **options,
    )  # fmt: skip
    drawn.toolbar.autohide, drawn.toolbar.logo = True, None
    drawn.title.text_font_size = "9.5pt"
    drawn.axis.axis_label_text_font_size = "9pt"
    return drawn


def _no_lines() -> dict[str, list[Any]]:
    return {name: [] for name in ("xs", "ys", "colour", "dash", "opacity", "name")}


def _no_bars() -> dict[str, list[Any]]:
    return {name: [] for name in ("left", "right", "top", "colour")}
