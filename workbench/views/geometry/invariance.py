"""Charts of invariance: movement by layer and by amount, beside a scattering network's."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
import pandas as pd
from holoviews.plotting.util import process_cmap

from workbench.models.scattering import ORDERS, Scattering
from workbench.probe.geometry.clouds import INPUT
from workbench.probe.geometry.invariance_result import Invariance
from workbench.probe.geometry.movements import Positions
from workbench.probe.geometry.networks import GIVEN
from workbench.probe.geometry.transformations import TRANSFORMATIONS
from workbench.views.style import AFTER, BEFORE, OTHER, SEQUENTIAL, as_chart, styled

MOVEMENT = "relative movement"
DASHES = {
    "given": ("solid", "-"), "none": ("dotted", ":"), "average": ("dashed", "--"),
    "maximum": ("dashdot", "-."),
}  # fmt: skip
"""Lines of the kinds of pooling, in bokeh's words and matplotlib's."""
SHOWN = 5
"""Number of layers in a chart by amount."""


def layer_charts(
    look: Invariance,
    positions: Positions = "kept",
    scattering: Invariance | None = None,
    transformations: Sequence[str] | None = None,
) -> list[hv.Overlay]:
    """Relative movement by layer, a chart for each transformation by its middle amount.

    Given weights are blue, random ones grey, kinds of pooling differ in their lines, and the
    deepest order of a scattering network is a horizontal line.

    Args:
        look: movements of a network and those beside it.
        positions: maps as they are ("kept"), or averaged over positions.
        scattering: movements of a scattering network by the same amounts.
        transformations: names; None: all.
    """
    layers = [INPUT, *look.layers]
    table = look.table().query("positions == @positions")
    table = table[table.layer.isin(layers)]
    charts = []
    for name in look.transformations if transformations is None else transformations:
        amount = look.middle(name)
        here = table[(table.transformation == name) & (table.amount == amount)]
        curves = [
            _layer_curve(rows, layers, *network)
            for network, rows in here.groupby(["weights", "pooling"], sort=False)
        ]
        if scattering is not None:
            level = _order(scattering, ORDERS[-1], positions, name, amount)
            line = hv.Curve(
                [(0, level), (len(layers) - 1, level)], "layer", "movement",
                label="scattering, order 2",
            )  # fmt: skip
            curves.append(styled(line, common={"color": OTHER}))
        title = TRANSFORMATIONS[name].words.format(f"{amount:g}")
        charts.append(
            as_chart(
                hv.Overlay(curves, label=title), xlabel="layer", ylabel=MOVEMENT,
                xticks=list(enumerate(layers)), xrotation=60, ylim=(0, None),
                legend_position="right",
            )
        )  # fmt: skip
    return charts


def amount_charts(
    look: Invariance,
    weights: str = GIVEN,
    pooling: str = "given",
    positions: Positions = "kept",
    transformations: Sequence[str] | None = None,
) -> list[hv.Overlay]:
    """Relative movement by amount, a chart for each transformation, some layers from first to last.

    Args:
        look: movements of a network and those beside it.
        weights, pooling: names of the network.
        positions: maps as they are ("kept"), or averaged over positions.
        transformations: names; None: all.
    """
    every = [INPUT, *look.layers]
    picked = np.unique(np.linspace(0, len(every) - 1, min(SHOWN, len(every))).round().astype(int))
    layers = [every[each] for each in picked]
    colours = process_cmap(SEQUENTIAL, len(layers) + 1)
    table = look.table().query(
        "weights == @weights and pooling == @pooling and positions == @positions"
    )
    charts = []
    for name in look.transformations if transformations is None else transformations:
        here = table[table.transformation == name]
        kind = TRANSFORMATIONS[name]
        curves = []
        for layer, colour in zip(layers, colours, strict=False):
            points = here[here.layer == layer][["amount", "movement"]].to_numpy(float)
            points = np.unique([*points, [kind.neutral, 0.0]], axis=0)
            curve = hv.Curve(points, "amount", "movement", label=layer)
            curves.append(styled(curve, common={"color": colour}))
        charts.append(
            as_chart(
                hv.Overlay(curves, label=f"{name}: weights {_network(weights, pooling)}"),
                xlabel=f"{name} ({kind.unit})", ylabel=MOVEMENT, ylim=(0, None),
                legend_position="right",
            )
        )  # fmt: skip
    return charts


def bound_chart(look: Invariance, network: Scattering) -> hv.Overlay:
    """Movement of a scattering network's orders by a shift, over ‖x‖, below its bound.

    Args:
        look: movements of the network's layers, shifts among the transformations.
        network: whose bound it is.
    """
    rows = look.images_table().query("transformation == 'shift' and positions == 'kept'")
    norms = rows[rows.layer == INPUT].set_index(["amount", "image"]).norm
    curves = []
    for order, colour in zip(ORDERS, process_cmap(SEQUENTIAL, len(ORDERS) + 1), strict=False):
        distances = rows[rows.layer == order].set_index(["amount", "image"]).distance
        shares = (distances / norms).groupby("amount").median()
        curve = hv.Curve((shares.index, shares.values), "shift", "moved", label=order)
        curves.append(styled(curve, common={"color": colour}))
    pixels = np.array(look.amounts("shift"))
    bound = hv.Curve(
        (pixels, [network.shift_bound(each) for each in pixels]), "shift", "moved", label="bound"
    )
    dashed = {"bokeh": {"line_dash": "dashed"}, "matplotlib": {"linestyle": "--"}}
    curves.append(styled(bound, common={"color": OTHER}, **dashed))
    ticks = [(each, f"{each:g}") for each in pixels]
    return as_chart(
        hv.Overlay(curves, label=f"scattering, J = {network.scale}"), logx=True, logy=True,
        xticks=ticks, xlabel="shift (pixels)", ylabel="movement / ‖x‖", legend_position="right",
    )  # fmt: skip


def _layer_curve(rows: pd.DataFrame, layers: list[str], weights: str, pooling: str) -> hv.Curve:
    levels = rows.set_index("layer").movement.reindex(layers)
    bokeh, matplotlib = DASHES[pooling]
    curve = hv.Curve(
        np.column_stack([np.arange(len(layers)), levels]), "layer", "movement",
        label=_network(weights, pooling),
    )  # fmt: skip
    return styled(
        curve,
        common={"color": AFTER if weights == GIVEN else BEFORE},
        bokeh={"line_dash": bokeh},
        matplotlib={"linestyle": matplotlib},
    )


def _order(look: Invariance, order: str, positions: str, name: str, amount: float) -> float:
    table = look.table()
    found = table[
        (table.layer == order) & (table.positions == positions)
        & (table.transformation == name) & (table.amount == amount)
    ]  # fmt: skip
    return float(found.movement.iloc[0]) if len(found) else float("nan")


def _network(weights: str, pooling: str) -> str:
    kind = {"given": "", "none": ", no pooling"}.get(pooling, f", {pooling} pooling")
    return f"{weights}{kind}"
