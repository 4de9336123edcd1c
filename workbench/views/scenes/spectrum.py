"""Spectrum of D^-½WD^-½: its eigenvalues, and its eigenvectors as maps over the image."""

from collections.abc import Mapping

import holoviews as hv
import numpy as np
import torch
from jaxtyping import Float

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.segmentation import Grid
from workbench.views.paint import robust_maximum
from workbench.views.panels import heatmap, row
from workbench.views.style import AFTER, BEFORE, DIVERGING, as_chart, styled

_FLOOR = 1e-6
_STEP = 2
"""Side of the blocks of pixels on which eigenvectors are drawn."""


def spectrum(snapshots: Mapping[str, Snapshot], title: str = "") -> hv.Overlay:
    """Eigenvalues of D^-½WD^-½ in descending order, by method; the legend states the rank.

    The number of eigenvalues near 1 is the number of weakly connected segments; where the others
    fall, the affinity collapses to those segments. Values below a millionth are drawn there.

    Args:
        snapshots: snapshots of one scene by method, the latest state last.
        title: title of the chart.
    """
    values = np.concatenate([snapshot.eigenvalues for snapshot in snapshots.values()])
    floor = max(float(values.min(initial=1)), _FLOOR)
    longest = max((len(snapshot.eigenvalues) for snapshot in snapshots.values()), default=0)
    colours = [*[BEFORE] * (len(snapshots) - 1), AFTER]
    curves = [
        _eigenvalues(method, snapshot, colour)
        for (method, snapshot), colour in zip(snapshots.items(), colours, strict=True)
    ]
    return as_chart(
        hv.Overlay(curves).relabel(title),
        xticks=[1, *range(5, longest + 1, 5)],
        logy=len(values) > 0,
        ylim=(floor / 1.5, 1.5),
        legend_position="top_right",
        xlabel="eigenvalue number",
        ylabel="eigenvalue of D⁻½WD⁻½",
    )


def eigenvectors(snapshot: Snapshot, count: int = 6) -> hv.Layout:
    """Generalised eigenvectors D^-½U as maps, from the second on, white at zero.

    The first is left out: it is constant where every pixel has some affinity to every other. The
    sign of an eigenvector is arbitrary: each is drawn so that its largest values are red.

    Args:
        snapshot: snapshot of a scene.
        count: largest number of eigenvectors.
    """
    blocks = torch.from_numpy(snapshot.eigenvectors[1 : count + 1])
    height, width = snapshot.image.shape[:2]
    coarse = Grid.of_step(round(height / blocks.shape[1]))
    maps = coarse.interpolate(blocks, height, width, _STEP).numpy()
    panels = []
    for i, values in enumerate(map(sign_fixed, maps), 2):
        end = robust_maximum(values)
        title = f"λ{_subscript(i)} = {snapshot.eigenvalues[i - 1]:.3f}"
        panels.append(heatmap(values, _STEP, title=title, cmap=DIVERGING, limits=(-end, end)))
    return row(panels)


def _eigenvalues(method: str, snapshot: Snapshot, colour: str) -> hv.Overlay:
    values = snapshot.eigenvalues.clip(min=_FLOOR)
    points = (np.arange(1, len(values) + 1), values)
    label = f"{method}, rank {snapshot.rank}"
    line = styled(
        hv.Curve(points, "number", "eigenvalue", label=label),
        common={"color": colour},
        bokeh={"line_width": 1.5},
        matplotlib={"linewidth": 1.3},
    )
    dots = styled(
        hv.Scatter(points, "number", "eigenvalue", label=label),
        common={"color": colour},
        bokeh={"size": 6},
        matplotlib={"s": 16},
    )
    return line * dots


def sign_fixed(values: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Vector v or −v, whichever has positive values of large magnitude."""
    return values if np.sum(values.astype(np.float64) ** 3) >= 0 else -values


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
