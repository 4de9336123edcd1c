"""Segmentation of a photograph: computed at a working size, enlarged to the full one."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer, UInt8
from PIL import Image
from scipy.ndimage import find_objects, gaussian_filter

_MARGIN = 4
"""Pixels around a segment within which its smoothed mask fades to nothing."""
_FINEST = 3
"""Largest factor of the working size at which borders are redrawn; above, pixels are repeated."""
_SMOOTHING = 1.0
"""Deviation of the Gaussian that smooths an enlarged border, pixels before enlargement."""


@dataclass(frozen=True)
class PhotoSegmentation:
    """Segmentation of a photograph with its eigenvectors and contours.

    Attributes:
        pixels: RGB at full size.
        labels: segments 1 … n at full size.
        working: working size, height and width.
        eigenvectors: (count, rows, columns), D^-½U by descending eigenvalue at blocks of pixels;
            the first one is constant.
        eigenvalues: eigenvalues of these.
        rank: numerical rank of the affinity.
        contours: the ultrametric contour map, at blocks of the working size: the height at which
            each border falls; None of flat clusterings.
        height: height of the cut; None where it was cut into a number of segments.
        seconds: seconds by stage of the work.
        shortfall: reason why there are fewer segments than were asked for; empty: there are not.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    labels: Int[np.ndarray, "height width"]
    working: tuple[int, int]
    eigenvectors: Float[np.ndarray, "count rows columns"]
    eigenvalues: Float[np.ndarray, "count"]
    rank: int
    contours: Float[np.ndarray, "contour_rows contour_columns"] | None
    height: float | None
    seconds: dict[str, float]
    shortfall: str = ""

    @property
    def segments(self) -> int:
        """Number of segments."""
        return int(self.labels.max())


def enlarge_labels(
    labels: Int[np.ndarray, "rows columns"], size: tuple[int, int]
) -> Int[np.ndarray, "height width"]:
    """Label maps at a larger size with smooth borders; labels 1 … n, int32.

    Every segment's mask is smoothed and interpolated, and a pixel goes to the strongest: stairs
    become curves, and segments neither overlap nor leave gaps. A segment thinner than the
    smoothing may lose its pixels to its neighbours; labels are then counted anew.

    Args:
        labels: 1 … n.
        size: height and width of the result, no smaller.
    """
    if labels.shape == size:
        return labels.astype(np.int32)
    rows, columns = labels.shape
    finest = min(size[0], _FINEST * rows), min(size[1], _FINEST * columns)
    fine = _drawn_anew(labels, finest)
    _, index = np.unique(fine, return_inverse=True)
    names = (index.reshape(fine.shape) + 1).astype(np.int32)
    return nearest(names, size)


def nearest(
    values: Integer[np.ndarray, "rows columns"], size: tuple[int, int]
) -> Integer[np.ndarray, "height width"]:
    """Values under the centres of another number of pixels."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(int)
        for new, old in zip(size, values.shape, strict=True)
    )
    return np.asarray(values[rows[:, None], columns])


def _drawn_anew(
    labels: Int[np.ndarray, "rows columns"], size: tuple[int, int]
) -> Int[np.ndarray, "fine_rows fine_columns"]:
    height, width = size
    down, right = height / labels.shape[0], width / labels.shape[1]
    strongest = np.zeros(size, np.float32)
    found = np.ones(size, np.int32)
    for name, place in enumerate(find_objects(labels), 1):
        if place is None:
            continue
        top, left = (max(0, side.start - _MARGIN) for side in place)
        bottom, end = (
            min(extent, side.stop + _MARGIN)
            for side, extent in zip(place, labels.shape, strict=True)
        )
        mask = (labels[top:bottom, left:end] == name).astype(np.float32)
        mask = gaussian_filter(mask, _SMOOTHING, mode="nearest", truncate=3.0)
        # Pixels of the large map that lie whole in the mask, and their place in it.
        (y0, y1), (x0, x1) = _within(top, bottom, down), _within(left, end, right)
        box = (
            max(x0 / right - left, 0.0),
            max(y0 / down - top, 0.0),
            min(x1 / right - left, float(end - left)),
            min(y1 / down - top, float(bottom - top)),
        )
        likely = np.asarray(
            Image.fromarray(mask).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=box)
        )
        best, names = strongest[y0:y1, x0:x1], found[y0:y1, x0:x1]
        wins = likely > best
        best[wins] = likely[wins]
        names[wins] = name
    return found


def _within(start: int, stop: int, factor: float) -> tuple[int, int]:
    """Whole pixels of an enlarged map between two borders of pixels before enlargement."""
    rounding = 1e-6
    return math.ceil(start * factor - rounding), math.floor(stop * factor + rounding)
