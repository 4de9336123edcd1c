"""The affinity to look at: rows of it as maps over the image, and its block structure.

Drawn is M = D^-½WD^-½, whose cuts these are, or W = XΛXᵀ itself, where pixels of large degree shine
over all others.
"""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.ndimage import distance_transform_edt

from workbench.evaluation.networks import Snapshot
from workbench.linalg.affinity import Affinity
from workbench.linalg.outcomes import rsqrt
from workbench.segmentation import Grid
from workbench.views.paint import LabelMap, boundary_layer, ceiling, fineness
from workbench.views.panels import AXES, heat, photo, row
from workbench.views.segments import typical_annotator
from workbench.views.style import MARKER, RULE, SEQUENTIAL, as_picture, styled

Probe = tuple[int, int]
"""A pixel (y, x)."""

_STEP = 2
"""Side of the blocks of pixels at which a row of W is drawn."""


def affinity_of(snapshot: Snapshot) -> Affinity:
    """W of a snapshot by its factors; the cells of the feature map are its rows."""
    x = torch.from_numpy(snapshot["maps"]).flatten(1).T
    coupling = snapshot.get("coupling")  # only where Λ was learned
    return Affinity(x, None if coupling is None else torch.from_numpy(coupling))


def probes_inside(labels: LabelMap, count: int = 3) -> list[Probe]:
    """The innermost pixel of each of the largest segments, largest first.

    Args:
        labels: (height, width).
        count: at most so many.
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
    snapshot: Snapshot, probe: Probe, title: str = "", normalized: bool = True
) -> hv.Overlay:
    """How strongly the network ties every pixel to one: a row of M over the image.

    Black is no affinity. The lines are a human's segments, the ring is the probe.

    Args:
        snapshot: of a scene.
        probe: the pixel (y, x).
        title: what one sees.
        normalized: False: a row of W.
    """
    values = _row_over_image(snapshot, probe, normalized)
    ring = styled(
        hv.Points([probe[::-1]], kdims=AXES),
        bokeh={"fill_alpha": 0, "line_color": MARKER, "line_width": 3, "size": 13},
        matplotlib={"color": "none", "edgecolors": MARKER, "linewidth": 2.5, "s": 170},
    )
    truth = typical_annotator(snapshot)
    overlay = (
        heat(values, _STEP, name="affinity", cmap=SEQUENTIAL, limits=(0.0, ceiling(values)))
        * photo(boundary_layer(truth), fineness=fineness(truth))
        * ring
    )
    return as_picture(overlay.relabel(title))


def affinity_rows(
    snapshot: Snapshot, probes: Sequence[Probe] | None = None, normalized: bool = True
) -> hv.Layout:
    """`affinity_row` for several probes.

    Args:
        snapshot: of a scene.
        probes: pixels (y, x); None: one inside each of a human's three largest segments.
        normalized: False: rows of W.
    """
    probes = probes or probes_inside(typical_annotator(snapshot))
    return row(
        [
            affinity_row(snapshot, probe, f"probe {i}", normalized)
            for i, probe in enumerate(probes, 1)
        ]
    )


def affinity_blocks(
    snapshot: Snapshot, title: str = "", cells: int = 400, normalized: bool = True
) -> hv.Overlay:
    """M between a sample of cells, ordered by a human's segments: blocks are what training wants.

    Args:
        snapshot: of a scene.
        title: what one sees.
        cells: size of the sample, evenly spread over the feature map.
        normalized: False: W.
    """
    rows, columns = snapshot["maps"].shape[1:]
    truth = torch.from_numpy(typical_annotator(snapshot).astype(np.int64))
    labels = _grid(snapshot).sample_labels(truth[None], rows, columns)[0].numpy()
    chosen = _spread(labels, cells)
    values = _rows(snapshot, chosen, normalized)[:, chosen]
    overlay = heat(
        values, 1, name="affinity", cmap=SEQUENTIAL, limits=(0.0, ceiling(values)), smooth=False
    )
    ends = np.flatnonzero(np.diff(labels[chosen])) + 0.5
    for lines in (hv.HLines(ends), hv.VLines(ends)) if len(ends) else ():
        overlay = overlay * styled(
            lines,
            common={"color": RULE, "alpha": 0.6},
            bokeh={"line_width": 0.7},
            matplotlib={"linewidth": 0.7},
        )
    return as_picture(overlay.relabel(title))


def _rows(
    snapshot: Snapshot, cells: Int[np.ndarray, "rows"], normalized: bool
) -> Float[np.ndarray, "rows pixels"]:
    """Rows of M, or of W, that belong to cells of the feature map; zero where the degree is."""
    affinity = affinity_of(snapshot)
    index = torch.from_numpy(cells)
    values = affinity.rows(index)
    if normalized:
        degrees = affinity.degrees
        scale = rsqrt(degrees)
        values = (scale[index, None] * values * scale).float()
    return values.numpy()


def _spread(labels: Int[np.ndarray, "cells"], count: int) -> Int[np.ndarray, "sample"]:
    """An evenly spread sample of cells, largest segment first."""
    sample = np.unique(np.linspace(0, len(labels) - 1, min(count, len(labels))).round().astype(int))
    areas = np.bincount(labels)
    return np.asarray(sample[np.lexsort((labels[sample], -areas[labels[sample]]))])


def _row_over_image(
    snapshot: Snapshot, probe: Probe, normalized: bool
) -> Float[np.ndarray, "rows columns"]:
    """The row that belongs to the cell nearest to a pixel, at blocks of pixels."""
    grid, (rows, columns) = _grid(snapshot), snapshot["maps"].shape[1:]
    height, width = snapshot["image"].shape[:2]
    i, j = (
        min(max(round((at - grid.offset) / grid.stride), 0), count - 1)
        for at, count in zip(probe, (rows, columns), strict=True)
    )
    values = torch.from_numpy(_rows(snapshot, np.array([i * columns + j]), normalized))
    fine = grid.interpolate(values.unflatten(1, (rows, columns)), height, width, _STEP)
    return fine[0].numpy()


def _grid(snapshot: Snapshot) -> Grid:
    stride, offset = snapshot["grid"].tolist()
    return Grid(stride, offset)
