"""Explorer of a trained DeepO2P's regions: matrices, spectra, probabilities, nearest regions."""

from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from traitlets import Bool, observe

from workbench.data.sheet import OUTLINE, outline_of
from workbench.evaluation.regions.distances import RegionDetails
from workbench.runs import Run
from workbench.views.panels import photo
from workbench.views.regions.matrices import (
    class_probabilities,
    energy_order,
    matrix_picture,
    spectrum_after,
    spectrum_before,
)
from workbench.views.style import interactive
from workbench.views.thumbnails import ThumbnailGrid
from workbench.widgets.explorers.region_gallery import RegionGallery
from workbench.widgets.shells.controls import Action, Choice, Number, Toggle

NEAREST = ThumbnailGrid(columns=8, rows=1, side=96)
_CHART = 320
"""Width of a chart, screen pixels: three stand in a row below region and matrices."""


class RegionExplorer(RegionGallery):
    """Explorer of one part of a run's split, with one region opened.

    Attributes:
        by_energy: order channels by their energy in the region; otherwise by number.
        same_image: whether the nearest regions may be from the region's own image.
        details: opened region, at `position`; None without one.
        near: positions of the nearest regions and their distances, ascending.
    """

    by_energy = Bool(True)
    same_image = Bool(False)

    controls = (
        Choice("part", "Part"),
        Choice("category", "Category"),
        Choice("outcome", "Classified"),
        Number("page", "Page"),
        Toggle("by_energy", "Channels by energy"),
        Toggle("same_image", "Nearest of the same image too"),
        Action("refresh", "Refresh"),
    )

    def __init__(self, run: Run | Path | str, store: Path | str | None = None) -> None:
        """Open a run; arguments as `RegionGallery`."""
        super().__init__(run, store)
        self.details: RegionDetails | None = None
        self.near = np.zeros(0, np.int64), np.zeros(0, np.float32)
        self._picture("region", self._draw_region)
        self._picture("before", self._draw_before)
        self._picture("after", self._draw_after)
        self._picture("scores", self._draw_scores)
        self._picture("spectrum before", self._draw_spectrum_before)
        self._picture("spectrum after", self._draw_spectrum_after)
        self._picture("nearest", self._draw_nearest, {Tap: self._on_nearest})
        self.refresh()

    def rows(self) -> list[list[str]]:
        """Rows: the gallery; the region and its matrices; scores and spectra; nearest regions."""
        return [
            ["gallery"],
            ["region", "before", "after"],
            ["scores", "spectrum before", "spectrum after"],
            ["nearest"],
        ]

    @observe("by_energy")
    def _on_order(self, change: Any) -> None:
        self._redraw("before", "after")

    @observe("position", "same_image")
    def _on_position(self, change: Any) -> None:
        if change["name"] == "position":
            self.details = None
            if self.space is not None and self.position >= 0:
                with self._errors_as_message():
                    self.details = self.space.details(self.position)
        self._measure()
        self._update_readout()
        self._redraw()

    def _measure(self) -> None:
        """Find the nearest regions among the computed ones."""
        self.near = np.zeros(0, np.int64), np.zeros(0, np.float32)
        if self.space is not None and self.details is not None:
            self.near = self.space.nearest(self.position, NEAREST.places, self.same_image)

    def _computed(self) -> None:
        self._measure()
        self._redraw("nearest")

    def _on_nearest(self, x: float | None, y: float | None) -> None:
        place = None if x is None or y is None else NEAREST.at(x, y)
        if place is not None and place < len(self.near[0]):
            self.position = int(self.near[0][place])

    def _detail_lines(self) -> list[str]:
        space, details = self.space, self.details
        if space is None or details is None:
            return []
        region, epsilon = details.region, space.pooling.epsilon
        above = int((details.eigenvalues > epsilon).sum())
        return [
            f"{region.category} {region.annotation_id} of image {region.image_id}: "
            f"{details.cells} cells, {len(details.eigenvalues)} channels, rank {details.rank}, "
            f"effective rank {details.effective_rank:.1f}, "
            f"{above} eigenvalues above ε = {epsilon:g}"
        ]

    def _draw_region(self) -> hv.RGB:
        if self.details is None:
            return interactive(photo(np.full((2, 2, 3), 255, np.uint8), "nothing to see"))
        region = self.details.region
        assert region.mask is not None  # as the space reads them
        outlined = np.where(outline_of(region.mask)[..., None], OUTLINE, region.pixels)
        return interactive(photo(outlined, region.category))

    def _draw_before(self) -> hv.Image:
        return self._matrix("before", "XᵀX/m", "feature²")

    def _draw_after(self) -> hv.Image:
        function = "" if self.space is None else self.space.function
        unit = "log feature²" if function.startswith("log") else "entry"
        return self._matrix("after", function, unit)

    def _matrix(self, which: str, title: str, name: str) -> hv.Image:
        if self.details is None:
            return interactive(matrix_picture(np.zeros((2, 2)), "nothing to see", name))
        values = getattr(self.details, which).astype(np.float64)
        if self.by_energy:
            order = energy_order(self.details.before)
            values = values[np.ix_(order, order)]
        return interactive(matrix_picture(values, f"{title}, {len(values)} channels", name))

    def _draw_spectrum_before(self) -> hv.Overlay:
        values = np.zeros(0) if self.details is None else self.details.eigenvalues
        epsilon = 0.0 if self.space is None else self.space.pooling.epsilon
        title = "nothing to see" if self.details is None else "spectrum of XᵀX/m"
        title += f"; dashed: ε = {epsilon:g}" if epsilon else ""
        return _chart(spectrum_before(values, epsilon, title))

    def _draw_spectrum_after(self) -> hv.Overlay:
        after = np.zeros((0, 0)) if self.details is None else self.details.after.astype(np.float64)
        function = "" if self.space is None else self.space.function
        title = "nothing to see" if self.details is None else f"spectrum of {function}"
        return _chart(spectrum_after(np.linalg.eigvalsh(after), function, title))

    def _draw_scores(self) -> hv.Overlay:
        if self.details is None or self.space is None:
            return _chart(class_probabilities(np.zeros(0), (), "").relabel("nothing to see"))
        names, truth = self.space.regions.names, self.details.region.category
        drawn = class_probabilities(self.details.probabilities, names, truth)
        return _chart(drawn.relabel(f"probabilities; blue: {truth}, the true one"))

    def _draw_nearest(self) -> hv.Overlay:
        if self.details is None or self.space is None:
            return self._page(NEAREST, [], [], "nothing to see", marked=[])
        positions, truth = [int(each) for each in self.near[0]], self.details.region.category
        categories = [self._category(position) for position in positions]
        others = [place for place, category in enumerate(categories) if category != truth]
        names = [f"{d:.1f} {name}" for d, name in zip(self.near[1], categories, strict=True)]
        metric = "log-Euclidean" if self.space.pooling.function == "log" else "Euclidean"
        title = (
            f"nearest of {self.space.done} regions, {metric} distance of {self.space.function}; "
            "crossed: another category"
        )
        return self._page(NEAREST, positions, names, title, marked=others)


def _chart(drawn: hv.Overlay) -> hv.Overlay:
    return interactive(drawn, chart=True).opts(backend="bokeh", frame_width=_CHART)
