"""Explorer of the geometry of layers: angles of pairs, ratios, dimensions; one result or several.

A click on a pair shows its two photographs with their angles; a click on a bin of ratios shows the
pairs in it; a click on a chart of dimensions goes to a layer. Several results, on the same images,
stand beside each other with one layer, one pair and the same axes.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from traitlets import Int, Unicode, observe

from workbench.errors import WorkbenchError
from workbench.evaluation.cells import number
from workbench.probe.geometry.beside import check_same_images, matched_layers
from workbench.probe.geometry.clouds import INPUT
from workbench.probe.geometry.result import LayerGeometry
from workbench.views.geometry.layers import (
    MEASURES,
    angle_chart,
    dimension_chart,
    dimension_lines,
    networks,
    points,
    ratio_chart,
    scales_of,
    top_share,
)
from workbench.views.geometry.pairs import (
    COLUMNS,
    pair_picture,
    strip_picture,
    strip_sheet,
)
from workbench.views.style import interactive, shortened
from workbench.widgets.shells.controls import Action, Control, Options, Player
from workbench.widgets.shells.explorer import Explorer

Measured = LayerGeometry | Path | str
SHOWN = 2 * COLUMNS
"""Number of pairs of a bin that are shown at a time."""
NONE = -1
_NEAR = 0.05
"""Largest distance of a click to a pair, as a share of the axes."""
_SIDES = {1: 260, 2: 205}
"""Width of a chart by the number of results, screen pixels; charts of ratios are wider."""
_WIDE = 440
_LETTER = 6.4
"""Width of a letter of a title, screen pixels."""


class GeometryExplorer(Explorer):
    """Explorer of one result of `workbench.layer_geometry`, or of several on the same images.

    Attributes:
        layer: name of the layer in the first result.
        pair: number of the chosen pair, `NONE` without one.
        bin: number of the chosen bin of ratios, `NONE` without one.
        page: number of the page of the bin's pairs, from 1.
        looks: the results.
    """

    layer = Unicode()
    pair = Int(NONE)
    bin = Int(NONE)
    page = Int(1)

    controls: ClassVar[tuple[Control, ...]] = (
        Player("layer", "Layer"),
        Action("previous_pairs", "Previous pairs"),
        Action("next_pairs", "Next pairs"),
    )

    def __init__(self, looks: Measured | Sequence[Measured]) -> None:
        """Open results, or the folders of saved ones.

        Raises:
            WorkbenchError: a folder holds none, or results are on different images.
        """
        super().__init__()
        given = [looks] if isinstance(looks, LayerGeometry | Path | str) else list(looks)
        if not given:
            raise WorkbenchError("at least one result", "none", "give one")
        self.looks = [e if isinstance(e, LayerGeometry) else LayerGeometry.open(e) for e in given]
        check_same_images(self.looks)
        self._layers = {names[0]: names for names in matched_layers(self.looks)}
        self._scales = scales_of(self.looks)
        self._lines = {
            (k, name): dimension_lines(look, name)
            for k, look in enumerate(self.looks)
            for name in MEASURES
        }
        for k, look in enumerate(self.looks):
            for weights in networks(look):
                draw = partial(self._draw_angles, k, weights)
                answer = partial(self._on_pair, k, weights)
                self._picture(f"{weights} {k}", draw, {Tap: answer})
            self._picture(f"ratios {k}", partial(self._draw_ratios, k), {Tap: self._on_bin})
            for name in MEASURES:
                draw, answer = partial(self._draw_measure, k, name), partial(self._on_layer, k)
                self._picture(f"{name} {k}", draw, {Tap: answer})
        self._picture("pair", self._draw_pair)
        self._picture("pairs", self._draw_pairs, {Tap: self._on_pairs})
        self.layer = next(iter(self._layers))
        ratios = self._pairs(0).ratio.to_numpy()
        if np.isfinite(ratios).any():
            self.pair = int(np.nanargmin(ratios))
            self.bin = self._scales.bin(float(np.nanmedian(ratios))) or 0

    def rows(self) -> list[list[str]]:
        """Rows: angles of every network with the pair, ratios with a bin's pairs, dimensions."""
        count = range(len(self.looks))
        angles = [f"{w} {k}" for k in count for w in reversed(networks(self.looks[k]))]
        ratios = [f"ratios {k}" for k in count]
        measures = [f"{name} {k}" for name in MEASURES for k in count]
        if len(self.looks) == 1:
            return [[*angles, "pair"], [*ratios, "pairs"], measures]
        return [angles, ratios, ["pair", "pairs"], measures]

    def can_act(self, control: Control) -> bool:
        """Whether a control can act: pairs are turned over where there are many."""
        if isinstance(control, Action):
            return self.pages > 1
        return super().can_act(control)

    def options(self, name: str) -> Options:
        """Layers; those of several results under both names where they differ."""
        if name == "layer":
            return {" | ".join(dict.fromkeys(each)): each[0] for each in self._layers.values()}
        return super().options(name)

    @property
    def pages(self) -> int:
        """Number of pages of the bin's pairs."""
        return max(-(-len(self.in_bin) // SHOWN), 1)

    @property
    def in_bin(self) -> list[int]:
        """Numbers of the pairs of the first result whose ratio lies in the bin, ascending in it."""
        if self.bin == NONE:
            return []
        ratios = self._pairs(0).ratio
        low, high = self._scales.edges[self.bin : self.bin + 2]
        found = ratios[(ratios >= low) & (ratios < high)].sort_values()
        return [int(each) for each in found.index]

    @property
    def on_page(self) -> list[int]:
        """Numbers of the pairs of the bin that are shown."""
        return self.in_bin[(self.page - 1) * SHOWN : self.page * SHOWN]

    def previous_pairs(self) -> None:
        """Show the pairs of the bin before these."""
        self.page = max(self.page - 1, 1)

    def next_pairs(self) -> None:
        """Show the next pairs of the bin."""
        self.page = min(self.page + 1, self.pages)

    @observe("layer")
    def _on_change(self, change: Any) -> None:
        self._say()
        self._turn_back()
        self._redraw()

    @observe("bin")
    def _on_bin_change(self, change: Any) -> None:
        self._turn_back()
        self._redraw("pairs", *(f"ratios {k}" for k in range(len(self.looks))))

    @observe("page")
    def _on_page(self, change: Any) -> None:
        self._redraw("pairs")

    @observe("pair")
    def _on_pair_change(self, change: Any) -> None:
        angles = [f"{w} {k}" for k, look in enumerate(self.looks) for w in networks(look)]
        self._redraw("pair", "pairs", *angles)

    def _turn_back(self) -> None:
        self.page = 1
        self._update_options()

    def _say(self) -> None:
        """Say why something of the layer is missing, and what the results are."""
        said = []
        for k, look in enumerate(self.looks):
            name, reason = self._name(k), look.prediction(self._at(k)).why_not
            words = [f"no exact prediction, for {reason}"] * bool(reason)
            words += [look.cloud(self._at(k)).outcome]
            said += [f"{name}{self._at(k)}: {each}." for each in words if each]
        self.message = " ".join(said)
        self.readout = "\n".join(self._facts())

    def _facts(self) -> list[str]:
        found = []
        for k, look in enumerate(self.looks):
            found.append(
                f"{self._name(k)}{look.network}: {len(look.images)} images, "
                f"{look.preprocessing['source']}; gauge {look.gauge}; "
                "ratio: angle at the layer over that of the inputs"
            )
            for weights in look.draws[1:]:
                outcome = look.cloud(self._at(k), weights).outcome
                if outcome:
                    found.append(f"{self._name(k)}{self._at(k)}, {weights}: {outcome}")
        first = self.looks[0]
        found += [f"left out: {name}: {why}" for name, why in first.left_out.items()]
        if any(len(set(names)) > 1 for names in self._layers.values()):
            found.append("No layer has the same name in both: layers are matched by their position")
        return found

    def _name(self, k: int) -> str:
        return f"({k + 1}) " if len(self.looks) > 1 else ""

    def _at(self, k: int) -> str:
        """Layer of a result."""
        return self._layers[self.layer][k]

    def _pairs(self, k: int, weights: str = "given") -> Any:
        return points(self.looks[k], self._at(k), weights)

    def _on_pair(self, k: int, weights: str, x: float | None, y: float | None) -> None:
        if x is None or y is None:
            return
        found = self._pairs(k, weights)
        across, up = (end - start for start, end in (self._scales.angle_in, self._scales.angle))
        distances = np.hypot((found.angle_in - x) / across, (found.angle - y) / up).to_numpy()
        if np.isfinite(distances).any() and np.nanmin(distances) < _NEAR:
            self.pair = int(np.nanargmin(distances)) % len(self._pairs(k))

    def _on_bin(self, x: float | None, y: float | None) -> None:
        found = None if x is None else self._scales.bin(x)
        if found is not None:
            self.bin = found

    def _on_pairs(self, x: float | None, y: float | None) -> None:
        shown = self.on_page
        sheet = strip_sheet(self.looks[0], len(shown))
        found = None if x is None or y is None else sheet.at(x, y)
        if found is not None:
            self.pair = shown[found[0]]

    def _on_layer(self, k: int, x: float | None, y: float | None) -> None:
        names = [INPUT, *self.looks[k].layers]
        found = None if x is None or not -0.5 < x < len(names) - 0.5 else names[round(x)]
        for first, matched in self._layers.items():
            if matched[k] == found:
                self.layer = first

    def _draw_angles(self, k: int, weights: str) -> hv.Overlay:
        pair = None if self.pair == NONE else self.pair
        drawn = angle_chart(self.looks[k], self._at(k), weights, self._scales, pair)
        return self._sized(k, drawn, self._side, self._side)

    def _draw_ratios(self, k: int) -> hv.Overlay:
        marked = None if self.bin == NONE else self.bin
        top = top_share(self.looks, self._layers[self.layer], self._scales)
        drawn = ratio_chart(self.looks[k], self._at(k), self._scales, top, marked)
        return self._sized(k, drawn, _WIDE, 230)

    def _draw_measure(self, k: int, name: str) -> hv.Overlay:
        drawn = dimension_chart(
            self.looks[k], name, self._lines[k, name], self._scales, self._at(k)
        )
        letters = len("".join(self.looks[k].layers))
        drawn = drawn.opts(backend="bokeh", xrotation=45 if letters * 8 > self._side else 0)
        return self._sized(k, drawn, self._side, 205)

    def _draw_pair(self) -> hv.Overlay:
        pair = None if self.pair == NONE else self.pair
        return pair_picture(self.looks, self._layers[self.layer], pair)

    def _draw_pairs(self) -> hv.Overlay:
        look, shown, count = self.looks[0], self.on_page, len(self.in_bin)
        captions = [number(ratio) for ratio in self._pairs(0).ratio[shown]]
        if self.bin == NONE:
            return strip_picture(look, [], [], "click a bin of ratios")
        low, high = self._scales.edges[self.bin : self.bin + 2]
        first = (self.page - 1) * SHOWN
        which = f"{first + 1}–{first + len(shown)} of {count} pairs" if count else "no pairs"
        title = f"{which} of ratio {low:.2f} … {high:.2f}, {self._name(0)}given weights"
        return strip_picture(look, shown, captions, title)

    @property
    def _side(self) -> int:
        return _SIDES[min(len(self.looks), 2)]

    def _sized(self, k: int, drawn: hv.Overlay, width: int, height: int) -> hv.Overlay:
        """Chart of a result in a frame of a size, its title cut to it."""
        title = shortened(f"{self._name(k)}{drawn.label}", int(width / _LETTER))
        return interactive(drawn, chart=True).opts(
            backend="bokeh", frame_width=width, frame_height=height, title=title
        )
