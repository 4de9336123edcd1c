"""Base class of explorers of a trained classifier's regions: pages of thumbnails and filters.

Matrices and predictions of all regions of a part are computed once a run and process, in small
steps while the explorer is used, and shared by all explorers of that run.
"""

from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from jaxtyping import Int as Integers
from jaxtyping import UInt8
from PIL import Image
from traitlets import Int, Unicode, observe

from pipelines.errors import UserError
from workbench.evaluation.regions.distances import PARTS, Part, RegionSpace
from workbench.runs import Run, Status
from workbench.views.thumbnails import ThumbnailGrid
from workbench.widgets.pacing import run_in_steps
from workbench.widgets.shells.controls import Bounds, Options
from workbench.widgets.shells.explorer import Explorer

ANY, RIGHT, WRONG = "any", "right", "wrong"
GALLERY = ThumbnailGrid(columns=8, rows=2, side=96)
_SPACES = 2
"""Pairs of run and part whose matrices are kept in memory, 260 MB each at most."""

Positions = Integers[np.ndarray, "found"]
_spaces: OrderedDict[tuple[Path, Part, str | None], RegionSpace] = OrderedDict()


def space_of(run: Run, part: Part, store: Path | str | None = None) -> RegionSpace:
    """Regions of a part of a run as its latest checkpoint sees them, cached.

    Errors: as `RegionSpace`.
    """
    key = run.path.resolve(), part, None if store is None else str(store)
    if key not in _spaces or _spaces[key].stale:
        _spaces[key] = RegionSpace(run, part, store)
    _spaces.move_to_end(key)
    while len(_spaces) > _SPACES:
        _spaces.popitem(last=False)
    return _spaces[key]


