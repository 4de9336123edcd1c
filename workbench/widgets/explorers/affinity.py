"""Explorer of the affinity: a click on a pixel shows its row of W or of M, from the factors.

Several seeds share one picture, each in a colour of its own, and every pixel takes the colour of
the seed with the strongest affinity, much as a segmentation would divide them. One picture stays in
one place, and a click costs the same for one seed as for six.
(`views.scenes.affinity.affinity_rows` draws seeds side by side.)
"""

from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import PointerXY, Tap
from traitlets import Bool, Int, List, Tuple, Unicode, observe

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views.paint import TRANSPARENT, LabelMap
from workbench.views.panels import AXES, heatmap, photo
from workbench.views.scenes.affinity import (
    AffinityPicture,
    block_picture,
    interior_pixels,
    seed_rings,
)
from workbench.views.scenes.probe import AffinityProbe, Pixel
from workbench.views.scenes.segments import typical_annotator
from workbench.views.style import SEEDS, SEQUENTIAL, interactive
from workbench.widgets.explorers.scene import SceneExplorer
from workbench.widgets.explorers.sources import AFFINITY, Explored
from workbench.widgets.pacing import Latest
from workbench.widgets.shells.controls import Action, Choice, Options, Player, Toggle

TYPICAL = -1
"""Annotator with the median number of segments in the scene."""
NOBODY = -2
_NEAR = 8
"""Distance in pixels within which a click removes a seed."""


