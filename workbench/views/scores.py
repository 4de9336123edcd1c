"""What an evaluation found, image by image: the trained network against the untrained features."""

from collections.abc import Mapping
from typing import Any

import holoviews as hv
import numpy as np
from jaxtyping import Float

from workbench.views.panels import row
from workbench.views.style import AFTER, INK, MUTED, as_chart, styled

Scores = Mapping[str, Any]
"""A `BenchmarkTable.to_dict()`: {"methods": {name: {"mean": …, "images": {id: …}}}, …}."""


def scores_per_image(
    scores: Scores, before: str = "untrained", after: str = "trained"
) -> hv.Layout:
    """`covering_scatter` of best and of average covering.

    Args:
        scores: of both methods on the same images.
        before: the method on the horizontal axis.
        after: the method on the vertical axis.
    """
    return row([covering_scatter(scores, name, before, after) for name in ("best", "average")])


def covering_scatter(
    scores: Scores, measure: str, before: str = "untrained", after: str = "trained"
) -> hv.Overlay:
    """A point an image; above the diagonal it is covered better after than before.

    The diamond marks the two means, which the title states.

    Args:
        scores: of both methods on the same images.
        measure: "best" or "average".
        before: the method on the horizontal axis.
        after: the method on the vertical axis.
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
