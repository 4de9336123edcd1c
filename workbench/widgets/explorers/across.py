"""Explorer of all images of a probe together: one cut, one scale, one meaning of a colour.

A click on a photograph shows the affinity of every cell of every photograph to the clicked one. The
cut of a layer and an affinity is computed once, in small steps, while the page stays alive.
"""

from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from traitlets import Enum, Int, Tuple, Unicode, observe

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.probe.across import AcrossImages, Nearest
from workbench.probe.affinities import CHOICES, NEGATIVE
from workbench.probe.recording import IMAGE
from workbench.probe.result import Probe
from workbench.runs import Run, Status
from workbench.views.across import (
    PALETTE,
    PhotoSheet,
    Size,
    fitted,
    in_colours,
    in_grey,
    joint_eigenvalues,
    resized,
)
from workbench.views.paint import Pixels
from workbench.views.style import interactive
from workbench.widgets.explorers.sources import AFFINITY, affinity_options
from workbench.widgets.pacing import Latest, run_in_steps
from workbench.widgets.shells.controls import (
    Action,
    Bounds,
    Choice,
    Control,
    Number,
    Options,
)
from workbench.widgets.shells.explorer import Explorer

PHOTOS, SEGMENTS, COLOURS, ALIKE = "photographs", "segments", "colours", "affinity"
SHOWN: Options = {
    "photographs": PHOTOS,
    "segments": SEGMENTS,
    "eigenvectors as colours": COLOURS,
    "affinity to a pixel": ALIKE,
}
COLUMNS, ROWS, BOX = 4, 3, (141, 188)
"""Places of a page, and the height and width of each."""
NEAREST, SMALL = 8, (68, 91)
"""Number of nearest images, and the height and width of their pictures."""
_SCALE = (0.05, 0.995)
"""Quantiles of the affinities of all cells of all images at the ends of the colours."""
Seed = tuple[str, tuple[int, int]]
"""Image and pixel (y, x)."""


