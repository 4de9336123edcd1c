"""Views of a region classification: errors by category, confusions, calibration."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
from jaxtyping import Int, Real

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.calibration import Reliability
from workbench.evaluation.regions.outcomes import strongest_confusions
from workbench.evaluation.regions.summary import CategoryError, RecognitionSummary
from workbench.views.style import AFTER, BEFORE, INK, MUTED, SEQUENTIAL, as_chart, styled

FIRST_OF_GROUP = {
    "person": "person",
    "bicycle": "vehicle",
    "traffic light": "outdoor",
    "bird": "animal",
    "backpack": "accessory",
    "frisbee": "sports",
    "bottle": "kitchen",
    "banana": "food",
    "chair": "furniture",
    "tv": "electronic",
    "microwave": "appliance",
    "book": "indoor",
}
"""COCO's supercategory by its first category; categories are numbered in these groups."""

_SIDE = 620
"""Width and height of a confusion matrix, screen pixels: room for 80 names."""


def reliability_diagram(found: Reliability, title: str = "") -> hv.Overlay:
    """Reliability diagram: accuracy against stated probability, with 95 % intervals.

    Below the diagonal the classifier is overconfident. The area of a dot is the share of regions in
    its bin.

    Args:
        found: reliability of one method.
        title: title of the chart.
    """
    bins = [each for each in found.bins if each.regions]
    x = np.array([each.confidence for each in bins])
    y = np.array([each.accuracy.mean for each in bins])
    share = np.array([each.regions for each in bins]) / max(sum(b.regions for b in bins), 1)
    reach = [
        (0.0, 0.0)
        if np.isnan(each.accuracy.low)
        else (each.accuracy.mean - each.accuracy.low, each.accuracy.high - each.accuracy.mean)
        for each in bins
    ]
    names = ("confidence", "accuracy")
    diagonal = styled(
        hv.Curve(([0, 1], [0, 1]), *names),
        common={"color": MUTED},
        bokeh={"line_width": 1},
        matplotlib={"linewidth": 0.8},
    )
    spans = [(at, value, *span) for at, value, span in zip(x, y, np.maximum(reach, 0), strict=True)]
    bars = styled(
        hv.ErrorBars(spans, names[0], [names[1], "below", "above"]),
        bokeh={"line_color": BEFORE},
        matplotlib={"edgecolor": BEFORE},
    )
    dots = styled(
        hv.Points((x, y, share), list(names), "share of regions"),
        common={"color": AFTER, "alpha": 0.8},
        bokeh={"size": 6 + 40 * np.sqrt(hv.dim("share of regions"))},
        matplotlib={"s": 16 + 600 * hv.dim("share of regions")},
    )
    label = (
        f"{title}, calibration error {found.error:.3f}"
        if title
        else (f"Calibration error {found.error:.3f}")
    )
    return as_chart(
        (diagonal * bars * dots).relabel(label),
        square=True,
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability of the predicted category",
        ylabel="share that is right",
    )


def confusion_matrix(
    confusion: Real[np.ndarray, "classes classes"],
    names: Sequence[str],
    title: str = "",
) -> hv.Overlay:
    """Confusion matrix: for the regions of a category (a row), the share predicted as each other.

    Categories without a region, true or predicted, are left out: 80 names fill a screen already.
    The colour is the square root of the share, so that confusions of a few percent are visible
    beside the diagonal; hovering shows the share and the number. Thin lines separate COCO's
    supercategories.

    Args:
        confusion: `Outcomes.confusion`, or its mean over seeds.
        names: names of the categories.
        title: title of the chart.

    Raises:
        WorkbenchError: the names are not as many as the categories.
    """
    if len(names) != len(confusion):
        raise WorkbenchError(
            f"a name for each of {len(confusion)} categories", f"{len(names)}", "name them all"
        )
    kept = occurring(confusion)
    cells = confusion[np.ix_(kept, kept)]
    share = cells / np.maximum(confusion.sum(1)[kept, None], 1)
    labels = [names[i] for i in kept]
    named = np.array(labels, object)
    # Rectangles have numeric positions: matplotlib draws a heat map of names in another order than
    # that of its ticks.
    truth, predicted = np.nonzero(share)
    picture = hv.Rectangles(
        (
            predicted - 0.5,
            truth - 0.5,
            predicted + 0.5,
            truth + 0.5,
            np.sqrt(share[truth, predicted]),
            share[truth, predicted],
            cells[truth, predicted].astype(float),
            named[truth],
            named[predicted],
        ),
        ["left", "top", "right", "bottom"],
        ["√share", "share", "regions", "truth", "predicted"],
    )
    side = (-0.5, len(kept) - 0.5)
    ticks = list(enumerate(labels))
    styled(
        picture,
        common={
            "color": "√share",
            "cmap": SEQUENTIAL,
            "clim": (0, 1),
            "bgcolor": "black",  # colour of the map at 0
            "xlabel": "predicted",
            "ylabel": "truth",
            "xlim": side,
            "ylim": side,
            "xticks": ticks,
            "yticks": ticks,
            "invert_yaxis": True,
            "xrotation": 90,
        },
        bokeh={
            "frame_width": _SIDE,
            "frame_height": _SIDE,
            "line_alpha": 0,
            "hover_tooltips": ["truth", "predicted", "share", "regions"],
            "tools": ["hover"],
            "toolbar": None,
            "fontsize": {"xticks": "6pt", "yticks": "6pt", "title": "9.5pt"},
        },
        matplotlib={"aspect": "equal", "linewidth": 0},
    )
    lines = [
        styled(
            mark(border),
            common={"color": MUTED},
            bokeh={"line_width": 0.7},
            matplotlib={"linewidth": 0.5},
        )
        for border in _borders(names, kept)
        for mark in (hv.HLine, hv.VLine)
    ]
    size = {"fig_inches": (_SIDE / 72, _SIDE / 72), "fontsize": {"xticks": 5, "yticks": 5}}
    return styled(hv.Overlay([picture, *lines]).relabel(title), matplotlib=size)


