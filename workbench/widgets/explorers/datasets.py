"""Browser of a store: pages of thumbnails, filters, quarantine, origin of each item."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from traitlets import Int, Unicode, observe

from workbench.data.catalog import Catalog, Item
from workbench.views.panels import photo
from workbench.views.style import interactive
from workbench.views.thumbnails import ThumbnailGrid
from workbench.widgets.shells.controls import Action, Bounds, Choice, Number, Options
from workbench.widgets.shells.explorer import Explorer

ANY = "any"
_LISTED = 10
"""Most quarantined items that are named below the pictures."""
_KEPT = 256
"""Thumbnails kept in memory, 27 kB each."""


class DatasetBrowser(Explorer):
    """Browser of the scenes, regions or images of a store; only shown items are read.

    Attributes:
        split: name of a split, or `ANY`.
        category: name of a category, or `ANY`.
        annotators: number of annotators as text, or `ANY`.
        page: number of the page, from 1.
        position: position of the opened item in the catalog; −1: none.
        layer: annotator or mask that is outlined, from 0; −1: none.
        quarantine: items that could not be read, a line each, with the reason.
    """

    split = Unicode(ANY)
    category = Unicode(ANY)
    annotators = Unicode(ANY)
    page = Int(1)
    position = Int(-1)
    layer = Int(0)
    quarantine = Unicode()

    controls = (
        Choice("split", "Split"),
        Choice("category", "Category"),
        Choice("annotators", "Annotators"),
        Number("page", "Page"),
        Choice("layer", "Outlines of"),
        Action("check_raw_file", "Compare with the raw file"),
    )

    def __init__(self, store: Path | str, page: ThumbnailGrid | None = None) -> None:
        """Open a store.

        Args:
            store: folder or URL of the store.
            page: layout of the thumbnails.
        """
        super().__init__()
        self.catalog = Catalog(store)
        self.sheet = page or ThumbnailGrid()
        self.found = self.catalog.select()
        self.item: Item | None = None
        self._thumbnail = lru_cache(maxsize=_KEPT)(
            lambda position: self.catalog.thumbnail(position, self.sheet.side)
        )
        self._picture("page", self._draw_page, {Tap: self._on_tap})
        self._picture("item", self._draw_item)
        lost = self.catalog.origins.quarantined
        self.quarantine = "\n".join(f"slot {each.slot}: {each}" for each in lost)
        if len(self.found):
            self.position = int(self.found[0])
        self._update_readout()

    def options(self, name: str) -> Options:
        """Splits, categories, numbers of annotators and layers of the store."""
        if name == "split":
            there = self.catalog.splits
        elif name == "category":
            there = self.catalog.categories
        elif name == "annotators":
            there = [str(count) for count in self.catalog.annotators]
        elif name == "layer":
            return self._layers()
        else:
            return super().options(name)
        return {ANY: ANY} | {each: each for each in there}

    def bounds(self, name: str) -> Bounds:
        """Range of the page numbers."""
        if name == "page":
            return 1, self.pages, 1
        return super().bounds(name)

    @property
    def pages(self) -> int:
        """Number of pages that the found items fill, at least one."""
        return max(-(-len(self.found) // self.sheet.places), 1)

    @property
    def shown(self) -> list[int]:
        """Positions of the items on the page."""
        start = (self.page - 1) * self.sheet.places
        return [int(position) for position in self.found[start : start + self.sheet.places]]

    def check_raw_file(self) -> None:
        """Read the raw file of the item again and compare its SHA-256 with the recorded one."""
        if self.position < 0:
            return
        with self._errors_as_message():
            origin = self.catalog.origin(self.position)
            same = origin.check()
            self.readout = f"{origin.file}: SHA-256 " + (
                "is the recorded one" if same else f"has changed, recorded was {origin.sha256}"
            )

    @observe("split", "category", "annotators")
    def _on_filter(self, change: Any) -> None:
        with self._errors_as_message():
            self.found = self.catalog.select(
                None if self.split == ANY else self.split,
                None if self.category == ANY else self.category,
                None if self.annotators == ANY else int(self.annotators),
            )
        self.page = 1
        self._update_options()
        self.position = self.shown[0] if self.shown else -1
        self._update_readout()
        self._redraw("page")

    @observe("page")
    def _on_page(self, change: Any) -> None:
        self._redraw("page")

    @observe("position")
    def _on_position(self, change: Any) -> None:
        self.item = None
        if self.position >= 0:
            with self._errors_as_message():
                self.item = self.catalog.item(self.position)
        if self.item is not None and self.layer >= len(self.item.layers):
            self.layer = 0 if len(self.item.layers) else -1
        self._update_options()
        self._update_readout()
        self._redraw()

    @observe("layer")
    def _on_layer(self, change: Any) -> None:
        self._redraw("item")

    def _on_tap(self, x: float | None, y: float | None) -> None:
        place = None if x is None or y is None else self.sheet.at(x, y)
        if place is not None and place < len(self.shown):
            self.position = self.shown[place]

    def _layers(self) -> Options:
        what = "annotator" if self.catalog.kind == "scene" else "mask"
        count = 0 if self.item is None else len(self.item.layers)
        return {f"{what} {i + 1}": i for i in range(count)} | {"None": -1}

    def _update_readout(self) -> None:
        lost = len(self.quarantine.splitlines())
        words = [
            f"{len(self.found)} of {len(self.catalog)} {self.catalog.kind}s",
            f"{lost} in quarantine",
        ]
        if self.position >= 0:
            origin = self.catalog.origin(self.position)
            words += [
                f"{self.catalog.name(self.position)}: slot {origin.slot}, unit {origin.unit}",
                f"from {origin.file or origin.source}",
                f"SHA-256 {origin.sha256}",
            ]
        lines = [" · ".join(words), *self.quarantine.splitlines()[:_LISTED]]
        if lost > _LISTED:
            lines.append(f"… and {lost - _LISTED} more: see .quarantine")
        self.readout = "\n".join(lines)

    def _draw_page(self) -> hv.Overlay:
        shown, thumbnails = self.shown, []
        with self._errors_as_message():
            thumbnails = [self._thumbnail(position) for position in shown]
        names = [self.catalog.name(position) for position in shown[: len(thumbnails)]]
        chosen = shown.index(self.position) if self.position in shown else None
        height, width = self.sheet.size
        title = f"page {self.page} of {self.pages}" if shown else "no item is all of this"
        drawn = self.sheet.draw(thumbnails, names, chosen).relabel(title)
        return drawn.opts(
            backend="bokeh", frame_width=width, frame_height=height, toolbar=None,
            default_tools=[], active_tools=[],
        )  # fmt: skip

    def _draw_item(self) -> hv.RGB:
        if self.item is None:
            return interactive(photo(np.full((2, 2, 3), 255, np.uint8), "nothing to see"))
        title = self.catalog.name(self.position)
        pixels = self.item.pixels if self.layer < 0 else self.item.outlined(self.layer)
        return interactive(photo(pixels, title))
