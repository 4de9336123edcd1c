"""Charts of the geometry of layers: dimensions by layer, angles in and out, ratios of angles."""

import holoviews as hv
import numpy as np
import pandas as pd

from workbench.probe.geometry.clouds import INPUT
from workbench.probe.geometry.result import GIVEN, LayerGeometry
from workbench.views.style import AFTER, BEFORE, OTHER, as_chart, styled

MEASURES = {
    "squared_width": "ω²", "stable_dimension": "stable dimension ω²/diam²",
    "effective_rank": "effective rank",
}  # fmt: skip
BINS = 40
AXES = ("angle_in", "angle")


def dimension_charts(look: LayerGeometry) -> list[hv.Overlay]:
    """Charts of ω² (with its certified bound), stable dimension and effective rank by layer."""
    table = look.table()
    charts = []
    for name, title in MEASURES.items():
        curves = [_curve(look, table, name, weights) for weights in look.draws]
        if name == "squared_width":
            bounds = table[table.weights == GIVEN].assign(squared_bound=lambda t: t.bound**2)
            dashed = _curve(look, bounds, "squared_bound", GIVEN, label="bound")
            curves.append(
                styled(dashed, bokeh={"line_dash": "dashed"}, matplotlib={"linestyle": "--"})
            )
        charts.append(
            as_chart(
                hv.Overlay(curves, label=title), logy=name == "squared_width", ylabel=title,
                xlabel="layer", xticks=list(enumerate([INPUT, *look.layers])),
                legend_position="top_left",
            )
        )  # fmt: skip
    return charts


def angle_chart(look: LayerGeometry, layer: str) -> hv.Overlay:
    """Input angle against output angle of every pair, with the theory's curve."""
    pairs = look.pairs()
    pairs = pairs[pairs.layer == layer].dropna(subset=["angle_in", "angle"])
    parts = []
    for weights in _shown(look):
        found = pairs[pairs.weights == weights]
        parts.append(
            styled(
                hv.Scatter(found[["angle_in", "angle"]], *AXES, label=_words(weights)),
                common={"color": _colour(weights), "alpha": 0.5},
                bokeh={"size": 3}, matplotlib={"s": 4},
            )
        )  # fmt: skip
    formula = look.prediction(layer).formula
    if formula is not None:
        known = pairs[pairs.weights == GIVEN].sort_values("angle_in")
        line = hv.Curve(
            known[["angle_in", "formula"]].to_numpy(), "angle_in", "angle", label="formula"
        )
        parts.append(styled(line, common={"color": OTHER}))
    return as_chart(
        hv.Overlay(parts, label=f"angles at {layer}"), square=True, legend_position="top_left",
        xlim=(0, 1.05 * float(pairs.angle_in.max())), ylim=(0, 1.5 * float(pairs.angle.max())),
        xlabel="angle of the inputs (radians)", ylabel=f"angle at {layer} (radians)",
    )  # fmt: skip


def ratio_chart(look: LayerGeometry, layer: str) -> hv.Overlay:
    """Histograms of output over input angle: given, random, predicted (or the formula)."""
    pairs = look.pairs()
    pairs = pairs[pairs.layer == layer].dropna(subset=["ratio"])
    edges = np.linspace(0, max(1.0, float(pairs.ratio.max())), BINS + 1)
    groups = {_words(each): (_colour(each), pairs[pairs.weights == each].ratio.to_numpy())
              for each in _shown(look)}  # fmt: skip
    own = pairs[pairs.weights == GIVEN]
    found = look.prediction(layer)
    theory = "predicted" if found.exact is not None else "formula"
    if found.exact is not None or found.formula is not None:
        groups[theory] = OTHER, (own[theory] / own.angle_in).to_numpy()
    parts = [
        styled(
            hv.Histogram(np.histogram(values, edges, density=True), kdims="ratio", label=label),
            common={"alpha": 0.6},
            bokeh={"fill_color": colour, "line_color": None},
            matplotlib={"facecolor": colour, "edgecolor": "none"},
        )
        for label, (colour, values) in groups.items()
    ]  # fmt: skip
    return as_chart(
        hv.Overlay(parts, label=f"ratio at {layer}"), legend_position="top_right",
        xlabel=f"angle at {layer} / angle of the inputs", ylabel="density",
    )  # fmt: skip


def _curve(
    look: LayerGeometry, table: pd.DataFrame, name: str, weights: str, label: str = ""
) -> hv.Curve:
    found = table[table.weights == weights].set_index("layer").loc[[INPUT, *look.layers]]
    points = np.column_stack([np.arange(len(found)), found[name].to_numpy(float)])
    curve = hv.Curve(points, "layer", "value", label=label or _words(weights))
    return styled(curve, common={"color": _colour(weights)})


def _shown(look: LayerGeometry) -> list[str]:
    """The first random network, below the given one's marks."""
    return [*look.draws[1:2], GIVEN]


def _colour(weights: str) -> str:
    return AFTER if weights == GIVEN else BEFORE


def _words(weights: str) -> str:
    return "given weights" if weights == GIVEN else weights
