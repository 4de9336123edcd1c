"""Charts of sets: mean width against the number of points, nets and the bounds on their sizes."""

import holoviews as hv
import numpy as np

from workbench.geometry.known_sets import KnownWidth
from workbench.geometry.nets import Coverage, Net, SudakovBound
from workbench.geometry.width import MeanWidth
from workbench.views.style import AFTER, BEFORE, OTHER, as_chart, line, styled

BAND = 0.25
"""Opacity of an interval."""


def width_chart(width: MeanWidth, known: KnownWidth | float | None = None) -> hv.Overlay:
    """Mean width of nested subsamples against their number of points, with its ceiling.

    Args:
        width: width of a cloud.
        known: width of the set that the cloud is sampled from, where there is a closed form.
    """
    found = width.by_count
    band = np.column_stack([found.points, found.low, found.high])
    parts = [
        styled(
            hv.Area(band, "points", ["value", "high"], label=f"{width.level:.0%} interval"),
            common={"color": AFTER, "alpha": BAND},
            bokeh={"line_color": None}, matplotlib={"linewidth": 0},
        ),
        line(found.points, found.value, "points", AFTER, "measured"),
        line(found.points, found.ceiling, "points", BEFORE, "ceiling of so many points", "dashed"),
    ]  # fmt: skip
    if known is not None:
        level = np.full(len(found.points), float(known))
        parts.append(line(found.points, level, "points", OTHER, "the whole set, closed form"))
    return as_chart(
        hv.Overlay(parts, label=f"mean width, {width.ratio:.0%} of its ceiling"),
        logx=True, xlabel="number of points N", ylabel="mean width ω",
        legend_position="bottom_right", ylim=(0, None),
    )  # fmt: skip


def packing_chart(bound: SudakovBound) -> hv.Overlay:
    """Number of separated points against their separation: found, and allowed by the width."""
    found = line(bound.epsilon, np.log(bound.count), "separation", AFTER, "found (farthest first)")
    allowed = line(bound.epsilon, bound.log_bound, "separation", OTHER, "allowed by the width")
    top = float(np.log(bound.count[-1]))
    return as_chart(
        hv.Overlay([found, allowed], label="log n(ε): packing and Sudakov's bound"),
        xlabel="separation ε", ylabel="log of the number of points", legend_position="top_right",
        ylim=(0, 4 * top),
    )  # fmt: skip


def coverage_chart(net: Net, held_out: Coverage) -> hv.Overlay:
    """Share of held-out points within the radius that covers the net's own points."""
    counts = np.arange(1, len(net.radii) + 1)
    share = line(counts, held_out.share, "centres", AFTER, "held-out points covered")
    whole = line(counts, np.ones(len(counts)), "centres", BEFORE, "own points", "dashed")
    return as_chart(
        hv.Overlay([whole, share], label="coverage at the net's own radius"),
        logx=True, xlabel="number of centres n", ylabel="share covered within rₙ",
        ylim=(min(0.9, float(held_out.share.min()) - 0.02), 1.02), legend_position="bottom_right",
    )  # fmt: skip


def radius_chart(net: Net, held_out: Coverage | None = None) -> hv.Overlay:
    """Covering radius against the number of centres, of the cloud and of held-out points."""
    counts = np.arange(1, len(net.radii) + 1)
    shown = net.radii > 0
    parts = [line(counts[shown], net.radii[shown], "centres", AFTER, "the cloud")]
    if held_out is not None:
        parts.append(line(counts, held_out.radius, "centres", OTHER, "held-out points"))
    return as_chart(
        hv.Overlay(parts, label="covering radius"), logx=True, logy=True,
        xlabel="number of centres n", ylabel="radius", legend_position="bottom_left",
    )  # fmt: skip
