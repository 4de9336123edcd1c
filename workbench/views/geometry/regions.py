"""Pictures of linear regions: the map of a plane through data, and growth with depth."""

from collections.abc import Mapping, Sequence

import holoviews as hv
import numpy as np

from workbench.geometry.linear_regions import PlaneRegions
from workbench.geometry.region_growth import Growth
from workbench.views.style import AFTER, BEFORE, INK, OTHER, SEEDS, as_chart, dots, line, styled

COLOURS = 12
"""Colours of the map; neighbours differ wherever that many allow it."""


def region_map(
    found: PlaneRegions, selected: int | None = None, title: str = "the plane"
) -> hv.Overlay:
    """Map of the regions, the inputs on it; of a selected one its outline and its neighbours.

    Args:
        found: regions on a plane.
        selected: number of a region.
        title: its title.
    """
    near = set() if selected is None else set(found.neighbours(selected).tolist())
    parts = [
        _outline(found, number) | {"shade": shade} for number, shade in enumerate(_shades(found))
    ]
    ground = styled(
        hv.Polygons(parts, ["x", "y"], "shade"),
        common={"cmap": "cividis", "color": "shade", "alpha": 0.75},
        bokeh={"line_color": "white", "line_width": 0.3},
        matplotlib={"edgecolor": "white", "linewidth": 0.3},
    )  # fmt: skip
    layers = [ground]
    if near:
        layers.append(_edges(found, sorted(near), OTHER, 2))
    if selected is not None:
        layers.append(_edges(found, [selected], INK, 3))
    inputs = dots(found.anchors, ("x", "y"), "white", INK, (9, 34))
    centre, half = found.anchors.mean(0), found.extent
    return as_chart(
        hv.Overlay([*layers, inputs], label=f"{title}: {found.count:,} regions"), square=True,
        xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half),
        xlabel="in the plane", ylabel="",
    )  # fmt: skip


def growth_chart(networks: Mapping[str, Sequence[Growth]]) -> hv.Overlay:
    """Regions along segments against depth at equal numbers of parameters, and units beside them.

    Args:
        networks: rows for each kind of weights, by its name: "random", "trained".
    """
    first = next(iter(networks.values()))
    depths = [each.depth for each in first]
    units = [each.units for each in first]
    parts = [
        line(depths, units, "depth", BEFORE, "units", "dashed"),
        line(depths, first[0].regions * 2.0 ** (np.array(depths) - depths[0]), "depth", OTHER,
             "doubled by each layer", "dashed"),
    ]  # fmt: skip
    for colour, (name, rows) in zip((AFTER, *SEEDS), networks.items(), strict=False):
        parts.append(
            line(depths, [row.regions for row in rows], "depth", colour, f"regions, {name}")
        )
    return as_chart(
        hv.Overlay(parts, label=f"regions on a segment, {first[0].parameters:,} parameters"),
        logy=True, xlabel="hidden layers", ylabel="number", legend_position="top_left",
    )  # fmt: skip


def _outline(found: PlaneRegions, number: int) -> dict[str, np.ndarray]:
    x, y = found.polygons[number].corners.T
    return {"x": x, "y": y}


def _edges(found: PlaneRegions, numbers: Sequence[int], colour: str, width: int) -> hv.Path:
    corners = [found.polygons[each].corners for each in numbers]
    return styled(
        hv.Path([np.concatenate([each, each[:1]]) for each in corners], ["x", "y"]),
        common={"color": colour},
        bokeh={"line_width": width},
        matplotlib={"linewidth": width / 1.5},
    )


def _shades(found: PlaneRegions) -> list[int]:
    """Colour of each region: the first that none of its neighbours before it has."""
    shades = np.full(found.count, -1)
    for number in range(found.count):
        taken = set(shades[found.neighbours(number)].tolist())
        free = [each for each in range(COLOURS) if each not in taken]
        shades[number] = free[0] if free else number % COLOURS
    return [int(each) for each in shades]
