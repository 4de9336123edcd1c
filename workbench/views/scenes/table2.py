"""Table 2 with the paper's figures beside ours: markdown, a page and a picture, from the assembled
values."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import holoviews as hv
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workbench.evaluation.rendering import Rows, as_html, as_markdown, as_text
from workbench.runs.files import atomic_write
from workbench.views import inline
from workbench.views.style import AFTER, as_chart, styled
from workbench.views.wording import origin

NOTES = (
    "Best: maximum over eight segmentations and annotators; average: maximum over segmentations of "
    "the mean over annotators; both are means over images. Intervals: 95 %, bootstrap over images, "
    "on the mean over seeds; ± is the standard deviation between seeds.",
    "ODS, OIS and best (benchmark): the Berkeley benchmark's covering, weighted by area and "
    "annotators, of the same eight. PRI: probabilistic Rand index. VI: variation of information, "
    "bits.",
    "Rank of W: mean over the images; effective: the exponential of the entropy of its normalised "
    "eigenvalues (Roy and Vetterli, 2007); before → after: the effective rank at the first and "
    "last step of the training, on training scenes that it held out. Seconds an image, by the "
    "clock: without and with the backbone, median over the images.",
)


def coverings(values: Mapping[str, Any]) -> Rows:
    """The paper's columns, theirs and ours."""
    header = [
        "column", "cut", "paper", "best", "95 %", "± seeds", "average", "95 %", "± seeds", "seeds",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        cells = [row["title"], row["cut"], _pair(row["paper"])]
        for measure in ("best", "average"):
            found = row["mean"][measure]
            cells += [
                _figure(found["mean"]),
                _interval(found),
                _figure(row["seed_spread"][measure]),
            ]
        body.append([*cells, str(len(row["seeds"]))])
    return [header, *body]


def measures(values: Mapping[str, Any]) -> Rows:
    """The benchmark's measures, ranks and seconds."""
    header = [
        "column", "cut", "ODS", "OIS", "best (benchmark)", "PRI ODS", "PRI OIS", "VI ODS",
        "VI OIS", "rank of W", "effective", "before → after", "s", "s, with backbone",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        mean = row["mean"]
        figures = [mean["covering"]["ods"], mean["covering"]["ois"], mean["benchmark_best"]]
        figures += [mean[name][scale] for name in ("pri", "vi") for scale in ("ods", "ois")]
        names = ("rank", "effective_rank", "effective_rank_before", "effective_rank_after")
        rank, effective, before, after = (_short(row[name]) for name in names)
        seconds = [f"{row[name]:.2f}" for name in ("seconds", "seconds_with_backbone")]
        change = "–" if row["effective_rank_before"] is None else f"{before} → {after}"
        body.append(
            [row["title"], row["cut"], *map(_figure, figures), rank, effective, change, *seconds]
        )
    return [header, *body]


def tests(values: Mapping[str, Any]) -> Rows:
    """Who leads whom, by how much, how surely."""
    header = ["lead of", "on", "test", "images", "best", "p", "average", "p"]
    body = []
    for test in values["tests"]:
        cells = [test["row"], test["against"], test["kind"], str(test["best"]["images"])]
        for measure in ("best", "average"):
            found = test[measure]
            p = "< 0.001" if found["p"] < 0.001 else f"{found['p']:.3f}"
            cells += [f"{found['mean']:+.3f} {_interval(found, '+.3f')}".strip(), p]
        body.append(cells)
    return [header, *body]


def reduced(values: Mapping[str, Any]) -> list[str]:
    """Which columns were trained with convolutions in less than float32."""
    titles: dict[str, dict[str, None]] = {}  # without repetition, in the table's order
    for row in values["rows"]:
        for precision in row["reduced"]:
            titles.setdefault(precision, {})[row["title"]] = None
    return [f"Trained with convolutions in {p}: {'; '.join(t)}." for p, t in titles.items()]


def heading(values: Mapping[str, Any]) -> str:
    """What the table is of."""
    return f"Table 2 on {values['images']} images of “{values['split']}”"


def to_text(values: Mapping[str, Any]) -> str:
    """The coverings for a terminal."""
    return "\n".join([heading(values), as_text(coverings(values)), *origin(values)])


def to_markdown(values: Mapping[str, Any]) -> str:
    """All tables and notes."""
    parts = [f"# {heading(values)}", as_markdown(coverings(values)), as_markdown(measures(values))]
    if values["tests"]:
        parts.append(as_markdown(tests(values)))
    notes = [*NOTES, *reduced(values), *origin(values)]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes)]) + "\n"


