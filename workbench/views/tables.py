"""Tables of results for the terminal, as markdown, as a page and as pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import holoviews as hv
from markupsafe import Markup

from workbench.evaluation.rendering import Rows, as_html, as_markdown, as_text
from workbench.runs.files import write_files
from workbench.views import inline
from workbench.views.style import as_chart, styled
from workbench.views.templating import render

PAPER = Markup(
    "Ionescu, Vantzos, Sminchisescu, <i>Matrix Backpropagation for Deep Networks with Structured "
    "Layers</i>, ICCV 2015"
)


@dataclass(frozen=True)
class CloseUp:
    """Details of one column of a table.

    Attributes:
        title: title of the column.
        pictures: HoloViews elements by the name of their file, in the order of the page.
        name, rows: name and rows of a table below them.
    """

    title: str
    pictures: Mapping[str, Any]
    name: str
    rows: Rows


@dataclass(frozen=True)
class TableView:
    """View of an assembled table, in all its forms.

    Attributes:
        name: name of its files.
        heading: heading of the page.
        lead: paragraphs below the heading.
        values: result of `experiments.tables.assemble`, for the rows' commands and the origin.
        tables: rows by the table's name; the first is also for the terminal, and tables without
            rows are left out.
        notes: explanations of the tables.
        chart: chart of all columns.
        remarks: sentences on tables, by the table's name.
        named: whether markdown has the names of the tables.
        close_up: one column in detail.
    """

    name: str
    heading: str
    lead: Sequence[Markup]
    values: Mapping[str, Any]
    tables: Mapping[str, Rows]
    notes: Sequence[str]
    chart: hv.Overlay
    remarks: Mapping[str, str] = field(default_factory=dict)
    named: bool = True
    close_up: CloseUp | None = None

    def to_text(self, tests: bool = False) -> str:
        """First table for a terminal.

        Args:
            tests: whether the table of tests, if there is one, follows.
        """
        shown = [as_text(next(iter(self.tables.values())))]
        if tests and len(self.tables["Tests"]) > 1:
            shown += ["", as_text(self.tables["Tests"]), ""]
        return "\n".join([self.heading, *shown, *self.remarks.values(), *origin(self.values)])

    def to_markdown(self) -> str:
        """All tables and notes."""
        parts = [f"# {self.heading}"]
        for name, rows in self._shown():
            parts += [f"## {name}"] * self.named + [as_markdown(rows)]
        notes = "\n".join(f"- {note}" for note in self._notes())
        return "\n\n".join([*parts, *self.remarks.values(), notes]) + "\n"

    def to_html(self) -> bytes:
        """Page, which needs no other file."""
        return render(
            "table.html",
            title=self.heading,
            lead=self.lead,
            chart=self.chart,
            tables=self._shown(),
            remarks=self.remarks,
            close_up=self.close_up,
            drawn=lambda element: Markup(inline.chart(element)),
            tabulated=lambda rows: Markup(as_html(rows)),
            notes=self._notes(),
            commands=dict.fromkeys(row["command"] for row in self.values["rows"]),
        )

    def write(self, folder: Path) -> list[Path]:
        """Write markdown, page and chart under the table's name, and a PNG for each picture."""
        pictures = {self.name: self.chart} | dict(self.close_up.pictures if self.close_up else {})
        texts = {
            f"{self.name}.md": self.to_markdown().encode(),
            f"{self.name}.html": self.to_html(),
        }
        drawn = {f"{name}.png": inline.png(each) for name, each in pictures.items()}
        return write_files(folder, texts | drawn)

    def _shown(self) -> list[tuple[str, Rows]]:
        return [(name, rows) for name, rows in self.tables.items() if len(rows) > 1]

    def _notes(self) -> list[str]:
        return [*self.notes, *origin(self.values)]


def origin(values: Mapping[str, Any]) -> list[str]:
    """Sentences on the origin of a table's figures, and on missing columns."""
    lines = [
        f"Evaluated at commit {', '.join(values['commits'])} on {', '.join(values['machines'])}."
    ]
    if values["missing"]:
        lines.append(f"Not run yet: {', '.join(values['missing'])}.")
    return lines


def places(count: int) -> list[float]:
    """Heights of a chart's rows, from the top."""
    return [float(place) for place in range(count, 0, -1)]


def row_chart(
    parts: Sequence[hv.Element], titles: Sequence[str], xlabel: str, padding: float,
    pixels: tuple[int, int], inches: tuple[float, float, float],
) -> hv.Overlay:  # fmt: skip
    """Chart with a row for each column of a table.

    Args:
        parts: elements to draw, with rows at `places`.
        titles: titles of the rows.
        xlabel: label of the axis of figures.
        padding: space beside the outermost figures.
        pixels: height of a row and least height of the chart, in the browser.
        inches: width of the picture, height of a row, and height of the rest.
    """
    count, (width, row, rest) = len(titles), inches
    chart = as_chart(
        hv.Overlay(list(parts)),
        xlabel=xlabel,
        ylabel="",
        yticks=list(zip(places(count), titles, strict=True)),
        ylim=(0.4, count + 0.6),
        padding=(padding, 0),
    )
    return styled(
        chart,
        bokeh={
            "frame_width": 460,
            "frame_height": max(pixels[0] * count + 20, pixels[1]),
            "legend_position": "right",
        },
        matplotlib={
            "fig_inches": (width, max(row * count + rest, 1.8)),
            "legend_position": "right",
            "fontsize": {"yticks": 8, "xticks": 8, "legend": 7.5, "xlabel": 8.5},
        },
    )
