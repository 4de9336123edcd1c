"""Explorer of the linear regions on a plane through data: a click names a region's neighbours."""

from functools import partial
from typing import Any

import holoviews as hv
from holoviews.streams import Tap
from traitlets import Int, observe

from workbench.geometry.linear_regions import PlaneRegions
from workbench.views.geometry.regions import region_map
from workbench.widgets.shells.controls import Action
from workbench.widgets.shells.explorer import Explorer

NAMED = 8
"""Number of neighbours that are named."""
SIDE = 460


class LinearRegionExplorer(Explorer):
    """Explorer of maps of linear regions, of one network or of several on the same plane.

    Attributes:
        region: number of the selected region of the map that was clicked; −1: none.
        network: number of that map.
    """

    region = Int(-1)
    network = Int(0)

    controls = (Action("clear", "No region"),)

    def __init__(self, *maps: PlaneRegions, titles: tuple[str, ...] = ()) -> None:
        """Show maps side by side.

        Args:
            maps: regions of networks on a plane.
            titles: title of each map; default: "network 1", …
        """
        super().__init__()
        self.maps = maps
        self.titles = titles or tuple(f"network {i + 1}" for i in range(len(maps)))
        for number in range(len(maps)):
            self._picture(
                f"map {number}", partial(self._draw, number), {Tap: partial(self.click, number)}
            )
        self._say()

    def click(self, network: int, x: float | None, y: float | None) -> None:
        """Select the region at a point of a map, in the plane's coordinates."""
        if x is None or y is None:
            return
        with self._errors_as_message():
            region = self.maps[network].region_at(x, y)
            with self.hold_trait_notifications():
                self.network, self.region = network, region

    def clear(self) -> None:
        """Select no region."""
        self.region = -1

    @observe("region", "network")
    def _on_choice(self, change: Any) -> None:
        self._say()
        self._redraw()

    def _say(self) -> None:
        counts = ", ".join(
            f"{title}: {found.count:,} regions"
            for title, found in zip(self.titles, self.maps, strict=True)
        )
        if self.region < 0:
            self.readout = f"{counts}. Click a region: its neighbours are named."
            return
        found = self.maps[self.network]
        near = found.neighbours(self.region).tolist()
        named = [f"{each} ({_changes(found, self.region, each)})" for each in near[:NAMED]]
        more = f" and {len(near) - NAMED} more" * (len(near) > NAMED)
        self.readout = (
            f"{self.titles[self.network]}, region {self.region}: area "
            f"{found.areas[self.region]:.3g}, {_active(found, self.region)}; "
            f"{len(near)} neighbours: {', '.join(named)}{more}"
        )

    def _draw(self, number: int) -> hv.Overlay:
        selected = self.region if number == self.network and self.region >= 0 else None
        drawn = region_map(self.maps[number], selected, self.titles[number])
        drawn.opts(backend="bokeh", frame_width=SIDE, frame_height=SIDE, toolbar="right",
                   default_tools=["pan", "wheel_zoom", "reset"], active_tools=[])  # fmt: skip
        return drawn


def _changes(found: PlaneRegions, region: int, other: int) -> str:
    """Choices that differ across a border: "unit 3 of layer 2"."""
    changed = [f"unit {unit} of layer {layer}" for layer, unit in found.changed(region, other)]
    return ", ".join(changed[:2]) + f" and {len(changed) - 2} more" * (len(changed) > 2)


def _active(found: PlaneRegions, region: int) -> str:
    """Numbers of active units of each layer in a region."""
    parts, start = [], 0
    for layer, size in found.layers:
        chosen = found.patterns[region, start : start + size]
        parts.append(f"{int((chosen == 0).sum())} of {size} units of layer {layer} active")
        start += size
    return ", ".join(parts)