def occurring(confusion: Real[np.ndarray, "classes classes"]) -> Int[np.ndarray, "kept"]:
    """Indices of the categories that occur or were predicted: the axes of a confusion matrix."""
    return np.flatnonzero(confusion.sum(1) + confusion.sum(0) > 0)


def confusion_table(
    confusion: Real[np.ndarray, "classes classes"], names: Sequence[str], count: int = 10
) -> hv.Table:
    """Table of the most frequent confusions.

    Args:
        confusion: `Outcomes.confusion`, or its mean over seeds.
        names: names of the categories.
        count: largest number of rows.
    """
    found = strongest_confusions(confusion, names, count)
    found["share"] = found["share"].round(3)
    return hv.Table(found, ["truth", "predicted"], ["regions", "share"])


def category_errors(summary: RecognitionSummary) -> hv.Overlay:
    """Errors of the categories that occur, most frequent first, with 95 % intervals over images.

    Args:
        summary: summary of one method.
    """
    shown = [each for each in summary.categories if each.regions]
    shown.sort(key=lambda each: -each.regions)
    labels = [f"{each.name} ({each.regions})" for each in shown]
    place = np.arange(len(shown), dtype=float)
    errors = np.array([each.error.mean for each in shown])
    names = ("error", "category")
    low, high = np.array([_span(each) for each in shown]).T
    spans = styled(
        hv.Segments((low, place, high, place), [*names, "to", "category "]),
        common={"color": BEFORE},
        bokeh={"line_width": 2},
        matplotlib={"linewidth": 1.5},
    )
    dots = styled(
        hv.Points((errors, place), list(names)),
        common={"color": AFTER},
        bokeh={"size": 6},
        matplotlib={"s": 14},
    )
    mean = styled(
        hv.VLine(summary.error.mean),
        common={"color": INK},
        bokeh={"line_width": 1, "line_dash": "dashed"},
        matplotlib={"linewidth": 0.8, "linestyle": "dashed"},
    )
    height = max(120, 11 * len(shown))
    chart = (spans * dots * mean).relabel(
        f"Error {summary.error.mean:.3f}, balanced {summary.balanced_error.mean:.3f}"
    )
    as_chart(
        chart,
        xlim=(-0.02, 1.02),
        ylim=(-1, len(shown)),
        invert_yaxis=True,
        yticks=list(zip(place.tolist(), labels, strict=True)),
        xlabel="share taken for another category",
        ylabel="",
    )
    return styled(
        chart,
        bokeh={"frame_height": height, "fontsize": {"yticks": "6.5pt", "title": "9.5pt"}},
        matplotlib={"fig_inches": (5, height / 72), "fontsize": {"yticks": 5.5}},
    )


def _span(category: CategoryError) -> tuple[float, float]:
    """Ends of the interval; both are the mean for a category of a single image."""
    error = category.error
    return (error.mean, error.mean) if np.isnan(error.low) else (error.low, error.high)


def _borders(names: Sequence[str], kept: Int[np.ndarray, "kept"]) -> list[float]:
    """Positions on an axis between two supercategories of COCO."""
    group = np.cumsum([name in FIRST_OF_GROUP for name in names])[kept]
    return [float(i) + 0.5 for i in np.flatnonzero(np.diff(group))]
