"""Spectra of second-order pooling: of XᵀX by category; before and after the layer's function."""

from collections.abc import Callable, Sequence

import holoviews as hv
import numpy as np
from jaxtyping import Float, Integer

from workbench.views.style import AFTER, BEFORE, MUTED, as_chart, styled

COLOURS = ("#1467b3", "#d1661c", "#2c8a57", "#a03c8c", "#b8a11a", "#5b6270")
"""Colours of the most frequent categories; so many categories are drawn."""
FLOOR = 1e-12
"""Fraction of the largest eigenvalue below which eigenvalues count as zero and are not drawn."""


def category_spectra(
    eigenvalues: Float[np.ndarray, "regions side"],
    categories: Integer[np.ndarray, "regions"],
    names: Sequence[str],
    epsilon: float | None = None,
) -> hv.Overlay:
    """Chart of the eigenvalues of XᵀX/cells: medians over each category's regions, by rank.

    Args:
        eigenvalues: eigenvalues of each region, descending; at least one region.
        categories: category of each region, from 0.
        names: names of the categories.
        epsilon: ε of the layer, below which the logarithm hardly distinguishes eigenvalues.
    """
    counts = np.bincount(categories, minlength=len(names))
    frequent = np.argsort(-counts, kind="stable")[: len(COLOURS)]
    places = np.arange(1, eigenvalues.shape[1] + 1)
    lines: list[hv.Element] = []
    for category, colour in zip(frequent, COLOURS, strict=False):
        if not counts[category]:
            continue
        middle = np.median(eigenvalues[categories == category], axis=0)
        shown = middle > FLOOR * middle[0]
        lines.append(
            styled(
                hv.Curve(
                    (places[shown], middle[shown]),
                    "number",
                    "eigenvalue",
                    label=f"{names[category]} ({counts[category]})",
                ),
                common={"color": colour},
                bokeh={"line_width": 2},
                matplotlib={"linewidth": 1.6},
            )
        )
    if epsilon:
        lines.append(level(epsilon, "ε"))
    return as_chart(
        hv.Overlay(lines).relabel("Spectrum of XᵀX/cells by category"),
        logy=True,
        ylabel="eigenvalue, median",
        legend_position="right",
    )


def map_effect(
    eigenvalues: Float[np.ndarray, "regions side"],
    function: Callable[[np.ndarray], np.ndarray],
    title: str,
) -> hv.Layout:
    """Eigenvalues before and after the layer's function: medians over regions, 10 to 90 % shaded.

    Args:
        eigenvalues: eigenvalues of XᵀX/cells, a row a region, descending.
        function: function of an eigenvalue, log(λ + ε) for example.
        title: title of the second picture.
    """
    before = _band(eigenvalues, "Before: λ", "eigenvalue", BEFORE)
    after = _band(function(eigenvalues), title, "eigenvalue after", AFTER)
    layout = hv.Layout([before, after]).cols(2)
    return styled(
        layout,
        common={"shared_axes": False},
        bokeh={"toolbar": None},
        matplotlib={"sublabel_format": "", "tight": True},
    )


def _band(
    values: Float[np.ndarray, "regions side"], title: str, name: str, colour: str
) -> hv.Overlay:
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=0)
    places = np.arange(1, values.shape[1] + 1)
    area = styled(
        hv.Area((places, low, high), "number", [name, "to"]),
        common={"color": colour, "alpha": 0.25},
        bokeh={"line_alpha": 0},
        matplotlib={"linewidth": 0},
    )
    line = styled(
        hv.Curve((places, middle), "number", name),
        common={"color": colour},
        bokeh={"line_width": 2},
        matplotlib={"linewidth": 1.6},
    )
    return as_chart((area * line).relabel(title), ylabel=name)


def level(value: float, label: str) -> hv.HLine:
    """Horizontal dashed line across a chart."""
    return styled(
        hv.HLine(value, label=label),
        common={"color": MUTED},
        bokeh={"line_width": 1, "line_dash": "dashed"},
        matplotlib={"linewidth": 0.8, "linestyle": "dashed"},
    )
