"""Charts of the geometry of layers: dimensions by layer, angles in and out, ratios of angles.

Charts of several layers and results have the axes of one `Scales`, so that they can be compared.
Elements are the same at every layer, empty where there is nothing to draw, so that a picture of an
explorer can follow its slider.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
from jaxtyping import Float64

from workbench.probe.geometry.clouds import INPUT
from workbench.probe.geometry.networks import GIVEN
from workbench.probe.geometry.result import LayerGeometry
from workbench.views.style import AFTER, BEFORE, MUTED, OTHER, as_chart, styled

MEASURES = {
    "squared_width": "ω²", "stable_dimension": "stable dimension ω²/diam²",
    "effective_rank": "effective rank",
}  # fmt: skip
LOGARITHMIC = "squared_width"
"""Measure with a logarithmic axis and a bound."""
RANDOM = "random"
"""Name of all random draws of a result together."""
BINS = 48
AXES = ("angle_in", "angle")
CROWDED = 3000
"""Number of marks from which their density is drawn in place of them."""
_MARGIN = 1.05
_LETTERS = 40
"""Letters for which an axis of layers has room, without being turned."""


@dataclass(frozen=True, eq=False)
class Scales:
    """Ranges of axes, for several results and all of their layers.

    Attributes:
        angle_in, angle: ends, radians.
        edges: edges of the bins of ratios.
        measures: ends by the name of a measure of `MEASURES`.
    """

    angle_in: tuple[float, float]
    angle: tuple[float, float]
    edges: Float64[np.ndarray, "edges"]
    measures: dict[str, tuple[float, float]]

    def bin(self, ratio: float) -> int | None:
        """Number of the bin of a ratio; None outside of them."""
        found = int(np.searchsorted(self.edges, ratio, "right")) - 1
        return found if 0 <= found < BINS else None


def scales_of(looks: Sequence[LayerGeometry]) -> Scales:
    """Ranges that hold all pairs and layers of the results."""
    pairs = pd.concat([look.pairs()[[*AXES, "ratio"]] for look in looks])
    tables = pd.concat([look.table() for look in looks])
    angles = [
        (float(pairs[name].min()) / _MARGIN if pairs[name].notna().any() else 0.0,
         _MARGIN * _largest(pairs[name]))
        for name in AXES
    ]  # fmt: skip
    edges = np.linspace(0, max(1.0, _largest(pairs.ratio)), BINS + 1)
    edges[-1] = np.nextafter(edges[-1], np.inf)
    measures = {}
    for name in MEASURES:
        values = tables[name]
        if name == LOGARITHMIC:
            values = pd.concat([values, tables.bound**2])
            values = values[values > 0]
            low, high = float(values.min()) / 2, 2 * _largest(values)
            high *= (high / low) ** 0.6  # room for the legend
        else:
            low, high = 0.0, 1.1 * _largest(values)
        measures[name] = (low, high)
    return Scales(angles[0], angles[1], edges, measures)


def dimension_lines(look: LayerGeometry, name: str) -> list[hv.Curve]:
    """Lines of `dimension_chart`: a network each, then the certified bound of ω²."""
    table = look.table()
    lines = [_line(look, table, name, weights) for weights in reversed(look.draws)]
    if name == LOGARITHMIC:
        bounds = table[table.weights == GIVEN].assign(squared_bound=lambda t: t.bound**2)
        dashed = _line(look, bounds, "squared_bound", GIVEN, label="certified bound")
        lines.append(styled(dashed, bokeh={"line_dash": "dashed"}, matplotlib={"linestyle": "--"}))
    return lines


def dimension_chart(
    look: LayerGeometry,
    name: str,
    lines: Sequence[hv.Curve],
    scales: Scales,
    marked: str | None = None,
) -> hv.Overlay:
    """Chart of ω² (with its certified bound), stable dimension or effective rank by layer.

    Args:
        look: the result.
        name: name of a measure of `MEASURES`.
        lines: lines of `dimension_lines`.
        scales: ranges of the axes.
        marked: layer with a line through it.
    """
    names, title = [INPUT, *look.layers], MEASURES[name]
    low, high = scales.measures[name]
    place = names.index(marked) if marked in names else None
    mark = styled(
        hv.Path([] if place is None else [[(place, low), (place, high)]], ["layer", "value"]),
        common={"color": MUTED},
        bokeh={"line_dash": "dotted"},
        matplotlib={"linestyle": ":"},
    )
    return as_chart(
        hv.Overlay([mark, *lines], label=title), logy=name == LOGARITHMIC, ylabel=title,
        xlabel="layer", xticks=list(enumerate(names)), ylim=(low, high),
        legend_position="top_left", show_legend=name == LOGARITHMIC,
        xrotation=45 if sum(map(len, names)) > _LETTERS else 0,
    )  # fmt: skip


def angle_chart(
    look: LayerGeometry, layer: str, weights: str, scales: Scales, pair: int | None = None
) -> hv.Overlay:
    """Input angle against output angle of every pair, with the theory; dotted: angles kept.

    Args:
        look: the result.
        layer: name of the layer.
        weights: `GIVEN`, or `RANDOM` for all draws together.
        scales: ranges of the axes.
        pair: number of the pair with a ring around it.
    """
    found = points(look, layer, weights)
    own = look.pairs_at(layer)
    curve = own[["angle_in", "formula"]].dropna().sort_values("angle_in").to_numpy()
    exact = own[["angle_in", "predicted"]].dropna().to_numpy()
    ringed = found.iloc[[] if pair is None else range(pair, len(found), len(own))]
    none = np.zeros((0, 2))
    theory = styled(
        hv.Curve(none if len(exact) else curve, *AXES, label="formula"), common={"color": OTHER}
    )
    recursion = styled(
        hv.Scatter(exact, *AXES, label="predicted"),
        common={"color": OTHER, "alpha": 0.7}, bokeh={"size": 2}, matplotlib={"s": 4},
    )  # fmt: skip
    rings = styled(
        hv.Scatter(ringed[list(AXES)].to_numpy(), *AXES),
        bokeh={"fill_alpha": 0, "line_color": MUTED, "line_width": 3, "size": 13},
        matplotlib={"facecolors": "none", "edgecolors": MUTED, "s": 60},
    )
    reach = min(scales.angle_in[1], scales.angle[1])
    kept = styled(
        hv.Curve([(0, 0), (reach, reach)], *AXES),
        common={"color": MUTED},
        bokeh={"line_dash": "dotted"},
        matplotlib={"linestyle": ":"},
    )
    return as_chart(
        hv.Overlay(
            [_marks(found, weights), kept, theory, recursion, rings],
            label=f"{layer}, {_title(look, weights)}",
        ).opts(backend="bokeh", hooks=[_hide_empty]),
        square=True, legend_position="top_left", xlim=scales.angle_in, ylim=scales.angle,
        xlabel="angle of the inputs (radians)", ylabel=f"angle at {layer} (radians)",
    )  # fmt: skip


def ratio_chart(
    look: LayerGeometry, layer: str, scales: Scales, top: float, marked: int | None = None
) -> hv.Overlay:
    """Histograms of output over input angle: given, random, predicted or else the formula.

    Args:
        look: the result.
        layer: name of the layer.
        scales: bins.
        top: upper end of the axis of shares, see `top_share`.
        marked: number of the bin that is marked.
    """
    shares = _shares(look, layer, scales)
    parts: list[hv.Element] = [
        styled(
            hv.Histogram(
                (scales.edges, shares[weights]),
                kdims="ratio", vdims="share", label=_words(look, weights),
            ),
            common={"alpha": 0.6},
            bokeh={"fill_color": _colour(weights), "line_color": None},
            matplotlib={"facecolor": _colour(weights), "edgecolor": "none"},
        )
        for weights in networks(look)
    ]  # fmt: skip
    middles = (scales.edges[1:] + scales.edges[:-1]) / 2
    for name in ("predicted", "formula"):
        steps = np.column_stack([middles, shares[name]]) if name in shares else np.zeros((0, 2))
        parts.append(
            styled(
                hv.Curve(steps, "ratio", "share", label=name),
                common={"color": OTHER, "interpolation": "steps-mid"},
            )
        )
    ends = [] if marked is None else [scales.edges[marked], scales.edges[marked + 1]]
    box = [[(end, 0), (end, top)] for end in ends]
    parts.append(styled(hv.Path(box, ["ratio", "share"]), common={"color": MUTED}))
    return as_chart(
        hv.Overlay(parts, label=f"ratios at {layer}, gauge {look.gauge}").opts(
            backend="bokeh", hooks=[_hide_empty]
        ),
        legend_position="top_right", xlim=(0, float(scales.edges[-1])), ylim=(0, top),
        xlabel=f"angle at {layer} / angle of the inputs", ylabel="share of the pairs",
    )  # fmt: skip


def top_share(looks: Sequence[LayerGeometry], layers: Sequence[str], scales: Scales) -> float:
    """Upper end of an axis that holds the histograms of all results, each at its layer."""
    found = [
        values.max()
        for look, layer in zip(looks, layers, strict=True)
        for values in _shares(look, layer, scales).values()
    ]
    return _MARGIN * max(float(max(found)), 0.1)


def networks(look: LayerGeometry) -> list[str]:
    """Networks whose pairs are drawn: the random ones together, where there are some, and given."""
    return [*[RANDOM] * (len(look.draws) > 1), GIVEN]


def points(look: LayerGeometry, layer: str, weights: str) -> pd.DataFrame:
    """Pairs at a layer as `LayerGeometry.pairs_at`, of one network after another for `RANDOM`."""
    names = look.draws[1:] if weights == RANDOM else [weights]
    return pd.concat([look.pairs_at(layer, name) for name in names], ignore_index=True)


def _marks(found: pd.DataFrame, weights: str) -> hv.Element:
    """Marks of the pairs, or the density of many."""
    known = found[list(AXES)].dropna().to_numpy()
    if len(found) < CROWDED:
        return styled(
            hv.Scatter(known, *AXES),
            common={"color": _colour(weights), "alpha": 0.5},
            bokeh={"size": 4}, matplotlib={"s": 5},
        )  # fmt: skip
    shades = "Blues" if weights == GIVEN else "Greys"
    return styled(
        hv.HexTiles(known, list(AXES)),
        common={"cmap": shades, "gridsize": 40, "min_count": 1, "colorbar": True},
    )


def _shares(
    look: LayerGeometry, layer: str, scales: Scales
) -> dict[str, Float64[np.ndarray, "bins"]]:
    """Shares of the pairs in each bin by network, and of "predicted" or else "formula"."""
    ratios = {weights: points(look, layer, weights).ratio for weights in networks(look)}
    own = look.pairs_at(layer)
    theory = "formula" if own.predicted.isna().all() else "predicted"
    if own[theory].notna().any():
        ratios[theory] = own[theory] / own.angle_in
    found = {name: values.dropna() for name, values in ratios.items()}
    return {
        name: np.histogram(values, scales.edges)[0] / max(len(values), 1)
        for name, values in found.items()
    }


def _line(
    look: LayerGeometry, table: pd.DataFrame, name: str, weights: str, label: str = ""
) -> hv.Curve:
    found = table[table.weights == weights].set_index("layer").loc[[INPUT, *look.layers]]
    values = np.column_stack([np.arange(len(found)), found[name].to_numpy(float)])
    kind = "given weights" if weights == GIVEN else "random weights"
    curve = hv.Curve(values, "layer", "value", label=label or kind)
    return styled(curve, common={"color": _colour(weights)})


def _hide_empty(plot: Any, element: hv.Overlay) -> None:
    """Leave out of the legend what has nothing drawn."""
    for item in (item for legend in plot.state.legend for item in legend.items):
        drawn = (each.data_source.data for each in item.renderers)
        item.visible = any(len(column) for data in drawn for column in data.values())


def _largest(values: pd.Series) -> float:
    known = values[np.isfinite(values)]
    return float(known.max()) if len(known) and known.max() > 0 else 1.0


def _colour(weights: str) -> str:
    return AFTER if weights == GIVEN else BEFORE


def _words(look: LayerGeometry, weights: str) -> str:
    return "given weights" if weights == GIVEN else f"random weights{_counted(look)}"


def _title(look: LayerGeometry, weights: str) -> str:
    """Network with its gauge; random networks are as they were drawn."""
    return f"given, gauge {look.gauge}" if weights == GIVEN else f"random{_counted(look)}"


def _counted(look: LayerGeometry) -> str:
    count = len(look.draws) - 1
    return f", {count} draws" * (count > 1)