class AcrossExplorer(Explorer):
    """Explorer of one normalized cut of all images of a probe.

    Attributes:
        layer: name of the layer.
        affinity: choice of the affinity, see `probe.affinities`.
        shown: value of `SHOWN`: what is drawn over the photographs.
        segments: number of segments of the cut.
        page: number of the page of photographs, from 1.
        seed: clicked pixel as (image, (y, x)); image "": none.
        cut: cut of all images; None until it is computed.
        nearest: most similar cell of each other image, best first.
    """

    layer = Unicode()
    affinity = Enum(tuple(CHOICES), next(iter(CHOICES)))
    shown = Enum(tuple(SHOWN.values()), COLOURS)
    segments = Int(6)
    page = Int(1)
    seed = Tuple(Unicode(), Tuple(Int(), Int()), default_value=("", (0, 0)))

    controls: ClassVar = (
        Choice("layer", "Layer"),
        AFFINITY,
        Choice("shown", "Show"),
        Number("segments", "Segments"),
        Number("page", "Page"),
        Action("previous_page", "Previous page"),
        Action("next_page", "Next page"),
        Action("refresh", "Refresh"),
    )

    def __init__(self, probe: Probe | Run | Path | str) -> None:
        """Open a probe, or its folder."""
        super().__init__()
        self.probe = probe if isinstance(probe, Probe) else Probe(probe)
        self.cut: AcrossImages | None = None
        self.nearest: list[Nearest] = []
        self.images: list[str] = []
        self._cuts: dict[tuple[str, str], AcrossImages] = {}
        self._making: AcrossImages | None = None
        self._rows: dict[str, np.ndarray] = {}
        self._limits = (0.0, 1.0)
        self._sizes: dict[str, Size] = {}
        self._ground: tuple[object, hv.RGB] | None = None
        self._photo = lru_cache(maxsize=256)(self._read_photo)
        self._soon: Latest[None] = Latest(lambda _: self._redraw("page", "eigenvalues"))
        self._picture("page", self._draw_page, {Tap: self._on_tap})
        self._picture("nearest", self._draw_nearest, {Tap: self._on_nearest})
        self._picture("eigenvalues", self._draw_eigenvalues)
        self.refresh()

    def rows(self) -> list[list[str]]:
        """Rows: the page of photographs, the nearest images, the eigenvalues."""
        return [["page"], ["nearest"], ["eigenvalues"]]

    @property
    def ended(self) -> bool:
        """Whether the run writes no more records."""
        return self.probe.run.status is not Status.RUNNING

    def can_act(self, control: Control) -> bool:
        """Whether a control can act: pages are turned where there are several."""
        if control.name in ("previous_page", "next_page"):
            return bool(self.bounds("page")[1] > 1)
        return super().can_act(control)

    def options(self, name: str) -> Options:
        """Layers, affinities, and what can be shown."""
        if name == "layer":
            return {layer: layer for layer in self.probe.layers}
        if name == "affinity":
            return affinity_options()
        if name == "shown":
            return SHOWN
        return super().options(name)

    def bounds(self, name: str) -> Bounds:
        """Range of the numbers of segments and of pages."""
        if name == "segments":
            most = len(PALETTE) if self.cut is None else min(len(self.cut.values), len(PALETTE))
            return 2, max(most, 2), 1
        if name == "page":
            return 1, max(-(-len(self.images) // (COLUMNS * ROWS)), 1), 1
        return super().bounds(name)

    @property
    def on_page(self) -> list[str]:
        """Ids of the images on the page."""
        start = (self.page - 1) * COLUMNS * ROWS
        return self.images[start : start + COLUMNS * ROWS]

    def previous_page(self) -> None:
        """Go to the page before."""
        self.page = max(self.page - 1, 1)

    def next_page(self) -> None:
        """Go to the next page."""
        self.page = min(self.page + 1, self.bounds("page")[1])

    def refresh(self) -> None:
        """Read which images there are; a probe that still runs is cut again once it has ended."""
        images, running = self.probe.images, self.probe.run.status is Status.RUNNING
        if self.layer and (images == self.images or (self._cuts and running)):
            return self._update_readout()
        self.images = images
        self._sizes = {
            e.fields["id"]: (e.fields["size"][0], e.fields["size"][1])
            for e in self.probe.run.events(IMAGE)
        }
        self._cuts.clear()
        if self.layer not in self.probe.layers:
            self.layer = self._deepest()  # begins the cut
        else:
            self._begin()

    @observe("layer", "affinity")
    def _on_layer(self, change: Any) -> None:
        self._begin()

    @observe("shown")
    def _on_shown(self, change: Any) -> None:
        self._update_readout()
        self._soon(None)

    @observe("segments")
    def _on_segments(self, change: Any) -> None:
        if self.shown == SEGMENTS:
            self._soon(None)

    @observe("page")
    def _on_page(self, change: Any) -> None:
        self._soon(None)

    @observe("seed")
    def _on_seed(self, change: Any) -> None:
        self._find_alike()
        self._update_readout()
        self._soon(None)
        self._redraw("nearest")

    def _deepest(self) -> str:
        """Last layer with more than one cell an image; else the last one."""
        maps = [layer for layer in self.probe.layers if self._has_cells(layer)]
        return (maps or self.probe.layers)[-1]

    def _has_cells(self, layer: str) -> bool:
        said = self.probe.described.get(layer)
        return said is not None and list(said["shape"]) != [1, 1]

    def _begin(self) -> None:
        """Take the cut of the layer and the affinity, or begin it."""
        if self.cut is not None:
            self.cut.forget()
        self.cut = self._making = None
        with self._errors_as_message():
            self._check()
            key = self.layer, self.affinity
            if key in self._cuts:
                self._take(self._cuts[key])
            else:
                self._making = AcrossImages(
                    self.probe, self.layer, self.affinity, progress=False, wait=False
                )
        self._rows, self.nearest = (self._rows, self.nearest) if self.cut else ({}, [])
        self._update_options()
        self._update_readout()
        self._redraw()
        if self._making is not None:
            run_in_steps(partial(self._advance, self._making))

    def _check(self) -> None:
        """Refuse what cannot be cut across images."""
        if len(self.images) < 2:
            raise WorkbenchError(
                "two images with kept features, to be compared with each other",
                f"{len(self.images)} in {self.probe.path}",
                "probe a folder of several images"
                if self.probe.run.status is not Status.RUNNING
                else "wait for its next images",
            )
        if not self._has_cells(self.layer):
            raise WorkbenchError(
                "a layer with several cells an image",
                f"{self.layer}, which gives one vector for a whole image",
                "choose a layer of maps or tokens",
            )

    def _advance(self, making: AcrossImages) -> bool:
        """Work a little on a cut; False once it is computed, or another one is asked for."""
        if making is not self._making:
            return False
        try:
            more = making.advance()
        except UserError as error:
            self._making, self.message = None, str(error)
            self._update_readout()
            return False
        if not more:
            self._making = None
            self._cuts[making.layer, making.affinity] = making
            self._take(making)
            self._update_options()
            self._redraw()
        self._update_readout()
        return more

    def _take(self, cut: AcrossImages) -> None:
        self.cut = cut
        self.segments = min(self.segments, self.bounds("segments")[1])
        if self.seed[0] in cut.images:
            self._find_alike()
        else:
            height, width = self._sizes[cut.images[0]]
            self.seed = cut.images[0], (height // 2, width // 2)

    def _find_alike(self) -> None:
        """Affinities of all cells to the clicked one, their scale, and the nearest images."""
        image, pixel = self.seed
        if self.cut is None or not image:
            return
        self._rows = self.cut.rows(image, pixel)
        every = np.concatenate([row.ravel() for row in self._rows.values()])
        low, high = (float(end) for end in np.quantile(every, _SCALE))
        self._limits = (low, high if high > low else low + 1.0)
        others = {name: row for name, row in self._rows.items() if name != image}
        self.nearest = self.cut.best(others)

    def _on_tap(self, x: float | None, y: float | None) -> None:
        found = None if x is None or y is None else self._sheet(self.on_page).at(x, y)
        if found is not None and self.cut is not None:
            self._choose((self.on_page[found[0]], found[1]))

    def _on_nearest(self, x: float | None, y: float | None) -> None:
        names = [each.image for each in self.nearest[:NEAREST]]
        found = None if x is None or y is None else self._strip(names).at(x, y)
        if found is not None:
            self._choose((names[found[0]], found[1]))

    def _choose(self, seed: Seed) -> None:
        """Show the affinity to a pixel, on the page of its image."""
        self.shown = ALIKE
        self.page = self.images.index(seed[0]) // (COLUMNS * ROWS) + 1
        self.seed = seed

    def _update_readout(self) -> None:
        words = []
        if self._making is not None:
            words.append(
                f"cutting {len(self.images)} images together: {self._making.share:.0%} done"
            )
        elif self.cut is not None:
            words.append(f"one cut of {self.cut.cells:,} cells of {len(self.cut.images)} images")
            if self.cut.errors[0]:
                words.append(
                    f"affinity approximated: error of its entries {self.cut.errors[1]:.2g} "
                    f"(root mean square), {self.cut.errors[0]:.2g} at most"
                )
            words += [NEGATIVE] * self.cut.negative
            if self.shown == ALIKE:
                words.append(
                    f"colours from {self._limits[0]:.3g} to {self._limits[1]:.3g} on all images "
                    "(5 and 99.5 % of all cells)"
                )
        if self.images and self.probe.images != self.images:
            words.append("the probe goes on: later images join once it has ended")
        self.readout = "; ".join(words)

    def _sheet(self, names: list[str]) -> PhotoSheet:
        rows = min(ROWS, -(-len(self.images) // COLUMNS))
        return self._layout(names, COLUMNS, max(rows, 1), BOX)

    def _strip(self, names: list[str]) -> PhotoSheet:
        return self._layout(names, NEAREST, 1, SMALL)

    def _layout(self, names: list[str], columns: int, rows: int, box: Size) -> PhotoSheet:
        """Layout of some images; as high as the highest of all, so that pages have one size."""
        heights = [fitted(self._sizes[name], box)[0] for name in self.images]
        sizes = tuple(self._sizes[name] for name in names)
        return PhotoSheet(sizes, columns, rows, (max(heights, default=box[0]), box[1]))

    def _read_photo(self, image: str, size: Size) -> Pixels:
        return resized(self.probe.image(image), size)

    def _painted(self, image: str, size: Size) -> Pixels:
        """Photograph with what is shown over it."""
        found = self._photo(image, size)
        if self.cut is None or self.shown == PHOTOS:
            return found
        if self.shown == ALIKE:
            return in_grey(found)
        if self.shown == COLOURS:
            return self.cut.colours(image, size)
        return in_colours(found, self.cut.labels(image, self.segments, size=size))

    def _draw_page(self) -> hv.Overlay:
        names = self.on_page
        sheet = self._sheet(names)
        key = (self.cut, self.page, len(names), self.shown, self.segments)
        if self._ground is None or self._ground[0] != key:
            painted = [self._painted(name, sheet.fitted(i)) for i, name in enumerate(names)]
            self._ground = key, sheet.photos(painted)
        alike = self.shown == ALIKE and bool(self._rows)
        maps = self._maps(names, sheet) if alike else []
        captions = [f"{name} · {self._rows[name].max():.2f}" if alike else name for name in names]
        image, pixel = self.seed
        chosen = (names.index(image), pixel) if self._rows and image in names else None
        near = [
            (names.index(each.image), each.pixel)
            for each in self.nearest[: NEAREST * alike]
            if each.image in names
        ]
        drawn = (
            self._ground[1]
            * sheet.map(maps, self._limits, "affinity")
            * sheet.rings(chosen, near)
            * sheet.captions(captions)
        )
        return self._framed(drawn.relabel(self._title()), sheet)

    def _maps(self, names: list[str], sheet: PhotoSheet) -> list[np.ndarray]:
        assert self.cut is not None
        return [
            self.cut.over_image(name, self._rows[name], sheet.fitted(place))
            for place, name in enumerate(names)
        ]

    def _draw_nearest(self) -> hv.Overlay:
        near = self.nearest[:NEAREST]
        sheet = self._strip([each.image for each in near])
        photos = [self._photo(each.image, sheet.fitted(i)) for i, each in enumerate(near)]
        rings = sheet.rings(None, [(i, each.pixel) for i, each in enumerate(near)])
        words = [f"{each.affinity:.3f} {each.image}" for each in near]
        image, (y, x) = self.seed
        title = f"nearest images to pixel x {x}, y {y} of {image}, by their most similar cell"
        drawn = sheet.photos(photos) * rings * sheet.captions(words)
        return self._framed(drawn.relabel(title if near else "nothing to see"), sheet)

    def _draw_eigenvalues(self) -> hv.Overlay:
        values = np.zeros(0) if self.cut is None else self.cut.values.numpy()
        segments = self.segments if self.shown == SEGMENTS else None
        drawn = joint_eigenvalues(values, segments, self.shown == COLOURS)
        return interactive(drawn.relabel("eigenvalues of the joint cut"), chart=True)

    def _title(self) -> str:
        if not self.images:
            return "nothing to see"
        where = f"page {self.page} of {self.bounds('page')[1]}"
        image, (y, x) = self.seed
        words = {
            PHOTOS: "click a pixel",
            SEGMENTS: f"{self.segments} segments: a colour means the same on all images",
            COLOURS: "eigenvectors 2, 3, 4: a colour means the same on all images",
            ALIKE: f"affinity to pixel x {x}, y {y} of {image}",
        }
        return f"{words[self.shown if self.cut else PHOTOS]} · {self.layer} · {where}"

    def _framed(self, drawn: hv.Overlay, sheet: PhotoSheet) -> hv.Overlay:
        height, width = sheet.size
        return drawn.opts(
            backend="bokeh", frame_width=width, frame_height=height, toolbar=None,
            default_tools=[], active_tools=[], data_aspect=None,
        )  # fmt: skip
