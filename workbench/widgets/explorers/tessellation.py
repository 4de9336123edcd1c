"""Explorer of random tessellations: cells of circle and sphere as hyperplanes are added."""

from typing import Any

import holoviews as hv
from traitlets import Int, observe

from workbench.geometry.hyperplanes import cell_count
from workbench.views.geometry.tessellation import circle_picture, sphere_picture
from workbench.views.style import FRAME_SIDE
from workbench.widgets.shells.controls import Bounds, Number
from workbench.widgets.shells.explorer import Explorer

MOST = 256
"""Largest number of hyperplanes."""


class TessellationExplorer(Explorer):
    """Explorer of the cells that m random hyperplanes through 0 cut from the circle and the sphere.

    Attributes:
        bits: m.
        seed: seed of the hyperplanes; those of a smaller m are the first ones.
    """

    bits = Int(12)
    seed = Int(0)

    controls = (Number("bits", "Hyperplanes m"), Number("seed", "Draw"))

    def __init__(self, bits: int = 12, seed: int = 0) -> None:
        """Show the tessellation of m hyperplanes.

        Args:
            bits: m, from 1 to 256.
            seed: seed of the hyperplanes.
        """
        super().__init__()
        self.set_trait("bits", bits)
        self.set_trait("seed", seed)
        self._picture("circle", lambda: _framed(circle_picture(self.bits, self.seed)))
        self._picture("sphere", lambda: _framed(sphere_picture(self.bits, self.seed)))
        self._say()

    def bounds(self, name: str) -> Bounds:
        """Bounds of m and of the seed."""
        return (1, MOST, 1) if name == "bits" else (0, 99, 1)

    @observe("bits", "seed")
    def _on_choice(self, change: Any) -> None:
        self._say()
        self._redraw()

    def _say(self) -> None:
        self.readout = (
            f"{self.bits} hyperplanes: {cell_count(2, self.bits):,} cells of the circle, "
            f"{cell_count(3, self.bits):,} of the whole sphere (Schläfli)"
        )


def _framed(drawn: hv.Overlay) -> hv.Overlay:
    """Picture in a square frame; it stays where it is when m changes."""
    drawn.opts(
        backend="bokeh", frame_width=FRAME_SIDE, frame_height=FRAME_SIDE, data_aspect=None,
        xlim=(-1.02, 1.02), ylim=(-1.02, 1.02),
    )  # fmt: skip
    return drawn
