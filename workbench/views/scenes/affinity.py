"""Views of the affinity: its rows as maps over the image, and its block structure.

The drawn matrix is M = D^-½WD^-½, which normalized cuts use, or W = XΛXᵀ itself, in which pixels of
large degree dominate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import holoviews as hv
import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views.paint import (
    TRANSPARENT,
    LabelMap,
    boundary_layer,
    composited,
    fineness,
    robust_maximum,
    strongest_colours,
)
from workbench.views.panels import AXES, heatmap, photo, row
from workbench.views.scenes.probe import AffinityProbe, Pixel
from workbench.views.scenes.segments import typical_annotator
from workbench.views.style import MARKER, RULE, SEEDS, SEQUENTIAL, as_picture, interactive, styled


def interior_pixels(labels: LabelMap, count: int = 3) -> list[Pixel]:
    """Innermost pixel of each of the largest segments, largest first.

    Args:
        labels: (height, width).
        count: largest number of pixels.
    """
    names, areas = np.unique(labels, return_counts=True)
    largest = names[np.argsort(-areas, kind="stable")][:count]
    found = []
    for name in largest:
        depth = distance_transform_edt(np.pad(labels == name, 1))[1:-1, 1:-1]
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append((int(y), int(x)))
    return found


def affinity_row(
    snapshot: Snapshot, probe: Pixel, title: str = "", normalized: bool = True
) -> hv.Overlay:
    """Row of M over the image: the affinity of every pixel to one.

    Black is no affinity. The lines are the segments of an annotator, the ring is the probe.

    Args:
        snapshot: snapshot of a scene.
        probe: pixel (y, x).
        title: title of the picture.
        normalized: False: a row of W.
    """
    picture = AffinityPicture(AffinityProbe(snapshot), typical_annotator(snapshot.truths))
    return as_picture(picture.draw([probe], normalized).relabel(title))


class AffinityPicture:
    """Picture of the affinity of every pixel to some seeds, drawn again for every choice of seeds.

    One seed: its row in the colours of `SEQUENTIAL`. Several: every pixel in the colour of the seed
    with the largest affinity, which gives the brightness; each row is scaled to its own
    `robust_maximum`, so that a seed of small degree is visible beside one of large degree.

    Parts that do not depend on the seeds are made once: most of the time of a picture goes into
    elements and their options.

    Args:
        ready: affinity probe of the snapshot.
        segments: segments whose boundaries are drawn; None: no boundaries.

    Attributes:
        lines: boundaries, as an element for other pictures of the scene.
    """

    def __init__(self, ready: AffinityProbe, segments: LabelMap | None) -> None:
        self.ready = ready
        self._fineness = 1 if segments is None else fineness(segments)
        self._layer = TRANSPARENT if segments is None else boundary_layer(segments)
        self.lines = photo(self._layer, fineness=self._fineness)
        dark = np.zeros_like(ready.over_image([(0, 0)])[0])
        self._heat = interactive(
            heatmap(dark, ready.step, name="affinity", cmap=SEQUENTIAL, limits=(0.0, 1.0))
        )
        self._places = [self._heat.dimension_values(axis, expanded=False) for axis in AXES]

    def draw(self, seeds: Sequence[Pixel], normalized: bool = True) -> hv.Overlay:
        """Picture of the seeds, with rings around them.

        Args:
            seeds: pixels (y, x); more than there are `SEEDS` share colours.
            normalized: False: rows of W.
        """
        values = self.ready.over_image(seeds, normalized)
        strongest = values[0] if len(seeds) == 1 else np.max(values, axis=0, initial=0.0)
        ground = self._heat.clone((*self._places, strongest))
        for backend in ("bokeh", "matplotlib"):
            ground.opts(backend=backend, clim=(0.0, robust_maximum(strongest)))
        over = self.lines if len(seeds) == 1 else self._coloured_by_strongest(values)
        return ground * over * seed_rings(seeds)

    def _coloured_by_strongest(self, values: Float[np.ndarray, "seeds rows columns"]) -> hv.RGB:
        """Picture in the seeds' colours with the boundaries over it."""
        colours = strongest_colours(values, SEEDS)
        height, width = (side * self._fineness for side in self.ready.image)
        y, x = (np.arange(side) // (self._fineness * self.ready.step) for side in (height, width))
        fine = colours[y[:, None], x]
        if self._layer is not TRANSPARENT:
            fine = composited(fine, self._layer)
        return photo(fine, fineness=self._fineness)


def seed_rings(seeds: Sequence[Pixel]) -> hv.Points:
    """Rings around seeds, in their colours."""
    colours = [MARKER] if len(seeds) < 2 else [SEEDS[i % len(SEEDS)] for i in range(len(seeds))]
    return styled(
        hv.Points([(x, y, c) for (y, x), c in zip(seeds, colours, strict=False)], AXES, "colour"),
        bokeh={"fill_alpha": 0, "line_color": "colour", "line_width": 3, "size": 13},
        matplotlib={"color": "none", "edgecolors": "colour", "linewidth": 2.5, "s": 170},
    )


def affinity_rows(
    snapshot: Snapshot, probes: Sequence[Pixel] | None = None, normalized: bool = True
) -> hv.Layout:
    """Layout of `affinity_row` for several probes.

    Args:
        snapshot: snapshot of a scene.
        probes: pixels (y, x); None: one inside each of an annotator's three largest segments.
        normalized: False: rows of W.
    """
    probes = probes or interior_pixels(typical_annotator(snapshot.truths))
    return row(
        [
            affinity_row(snapshot, probe, f"probe {i}", normalized)
            for i, probe in enumerate(probes, 1)
        ]
    )


def affinity_blocks(
    snapshot: Snapshot, title: str = "", cells: int = 400, normalized: bool = True
) -> hv.Overlay:
    """M between a sample of cells, ordered by an annotator's segments: ideally block-diagonal.

    Args:
        snapshot: snapshot of a scene.
        title: title of the picture.
        cells: size of the sample, evenly spread over the feature map.
        normalized: False: W.
    """
    found = block_picture(
        AffinityProbe(snapshot), typical_annotator(snapshot.truths), cells, normalized
    )
    return as_picture(found.relabel(title))


@dataclass(frozen=True)
class Blocks:
    """Affinities between a sample of cells, ordered by segment, the largest first.

    Attributes:
        values: entries of M, or of W.
        cells: numbers of the cells, row-major.
        ends: places between rows at which a segment ends.
    """

    values: Float[np.ndarray, "cells cells"]
    cells: Int[np.ndarray, "cells"]
    ends: Float[np.ndarray, "segments"]


def block_values(
    ready: AffinityProbe, segments: LabelMap, cells: int = 400, normalized: bool = True
) -> Blocks:
    """Entries of M, or of W, between an evenly spread sample of cells.

    Args:
        ready: affinity probe of the snapshot.
        segments: segments of the image, by which the cells are ordered.
        cells: size of the sample.
        normalized: False: W.
    """
    labels = ready.labels(segments)
    chosen = _sample(labels, cells)
    values = ready.rows(chosen, normalized)[:, chosen]
    return Blocks(values, chosen, np.flatnonzero(np.diff(labels[chosen])) + 0.5)


def block_picture(
    ready: AffinityProbe, segments: LabelMap, cells: int = 400, normalized: bool = True
) -> hv.Overlay:
    """M, or W, between a sample of cells, ordered by segment, the largest first.

    Args:
        ready: affinity probe of the snapshot.
        segments: segments of the image; lines separate them.
        cells: size of the sample, evenly spread over the feature map.
        normalized: False: W.
    """
    found = block_values(ready, segments, cells, normalized)
    values, chosen, ends = found.values, found.cells, found.ends
    low, high = -0.5, len(chosen) - 0.5
    across = [[(low, end), (high, end)] for end in ends]
    down = [[(end, low), (end, high)] for end in ends]
    lines = styled(
        hv.Path(across + down, AXES),
        common={"color": RULE, "alpha": 0.6},
        bokeh={"line_width": 0.7},
        matplotlib={"linewidth": 0.7},
    )
    picture = heatmap(
        values,
        1,
        name="affinity",
        cmap=SEQUENTIAL,
        limits=(0.0, robust_maximum(values)),
        smooth=False,
    )
    return as_picture(picture * lines)


def _sample(labels: Int[np.ndarray, "cells"], count: int) -> Int[np.ndarray, "sample"]:
    """Evenly spread sample of cells, ordered by segment, the largest first."""
    sample = np.unique(np.linspace(0, len(labels) - 1, min(count, len(labels))).round().astype(int))
    areas = np.bincount(labels)
    return np.asarray(sample[np.lexsort((labels[sample], -areas[labels[sample]]))])
