"""Table 2 with the paper's figures beside ours: markdown, page, picture, from plain values."""

from collections.abc import Iterable, Mapping
from typing import Any

import holoviews as hv
from markupsafe import Markup

from workbench.evaluation.cells import chance, difference, interval, number, pair
from workbench.evaluation.rendering import Rows
from workbench.views.style import AFTER, dots, styled
from workbench.views.tables import PAPER, TableView, places, row_chart

LEAD = PAPER + Markup(", Table 2: the paper’s figures, best (average) covering, beside ours.")
LINK = Markup('Segmentations of a few scenes: <a href="{}">Figure 3</a>.')
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
    """Rows of coverings: the paper's, ours, with their intervals."""
    header = [
        "column", "cut", "paper", "best", "95 %", "± seeds", "average", "95 %", "± seeds", "seeds",
    ]  # fmt: skip
    body = []
    for row in values["rows"]:
        cells = [row["title"], row["cut"], pair(row["paper"])]
        for measure in ("best", "average"):
            found = row["mean"][measure]
            cells += [
                number(found["mean"]),
                interval(found["low"], found["high"]),
                number(row["seed_spread"][measure]),
            ]
        body.append([*cells, str(len(row["seeds"]))])
    return [header, *body]


def measures(values: Mapping[str, Any]) -> Rows:
    """Rows of the benchmark's measures, ranks and seconds."""
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
        rank, effective, before, after = (number(row[name], ".1f") for name in names)
        seconds = [f"{row[name]:.2f}" for name in ("seconds", "seconds_with_backbone")]
        change = "–" if row["effective_rank_before"] is None else f"{before} → {after}"
        body.append(
            [row["title"], row["cut"], *map(number, figures), rank, effective, change, *seconds]
        )
    return [header, *body]


def tests(values: Mapping[str, Any]) -> Rows:
    """Rows of tests: leads of a row on another, with interval and probability."""
    header = ["lead of", "on", "test", "images", "best", "p", "average", "p"]
    body = []
    for test in values["tests"]:
        cells = [test["row"], test["against"], test["kind"], str(test["best"]["images"])]
        for measure in ("best", "average"):
            found = test[measure]
            cells += [difference(found), chance(found["p"])]
        body.append(cells)
    return [header, *body]


def reduced(values: Mapping[str, Any]) -> list[str]:
    """Sentences that name the columns trained with convolutions in less than float32."""
    titles: dict[str, dict[str, None]] = {}  # without repetition, in the table's order
    for row in values["rows"]:
        for precision in row["reduced"]:
            titles.setdefault(precision, {})[row["title"]] = None
    return [f"Trained with convolutions in {p}: {'; '.join(t)}." for p, t in titles.items()]


def heading(values: Mapping[str, Any]) -> str:
    """Heading: number of images and split."""
    return f"Table 2 on {values['images']} images of “{values['split']}”"


def table_view(values: Mapping[str, Any], figure: str | None = None) -> TableView:
    """View of Table 2: rows, notes and chart.

    Args:
        values: result of `experiments.tables.assemble`, or table2.json.
        figure: file name of Figure 3's page, to link.
    """
    tables = {
        "Coverings": coverings(values),
        "Measures, ranks, seconds": measures(values),
        "Tests": tests(values),
    }
    return TableView(
        "table2",
        heading(values),
        [LEAD, *([LINK.format(figure)] if figure else [])],
        values,
        tables,
        [*NOTES, *reduced(values)],
        covering_chart(values),
        named=False,
    )


MEASURES = {"best": AFTER, "average": "#d1661c"}
"""Coverings, with their colours."""
REFERENCES = {
    "gPb-owt-ucm": {"best": 0.741, "average": 0.634},
    "another human": {"best": 0.832, "average": 0.728},
}
"""Coverings on BSDS300's test images: of the benchmark's own hierarchies in this package's
evaluation, eight segmentations each, and of the annotators by each other."""
_DASHES = ("dotted", "dashed")
_DIMENSIONS = ("covering", "row")


def covering_chart(values: Mapping[str, Any]) -> hv.Overlay:
    """Chart with a row a column and way to cut: coverings with 95 % intervals.

    Hollow dots are the paper's figures. Vertical lines are coverings of reference methods on the
    test images.

    Args:
        values: result of `experiments.tables.assemble`, or table2.json.
    """
    rows = list(values["rows"])
    heights, top = places(len(rows)), len(rows) + 0.6
    parts: list[hv.Element] = []
    if values["split"] == "test":
        for (name, figures), dash in zip(REFERENCES.items(), _DASHES, strict=True):
            parts += [_line(figures[m], top, dash, MEASURES[m], f"{name}, {m}") for m in MEASURES]
    for measure, colour in MEASURES.items():
        found = [(place, row["mean"][measure]) for place, row in zip(heights, rows, strict=True)]
        bars = [(one["low"], place, one["high"], place) for place, one in found if one["low"]]
        parts.append(_intervals(bars, colour))
        ours = [(one["mean"], place) for place, one in found]
        parts.append(dots(ours, _DIMENSIONS, colour, colour, (8, 26), measure))
        theirs = [
            (row["paper"][measure], place)
            for place, row in zip(heights, rows, strict=True)
            if row["paper"] and row["cut"] == "flat"
        ]
        label = f"the paper's {measure}"
        parts.append(dots(theirs, _DIMENSIONS, "white", colour, (8, 26), label))
    return row_chart(
        parts,
        [f"{row['title']} · {row['cut']}" for row in rows],
        xlabel="covering of BSDS300's images, eight segmentations each",
        padding=0.03,
        pixels=(24, 240),  # smallest height with room for the legend
        inches=(8.4, 0.27, 0.5),
    )


def _line(value: float, top: float, dash: str, colour: str, label: str) -> hv.Curve:
    return styled(
        hv.Curve([(value, 0.4), (value, top)], *_DIMENSIONS, label=f"{label}: {value:.3f}"),
        common={"color": colour, "alpha": 0.8},
        bokeh={"line_width": 1.2, "line_dash": dash},
        matplotlib={"linewidth": 1.0, "linestyle": dash},
    )


def _intervals(bars: Iterable[tuple[float, float, float, float]], colour: str) -> hv.Segments:
    return styled(
        hv.Segments(list(bars), ["low", "row", "high", "row_end"]),
        common={"color": colour, "alpha": 0.45},
        bokeh={"line_width": 4},
        matplotlib={"linewidth": 3.5},
    )
