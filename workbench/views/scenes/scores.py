"""Views of an evaluation's scores: method against method, ranking of images, covering by cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from jaxtyping import Float

from workbench.views.panels import row
from workbench.views.style import AFTER, BEFORE, INK, MUTED, as_chart, styled

Scores = Mapping[str, Any]
"""Values of `BenchmarkTable.to_dict`: {"methods": {name: {"mean": …, "images": {id: …}}}, …}."""


def scores_per_image(
    scores: Scores, before: str = "untrained", after: str = "trained"
) -> hv.Layout:
    """Layout of `covering_scatter` for best and for average covering.

    Args:
        scores: scores of both methods on the same images.
        before: method on the horizontal axis.
        after: method on the vertical axis.
    """
    return row([covering_scatter(scores, name, before, after) for name in ("best", "average")])


def covering_scatter(
    scores: Scores, measure: str, before: str = "untrained", after: str = "trained"
) -> hv.Overlay:
    """Scatter chart of coverings, a point an image; above the diagonal `after` covers better.

    The diamond marks the two means, which are in the title.

    Args:
        scores: scores of both methods on the same images.
        measure: "best" or "average".
        before: method on the horizontal axis.
        after: method on the vertical axis.
    """
    x, y = _values(scores, before, measure), _values(scores, after, measure)
    low = float(np.floor(10 * min(x.min(), y.min())) / 10)
    limits = (low, 1.0)
    dimensions = (f"{before}", f"{after}")
    diagonal = styled(
        hv.Curve((limits, limits), *dimensions),
        common={"color": MUTED},
        bokeh={"line_width": 1},
        matplotlib={"linewidth": 0.8},
    )
    points = styled(
        hv.Scatter((x, y), *dimensions),
        common={"color": AFTER, "alpha": 0.65},
        bokeh={"size": 7},
        matplotlib={"s": 22, "linewidth": 0},
    )
    mean = styled(
        hv.Scatter(([x.mean()], [y.mean()]), *dimensions),
        bokeh={"color": INK, "size": 13, "marker": "diamond"},
        matplotlib={"color": INK, "s": 60, "marker": "D"},
    )
    means = f"{x.mean():.3f} → {y.mean():.3f}"
    return as_chart(
        (diagonal * points * mean).relabel(f"{measure.capitalize()} covering {means}"),
        square=True,
        xlim=limits,
        ylim=limits,
        xlabel=f"{measure} covering, {before}",
        ylabel=f"{measure} covering, {after}",
    )


def _values(scores: Scores, method: str, measure: str) -> Float[np.ndarray, "images"]:
    images = scores["methods"][method]["images"]
    return np.array([images[name][measure] for name in sorted(images)], float)


@dataclass(frozen=True)
class Ranked:
    """Image of an evaluation with its place in the ranking.

    Attributes:
        place: place, from 1, the best.
        id: id of the image.
        covering: covering by the ranking measure.
    """

    place: int
    id: str
    covering: float


def ranked(scores: Mapping[str, Any], method: str, measure: str = "average") -> list[Ranked]:
    """Images of an evaluation, the best first.

    Args:
        scores: a `BenchmarkTable.to_dict()`, as runs/…/evaluations/*.json keep it.
        method: one of its methods.
        measure: "best" or "average".
    """
    images = scores["methods"][method]["images"]
    order = sorted(images, key=lambda id: (-images[id][measure], id))
    return [Ranked(i, id, float(images[id][measure])) for i, id in enumerate(order, 1)]


def ranking_chart(
    images: Sequence[Ranked], chosen: str | None = None, kept: Sequence[str] = ()
) -> hv.Overlay:
    """Chart of ranked images, a dot an image, from the best to the worst.

    Args:
        images: ranked images.
        chosen: id of the opened image, drawn larger and dark.
        kept: ids of the images that can be opened, drawn in blue.
    """
    dimensions = ("place", "covering")

    def dots(found: Sequence[Ranked], colour: str, size: int) -> hv.Scatter:
        return styled(
            hv.Scatter(
                [(i.place, i.covering, i.id) for i in found], "place", ["covering", "image"]
            ),
            common={"color": colour},
            bokeh={"size": size, "tools": ["hover"]},
            matplotlib={"s": size**2},
        )

    line = styled(
        hv.Curve([(i.place, i.covering) for i in images], *dimensions),
        common={"color": BEFORE, "alpha": 0.5},
    )
    drawn = (
        line
        * dots([i for i in images if i.id not in kept], BEFORE, 5)
        * dots([i for i in images if i.id in kept], AFTER, 7)
        * dots([i for i in images if i.id == chosen], INK, 11)
    )
    width = (0.5, max(len(images), 1) + 0.5)
    return as_chart(drawn, xlim=width, ylim=(0, 1), xlabel="place", ylabel="covering")


def covering_bars(
    now: Float[np.ndarray, "annotators"], pool: Float[np.ndarray, "segmentations annotators"]
) -> hv.Overlay:
    """Chart of coverings: a bar an annotator for a segmentation, a dash for the pool's best.

    Args:
        now: coverings of the annotators by the segmentation; empty without one.
        pool: coverings by the pool's segmentations.
    """
    dimensions = ("annotator", "covering")
    numbers = np.arange(1, len(now) + 1)
    best = pool.max(axis=0, initial=0.0)
    lines = [[(i - 0.4, value), (i + 0.4, value)] for i, value in enumerate(best, 1)]
    bars = styled(
        hv.Rectangles(
            [(i - 0.35, 0.0, i + 0.35, value) for i, value in zip(numbers, now, strict=True)]
        ),
        common={"color": AFTER, "alpha": 0.8},
        bokeh={"line_alpha": 0},
        matplotlib={"linewidth": 0},
    )
    dashes = styled(
        hv.Path(lines, list(dimensions)),
        common={"color": BEFORE},
        bokeh={"line_width": 3},
        matplotlib={"linewidth": 2.5},
    )
    return as_chart(
        bars * dashes,
        ylim=(0, 1),
        xlim=(0.4, max(len(best), 1) + 0.6),
        xlabel="annotator",
        ylabel="covering",
        xticks=list(range(1, max(len(best), 1) + 1)),
    )
