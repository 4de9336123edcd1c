"""Codes of a classifier's features: balance of their bits, distinct codes, average precision."""

from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import panel as pn
from bokeh.models import ColumnDataSource, Range1d
from bokeh.models.annotations import Span
from bokeh.models.widgets import Div
from bokeh.plotting import figure

from workbench.evaluation.cells import interval, percent
from workbench.evaluation.retrieval import AveragePrecision
from workbench.experiments.images.kept import CodeFigures, KeptNetworks
from workbench.views.style import AFTER, BEFORE
from workbench.widgets.images.asked import Asked, ImagesPanel

TITLES = {
    "lsh": "random hyperplanes", "itq": "ITQ", "agh-2": "AGH, two layers", "ksh": "KSH",
    "neural-2": "neural, two layers",
}  # fmt: skip
"""Titles of the methods by name; all but the first are fitted on training images."""
_HEAD = (
    "", "distinct codes", "bits that are 1", "mAP by codes, %", "ties last … first",
    "mAP by features, %",
)  # fmt: skip
_CELL = '<td style="padding:1px 16px 1px 0;white-space:nowrap">{}</td>'


@dataclass(frozen=True, eq=False)
class Found:
    """Figures of codes.

    Attributes:
        asked: what was asked for.
        rows: figures by the words of their network, that of the chosen one first.
    """

    asked: Asked
    rows: dict[str, CodeFigures]


class CodePanel(ImagesPanel):
    """Balance of each bit as bars, the random start's as dots, and a table of figures.

    Attributes:
        figure: bokeh figure.
        table: table in HTML.
    """

    controls: ClassVar[tuple[str, ...]] = ("network", "layer", "coder", "bits")

    def __init__(self) -> None:
        self._bars, self._dots = (ColumnDataSource({"bit": [], "share": []}) for _ in range(2))
        self.table = Div(sizing_mode="stretch_width")
        drawn: Any = figure(
            sizing_mode="stretch_width", height=280, y_range=Range1d(start=0, end=1),
            x_axis_label="bit", y_axis_label="share of images", tools="save",
            toolbar_location="right", title="codes",
        )  # fmt: skip
        drawn.toolbar.autohide, drawn.toolbar.logo = True, None
        drawn.title.text_font_size = "9.5pt"
        drawn.axis.axis_label_text_font_size = "9pt"
        drawn.xgrid.visible = False
        drawn.vbar("bit", 0.8, "share", source=self._bars, color=AFTER, fill_alpha=0.7)
        drawn.scatter("bit", "share", source=self._dots, size=7, color=BEFORE)
        drawn.add_layout(Span(dimension="width", location=0.5, line_color=BEFORE, line_width=0.8))
        drawn.visible = False  # until there are codes
        self.figure = drawn

    def compute(self, kept: KeptNetworks, asked: Asked) -> Found:
        """Figures of the network's codes, and of the random start's; errors as in `ImagesPanel`."""
        of = asked.layer, asked.coder, asked.bits
        return Found(asked, {each.words: kept.figures(each, *of) for each in asked.networks})

    def show(self, found: Found) -> None:
        """Show figures."""
        self.figure.visible = True
        asked, rows = found.asked, list(found.rows.values())
        for source, each in ((self._bars, rows[0]), (self._dots, rows[-1])):
            bits = range(1, len(each.balance) + 1)
            source.data = {"bit": list(bits), "share": each.balance}
        self.figure.title.text = (
            f"share of the test images whose bit is 1: {asked.network.name} as bars, "
            "the random start as dots; at 0.5 a bit says most"
        )
        head = "".join(_CELL.format(each) for each in _HEAD)
        body = "".join(f"<tr>{_row(words, each)}</tr>" for words, each in found.rows.items())
        sample = len(rows[0].by_codes.expected)
        self.table.text = (
            f'<div style="font-size:13px;margin:6px 10px"><table><tr style="color:{BEFORE}">{head}'
            f"</tr>{body}</table><p>{asked.bits} bits of {asked.layer} by "
            f"{escape(TITLES[asked.coder])}{_fitted(asked.coder)}. Mean average precision (mAP) of "
            f"{sample} queries, the other {rows[0].images - sample} test images ranked by Hamming "
            "distance of codes, ties in random order, or by Euclidean distance of features; "
            "in brackets the 95 % interval over queries.</p></div>"
        )

    def panel(self) -> pn.Column:
        """Layout of table and bars."""
        wide = {"sizing_mode": "stretch_width"}
        return pn.Column(
            pn.pane.Bokeh(self.table, **wide), pn.pane.Bokeh(self.figure, margin=4, **wide), **wide
        )


def _fitted(coder: str) -> str:
    return " through their mean" if coder == "lsh" else ", fitted on training images"


def _row(words: str, found: CodeFigures) -> str:
    balance, ties = found.balance, found.by_codes
    cells = [
        escape(words),
        f"{found.distinct:,} of {found.images:,}",
        f"{percent(balance.min())} … {percent(balance.max())} %",
        _mean(ties),
        f"{percent(ties.last.mean())} … {percent(ties.first.mean())}",
        _mean(found.by_features),
    ]
    return "".join(_CELL.format(each) for each in cells)


def _mean(found: AveragePrecision) -> str:
    estimate = found.estimate()
    ends = interval(estimate.low, estimate.high, ".1f", 100)
    return f"<b>{percent(estimate.mean)}</b> {ends}"