def write_table2(values: Mapping[str, Any], folder: Path, figure: str | None = None) -> list[Path]:
    """Write table2.md, table2.html and table2.png.

    Args:
        values: of `experiments.scenes.summary.assemble`.
        folder: where to.
        figure: name of Figure 3's page beside it, to link.
    """
    environment = Environment(
        loader=PackageLoader("workbench.views"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    tables = [("Coverings", coverings), ("Measures, ranks, seconds", measures), ("Tests", tests)]
    page = environment.get_template("table2.html").render(
        title=heading(values),
        tables=[
            (name, Markup(as_html(make(values)))) for name, make in tables if len(make(values)) > 1
        ],
        notes=[*NOTES, *reduced(values), *origin(values)],
        commands=dict.fromkeys(row["command"] for row in values["rows"]),
        figure=figure,
        chart=Markup(inline.chart(covering_chart(values))),
    )
    contents = {
        "table2.md": to_markdown(values).encode(),
        "table2.html": page.encode(),
        "table2.png": inline.png(covering_chart(values)),
    }
    for name, content in contents.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    return [folder / name for name in contents]


def _pair(figures: Mapping[str, float] | None) -> str:
    return "–" if figures is None else f"{figures['best']:.2f} ({figures['average']:.2f})"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _interval(found: Mapping[str, Any], form: str = ".3f") -> str:
    return "–" if found["low"] is None else f"[{found['low']:{form}}, {found['high']:{form}}]"


MEASURES = {"best": AFTER, "average": "#d1661c"}
"""Coverings, with their colours."""
REFERENCES = {
    "gPb-owt-ucm": {"best": 0.741, "average": 0.634},
    "another human": {"best": 0.832, "average": 0.728},
}
"""On BSDS300's test images, by this package's evaluation of the benchmark's own hierarchies, eight
segmentations each, and of the annotators against each other."""
_DASHES = ("dotted", "dashed")
_DIMENSIONS = ("covering", "row")


def covering_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """A row for each column and way to cut: best and average covering, with 95 % intervals.

    Hollow dots are the paper's figures. Vertical lines are what reference methods reach on the test
    images.

    Args:
        values: of `experiments.scenes.summary.assemble`, or table2.json.
    """
    rows = list(values["rows"])
    places = range(len(rows), 0, -1)
    top = len(rows) + 0.6
    parts: list[hv.Element] = []
    if values["split"] == "test":
        for (name, figures), dash in zip(REFERENCES.items(), _DASHES, strict=True):
            parts += [_line(figures[m], top, dash, MEASURES[m], f"{name}, {m}") for m in MEASURES]
    for measure, colour in MEASURES.items():
        found = [(place, row["mean"][measure]) for place, row in zip(places, rows, strict=True)]
        bars = [(one["low"], place, one["high"], place) for place, one in found if one["low"]]
        parts.append(_intervals(bars, colour))
        parts.append(_dots([(one["mean"], p) for p, one in found], colour, colour, measure))
        theirs = [
            (row["paper"][measure], place)
            for place, row in zip(places, rows, strict=True)
            if row["paper"] and row["cut"] == "flat"
        ]
        parts.append(_dots(theirs, "white", colour, f"the paper's {measure}"))
    names = [f"{row['title']} · {row['cut']}" for row in rows]
    chart = as_chart(
        hv.Overlay(parts),
        xlabel="covering of BSDS300's images, eight segmentations each",
        ylabel="",
        yticks=list(zip(places, names, strict=True)),
        ylim=(0.4, top),
        padding=(0.03, 0),
    )
    return styled(
        chart,
        bokeh={
            "frame_width": 460,
            "frame_height": max(24 * len(rows) + 20, 240),  # the legend needs as much
            "legend_position": "right",
        },
        matplotlib={
            "fig_inches": (8.4, max(0.27 * len(rows) + 0.5, 1.8)),
            "legend_position": "right",
            "fontsize": {"yticks": 8, "xticks": 8, "legend": 7.5, "xlabel": 8.5},
        },
    )


def _line(value: float, top: float, dash: str, colour: str, label: str) -> hv.Curve:
    return styled(
        hv.Curve([(value, 0.4), (value, top)], *_DIMENSIONS, label=f"{label}: {value:.3f}"),
        common={"color": colour, "alpha": 0.8},
        bokeh={"line_width": 1.2, "line_dash": dash},
        matplotlib={"linewidth": 1.0, "linestyle": dash},
    )


def _intervals(bars: Iterable[tuple[float, int, float, int]], colour: str) -> hv.Segments:
    return styled(
        hv.Segments(list(bars), ["low", "row", "high", "row_end"]),
        common={"color": colour, "alpha": 0.45},
        bokeh={"line_width": 4},
        matplotlib={"linewidth": 3.5},
    )


def _dots(points: Iterable[tuple[float, int]], fill: str, edge: str, label: str) -> hv.Scatter:
    return styled(
        hv.Scatter(list(points), *_DIMENSIONS, label=label),
        common={"color": fill},
        bokeh={"size": 8, "line_color": edge},
        matplotlib={"s": 26, "edgecolors": edge},
    )
