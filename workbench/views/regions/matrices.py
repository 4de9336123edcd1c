"""Views of one region under second-order pooling: matrices, spectra, class probabilities."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
from jaxtyping import Float

from workbench.views.paint import robust_maximum
from workbench.views.panels import heatmap
from workbench.views.regions.spectra import FLOOR, level
from workbench.views.style import AFTER, BEFORE, DIVERGING, SEQUENTIAL, as_chart, styled

TOP = 8
"""Number of categories whose probability is drawn."""


def matrix_picture(
    values: Float[np.ndarray, "channels channels"], title: str, name: str
) -> hv.Image:
    """Symmetric matrix, a pixel an entry; signed matrices have a colour scale centred at zero.

    The colour scale ends at the off-diagonal entries: the diagonal, which is much larger after a
    logarithm, is clipped to its end.

    Args:
        values: entries of the matrix; row 0 is at the top.
        title: title of the picture.
        name: name of the entries, with their unit.
    """
    apart = values[~np.eye(len(values), dtype=bool)]
    end = robust_maximum(apart[None] if apart.size else values)
    signed = bool((apart < -1e-3 * end).any())
    picture = heatmap(
        values, 1, title=title, name=name, smooth=False,
        cmap=DIVERGING if signed else SEQUENTIAL, limits=(-end if signed else 0.0, end),
    )  # fmt: skip
    return styled(
        picture,
        common={"colorbar": True},
        bokeh={"clabel": name, "colorbar_opts": {"width": 10}, "tools": ["hover"]},
    )


def energy_order(values: Float[np.ndarray, "channels channels"]) -> np.ndarray:
    """Channels by their energy in a region (the diagonal of XᵀX), descending."""
    return np.argsort(-np.diag(values), kind="stable")


def spectrum_before(
    eigenvalues: Float[np.ndarray, "channels"], epsilon: float, title: str = ""
) -> hv.Overlay:
    """Eigenvalues of XᵀX/m, descending, with ε; zeros to double precision are not drawn.

    Args:
        eigenvalues: descending.
        epsilon: ε of the layer; 0: no line.
        title: title of the chart.
    """
    shown = eigenvalues[eigenvalues > FLOOR * max(eigenvalues.max(initial=0), 1e-300)]
    top = float(eigenvalues.max(initial=0)) or 1.0
    low = min(float(shown.min(initial=top)), epsilon or top)
    ground = level(epsilon or low, "ε")
    if not epsilon:
        ground = styled(ground, common={"alpha": 0.0})
    return as_chart(
        (_line(shown, "eigenvalue", BEFORE) * ground).relabel(title),
        logy=True,
        ylim=(low / 3, top * 3),
        xlim=(0, len(eigenvalues) + 1),
        xlabel="number",
        ylabel="eigenvalue of XᵀX/m",
    )


def spectrum_after(
    eigenvalues: Float[np.ndarray, "channels"], function: str, title: str = ""
) -> hv.Overlay:
    """Eigenvalues of the layer's matrix, descending.

    Args:
        eigenvalues: in any order.
        function: formula of the layer's function, for the axis.
        title: title of the chart.
    """
    values = np.sort(eigenvalues)[::-1]
    zero = level(0.0, "")
    return as_chart(
        (_line(values, "eigenvalue after", AFTER) * zero).relabel(title),
        xlim=(0, len(values) + 1),
        xlabel="number",
        ylabel=f"eigenvalue of {function}",
    )


def class_probabilities(
    probabilities: Float[np.ndarray, "classes"], names: Sequence[str], truth: str, count: int = TOP
) -> hv.Overlay:
    """Most probable categories as bars, always with the true one.

    Args:
        probabilities: probability of each category; empty: nothing is drawn.
        names: names of the categories.
        truth: true category, drawn in blue, the others in grey.
        count: number of bars, at least two.
    """
    order = np.argsort(-probabilities, kind="stable")
    shown = order[:count].tolist()
    if len(probabilities) and names.index(truth) not in shown:
        shown = [*shown[: count - 1], names.index(truth)]
    rows = [(names[i], float(probabilities[i])) for i in reversed(shown)] or [("", 0.0), (" ", 0.0)]
    ground = hv.Bars(rows, "category", "probability")
    own = hv.Bars([row for row in rows if row[0] == truth], "category", "probability")
    bars = [
        styled(
            each,
            common={"color": colour},
            bokeh={"invert_axes": True, "line_alpha": 0, "bar_width": 0.7},
            matplotlib={"invert_axes": True},
        )
        for each, colour in ((ground, BEFORE), (own, AFTER))
    ]
    return as_chart(
        (bars[0] * bars[1]), ylim=(0, 1), xlabel="", ylabel="probability", invert_axes=True
    )


def _line(values: Float[np.ndarray, "shown"], name: str, colour: str) -> hv.Curve:
    return styled(
        hv.Curve((np.arange(1, len(values) + 1), values), "number", name),
        common={"color": colour},
        bokeh={"line_width": 2},
        matplotlib={"linewidth": 1.6},
    )