class AffinityExplorer(SceneExplorer):
    """Explorer of the affinity's rows for any pixel of a scene, at any step of a run.

    Of a probe: for any pixel of an image, at any layer.

    Attributes:
        seeds: pixels (y, x) whose rows are shown.
        kind: "M" or "W".
        annotator: annotator, from 0, whose boundaries are drawn and whose segments order the
            blocks; `TYPICAL`: the median one; `NOBODY`: no boundaries.
        hover: whether the seed follows the pointer.
        several: whether a click adds a seed, or removes the one that it hits.
    """

    seeds = List(Tuple(Int(), Int()))
    kind = Unicode("M")
    annotator = Int(TYPICAL)
    hover = Bool(False)
    several = Bool(False)

    controls = (
        Choice("scene", "Scene"),
        Player("step", "Step"),
        AFFINITY,
        Choice("kind", "Row of"),
        Choice("annotator", "Boundaries of"),
        Toggle("hover", "Follow the pointer"),
        Toggle("several", "Several pixels"),
        Action("clear", "Clear pixels"),
        Toggle("follow", "Follow the training"),
        Action("refresh", "Refresh"),
    )

    def __init__(self, run: Explored, cells: int = 400) -> None:
        """Open a run or a probe.

        Args:
            run: run or its folder, or a probe.
            cells: number of cells in the block picture.
        """
        super().__init__(run)
        self.cells = cells
        self.probe: AffinityProbe | None = None
        self._photo = _blank()
        self._rows: AffinityPicture | None = None
        self._point: Latest[Pixel] = Latest(self._point_at)
        answers = {Tap: self._on_tap, PointerXY: self._on_pointer}
        self._picture("image", self._draw_image, answers)
        self._picture("affinity", self._draw_affinity, answers)
        self._picture("blocks", self._draw_blocks)
        self._begin()

    def options(self, name: str) -> Options:
        """Options of `SceneExplorer`, kinds of rows, and annotators of the scene."""
        if name == "kind":
            return {"M = D⁻½WD⁻½": "M", "W = XΛXᵀ": "W"}
        if name == "annotator":
            truths = () if self.snapshot is None else tuple(self.snapshot.truths)
            each = {
                f"annotator {i + 1} · {len(np.unique(truth))} segments": i
                for i, truth in enumerate(truths)
            }
            typical = {"typical annotator": TYPICAL} if each else {}
            return {**typical, **each, "None": NOBODY}
        return super().options(name)

    def clear(self) -> None:
        """Remove all seeds."""
        self.seeds = []

    def values(self, pixel: Pixel) -> np.ndarray:
        """Drawn row of a pixel, on blocks of `probe.step` pixels."""
        assert self.probe is not None, "choose a scene first"
        return np.asarray(self.probe.over_image([pixel], self.kind == "M")[0])

    def _on_tap(self, x: float | None, y: float | None) -> None:
        self._point.cancel()
        pixel = self._pixel(x, y)
        if pixel is None:
            return
        if not self.several:
            self.seeds = [pixel]
            return
        others = [s for s in self.seeds if np.hypot(s[0] - pixel[0], s[1] - pixel[1]) > _NEAR]
        if len(others) < len(self.seeds):
            self.seeds = others
        else:
            self.seeds = [*self.seeds, pixel][-len(SEEDS) :]

    def _on_pointer(self, x: float | None, y: float | None) -> None:
        pixel = self._pixel(x, y)
        if self.hover and not self.several and pixel is not None:
            self._point(pixel)

    def _point_at(self, pixel: Pixel) -> None:
        if self.hover:  # hovering may have been turned off meanwhile
            self.seeds = [pixel]

    def _pixel(self, x: float | None, y: float | None) -> Pixel | None:
        """Pixel of the image at a point of the picture; None outside the image."""
        if x is None or y is None or self.probe is None:
            return None
        pixel = round(y), round(x)
        inside = all(0 <= at < side for at, side in zip(pixel, self.probe.image, strict=True))
        return pixel if inside else None

    def _take(self, snapshot: Snapshot) -> None:
        image, truths = snapshot.image, snapshot.truths
        note = self.snapshots.note(self.scene, self.step)
        self.probe = AffinityProbe(snapshot)
        self._photo = interactive(photo(image))
        height, width = image.shape[:2]
        inside = [(y, x) for y, x in self.seeds if y < height and x < width]
        rows, columns = self.probe.shape
        factors = f"{self.probe.affinity.features} {'features' if not note else 'factors'}"
        self.readout = (
            "All features are zero: no pixel has any affinity to another."
            if self.probe.dead
            else "; ".join([f"{factors} of {rows}×{columns} cells", *[note] * bool(note)])
        )
        with self.hold_trait_notifications():
            self.seeds = inside or _first_seed(snapshot)
            if not len(truths):
                self.annotator = NOBODY
            elif self.annotator >= len(truths):
                self.annotator = TYPICAL
        self._rows = AffinityPicture(self.probe, self._truth(snapshot))

    def _drop(self) -> None:
        self.probe, self._rows = None, None
        self._photo = _blank()

    @observe("seeds", "kind")
    def _on_seeds(self, change: Any) -> None:
        # The row is redrawn first, as it was asked for; the rings on the photo follow.
        self._redraw("affinity", "image" if change["name"] == "seeds" else "blocks")

    @observe("annotator")
    def _on_annotator(self, change: Any) -> None:
        if self.snapshot is not None and self.probe is not None:
            self._rows = AffinityPicture(self.probe, self._truth(self.snapshot))
            self._redraw()

    def _truth(self, snapshot: Snapshot) -> LabelMap | None:
        """Segments whose boundaries are drawn; None for no boundaries."""
        if self.annotator == NOBODY:
            return None
        if 0 <= self.annotator < len(snapshot.truths):
            return np.asarray(snapshot.truths[self.annotator])
        return typical_annotator(snapshot.truths)

    def _draw_image(self) -> hv.Overlay:
        if self._rows is None:
            return (self._photo * _blank() * seed_rings([])).relabel("nothing to see")
        drawn = self._photo * self._rows.lines * seed_rings(self.seeds)
        return drawn.relabel(self.snapshots.title(self.scene, self.step))

    def _draw_affinity(self) -> hv.Overlay:
        if self._rows is None:
            return (_dark() * _blank() * seed_rings([])).relabel("nothing to see")
        drawn = self._rows.draw(self.seeds, self.kind == "M")
        if len(self.seeds) != 1:
            return drawn.relabel(f"{self.kind}, rows of {len(self.seeds)} seeds, by the strongest")
        (y, x), top = self.seeds[0], float(drawn.get(0).range("affinity")[1])
        return drawn.relabel(f"{self.kind}, row of pixel x {x}, y {y}; highest {top:.2g}")

    def _draw_blocks(self) -> hv.Overlay:
        if self.probe is None or self.snapshot is None:
            return interactive((_dark() * hv.Path([], AXES)).relabel("nothing to see"))
        segments = self._truth(self.snapshot)
        if segments is None:
            segments = _order(self.snapshot)
        drawn = block_picture(self.probe, segments, self.cells, self.kind == "M")
        cells = min(self.cells, self.probe.affinity.pixels)
        return interactive(drawn.relabel(f"{self.kind} between {cells} cells, by segment"))


def _first_seed(snapshot: Snapshot) -> list[Pixel]:
    """Innermost pixel of an annotator's largest segment; the centre without annotators."""
    if len(snapshot.truths):
        return interior_pixels(typical_annotator(snapshot.truths), 1)
    height, width = snapshot.image.shape[:2]
    return [(height // 2, width // 2)]


def _order(snapshot: Snapshot) -> LabelMap:
    """Segments that order the blocks: an annotator's, or a middle one of the snapshot's cuts."""
    if len(snapshot.truths):
        return typical_annotator(snapshot.truths)
    return np.asarray(snapshot.segmentations[len(snapshot.segmentations) // 2])


def _blank() -> hv.RGB:
    return interactive(photo(TRANSPARENT))


def _dark() -> hv.Image:
    nothing = np.zeros((2, 2), np.float32)
    return interactive(heatmap(nothing, 1, name="affinity", cmap=SEQUENTIAL, limits=(0.0, 1.0)))