class RegionGallery(Explorer):
    """Explorer of one region out of a part of a run's split.

    Attributes:
        part: "held", "test" or "train".
        category: true category, or `ANY`.
        outcome: `RIGHT`, `WRONG` or `ANY`; filters the computed regions.
        page: number of the page, from 1.
        position: position of the opened region in the part; −1: none.
        space: regions of the part; None where there are none.
        found: positions of the regions that pass the filters.
    """

    part = Unicode("held")
    category = Unicode(ANY)
    outcome = Unicode(ANY)
    page = Int(1)
    position = Int(-1)

    def __init__(self, run: Run | Path | str, store: Path | str | None = None) -> None:
        """Open a run.

        Args:
            run: run or its folder.
            store: store of regions; None: the one that the run trained on.
        """
        super().__init__()
        self.run = run if isinstance(run, Run) else Run.open(run)
        self.store = store
        self.space: RegionSpace | None = None
        self.found: Positions = np.zeros(0, np.int64)
        self._thumbnail = lru_cache(maxsize=256)(self._read_thumbnail)
        self._picture("gallery", self._draw_gallery, {Tap: self._on_gallery})

    @property
    def ended(self) -> bool:
        """Whether the run writes no more records."""
        return self.run.status is not Status.RUNNING

    def options(self, name: str) -> Options:
        """Parts, categories that occur in the part, and outcomes."""
        if name == "part":
            return {words: part for part, words in PARTS.items()}
        if name == "category":
            return {ANY: ANY} | {each: each for each in self._categories()}
        if name == "outcome":
            return {ANY: ANY, "rightly": RIGHT, "wrongly": WRONG}
        return super().options(name)

    def bounds(self, name: str) -> Bounds:
        """Range of the page numbers."""
        if name == "page":
            return 1, max(-(-len(self.found) // GALLERY.places), 1), 1
        return super().bounds(name)

    @property
    def shown(self) -> list[int]:
        """Positions of the regions on the page."""
        start = (self.page - 1) * GALLERY.places
        return [int(each) for each in self.found[start : start + GALLERY.places]]

    def refresh(self) -> None:
        """Read the run's latest checkpoint."""
        part: Any = self.part
        space = self.space
        with self._errors_as_message():
            space = space_of(self.run, part, self.store)
        if space is not self.space:
            self.space = space
            self._thumbnail.cache_clear()
            self.position = -1
            self._select()
            run_in_steps(self._step)

    @observe("part")
    def _on_part(self, change: Any) -> None:
        self.space = None
        self.found = np.zeros(0, np.int64)
        with self.hold_trait_notifications():
            self.category, self.position = ANY, -1
        self.refresh()

    @observe("category", "outcome")
    def _on_filter(self, change: Any) -> None:
        self._select()

    @observe("page")
    def _on_page(self, change: Any) -> None:
        self._redraw("gallery")

    def _step(self) -> bool:
        """Compute the next few matrices; False when none is left to compute."""
        space, more = self.space, False
        if space is None:
            return False
        try:
            more = space.advance()
        except UserError as error:
            self.message = str(error)
        self._update_readout()
        if space is self.space and not more:
            self._select(keep=True)
            self._computed()
        return more and space is self.space

    def _select(self, keep: bool = False) -> None:
        """Find the regions that pass the filters, and open the first unless `keep` is set."""
        if self.space is None:
            return
        chosen = np.ones(len(self.space.regions), bool)
        if self.category != ANY:
            chosen &= self.space.regions.categories == self.space.regions.names.index(self.category)
        if self.outcome != ANY:
            chosen[self.space.done :] = False
            chosen[: self.space.done] &= self.space.right == (self.outcome == RIGHT)
        self.found = np.flatnonzero(chosen)
        if not keep:
            self.page = 1
        self._update_options()
        if not keep or self.position < 0:
            self.position = self.shown[0] if self.shown else -1
        self._update_readout()
        self._redraw("gallery")

    def _on_gallery(self, x: float | None, y: float | None) -> None:
        place = None if x is None or y is None else GALLERY.at(x, y)
        if place is not None and place < len(self.shown):
            self.position = self.shown[place]

    def _categories(self) -> list[str]:
        if self.space is None:
            return []
        return [str(name) for name, count in self.space.regions.counts().items() if count]

    def _category(self, position: int) -> str:
        assert self.space is not None
        regions = self.space.regions
        return str(regions.names[regions.categories[position]])

    def _update_readout(self) -> None:
        lines = [] if self.space is None else [self._progress(self.space), *self._detail_lines()]
        self.readout = "\n".join(lines)

    def _progress(self, space: RegionSpace) -> str:
        count = len(space.regions)
        words = [f"{len(self.found)} of {count} {PARTS[space.part]} regions"]
        if space.complete:
            words.append(f"error {1 - space.right.mean():.3f}")
            words.append(f"matrices computed in {space.seconds:.1f} s")
        else:
            left = "" if np.isnan(space.remaining) else f", {space.remaining:.0f} s to go"
            words.append(f"computing matrices: {space.done} of {count}{left}")
        return " · ".join(words)

    def _detail_lines(self) -> list[str]:
        """Lines about the opened region."""
        return []

    def _computed(self) -> None:
        """Hook that is called when the matrices of all regions are computed."""

    def _read_thumbnail(self, position: int) -> UInt8[np.ndarray, "side side 3"]:
        assert self.space is not None
        slots = self.space.regions.slots[position : position + 1]
        pixels = self.space.regions.items["image"].gather(slots)[0]
        square = Image.fromarray(pixels).resize((GALLERY.side,) * 2, Image.Resampling.BILINEAR)
        return np.asarray(square)

    def _page(
        self, page: ThumbnailGrid, positions: list[int], names: list[str], title: str, **places: Any
    ) -> hv.Overlay:
        """Draw thumbnails; a damaged one becomes the message and ends the page."""
        thumbnails: list[np.ndarray] = []
        try:
            for position in positions:
                thumbnails.append(self._thumbnail(position))
        except UserError as error:  # success leaves the message: it may be about something else
            self.message = str(error)
        places["marked"] = [each for each in places["marked"] if each < len(thumbnails)]
        drawn = page.draw(thumbnails, names[: len(thumbnails)], **places).relabel(title)
        height, width = page.size
        return drawn.opts(
            backend="bokeh", frame_width=width, frame_height=height, toolbar=None,
            default_tools=[], active_tools=[],
        )  # fmt: skip

    def _draw_gallery(self) -> hv.Overlay:
        shown = self.shown
        chosen = shown.index(self.position) if self.position in shown else None
        right = np.zeros(0, bool) if self.space is None else self.space.right
        wrong = [place for place, p in enumerate(shown) if p < len(right) and not right[p]]
        title = f"page {self.page} of {self.bounds('page')[1]}; crossed: taken for another category"
        title = title if shown else "no region is all of this"
        names = [self._category(position) for position in shown]
        return self._page(GALLERY, shown, names, title, chosen=chosen, marked=wrong)
