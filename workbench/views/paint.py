"""Segmentations and maps as RGB or RGBA arrays, alone or over an image."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from PIL import ImageColor
from scipy.ndimage import maximum_filter

Pixels = UInt8[np.ndarray, "height width 3"]
LabelMap = Integer[np.ndarray, "height width"]

TRANSPARENT = np.zeros((2, 2, 4), np.uint8)
"""Fully transparent RGBA layer."""

_FINE = 480
"""Approximate longest side at which boundaries are drawn, pixels."""
_HALO = 0.35
"""Fraction of the brightness that remains under the dark rim of a boundary."""

EXTREME = 0.99
"""Quantile of a map at the end of its colours: a few extreme cells must not dim the rest."""


def robust_maximum(values: Float[np.ndarray, "rows columns"]) -> float:
    """Magnitude at quantile `EXTREME`, positive: the end of a colour scale."""
    return max(float(np.quantile(np.abs(values), EXTREME)), float(np.finfo(np.float32).tiny))


def strongest_colours(
    values: Float[np.ndarray, "maps rows columns"], colours: Sequence[str]
) -> UInt8[np.ndarray, "rows columns 4"]:
    """RGBA picture of several maps: each place in the colour of the map that is largest there.

    Args:
        values: nonnegative maps, each scaled to its own `robust_maximum`; they give the brightness.
        colours: colours as #rrggbb, one a map; they repeat where there are more maps.
    """
    layer = np.zeros((*values.shape[1:], 4), np.uint8)
    layer[..., 3] = 255
    if len(values):
        scaled = np.stack([np.clip(each / robust_maximum(each), 0, 1) for each in values])
        palette = np.array([ImageColor.getrgb(colour) for colour in colours])
        strongest = scaled.argmax(axis=0)
        brightness = np.take_along_axis(scaled, strongest[None], axis=0)[0]
        layer[..., :3] = (palette[strongest % len(palette)] * brightness[..., None]).round()
    return layer


def mean_colours(image: Pixels, labels: LabelMap) -> Pixels:
    """Image with every segment in the mean sRGB colour of its pixels."""
    names, index = np.unique(labels, return_inverse=True)
    index = index.reshape(-1)
    areas = np.bincount(index, minlength=len(names))
    channels = image.reshape(-1, 3).T
    means = np.stack([np.bincount(index, channel) / areas for channel in channels], axis=1)
    return means.round().astype(np.uint8)[index].reshape(image.shape)


def boundaries(labels: LabelMap) -> Bool[np.ndarray, "height width"]:
    """Mask of pixels whose right or lower neighbour belongs to another segment."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def boundary_layer(labels: LabelMap) -> UInt8[np.ndarray, "fine_height fine_width 4"]:
    """RGBA layer of boundaries, white with a dark rim, readable on any background.

    Small label maps are drawn at a multiple of their size, so that lines stay thin; large ones with
    lines thick enough to be seen when the picture is a few hundred screen pixels wide.
    """
    scale = fineness(labels)
    fine = labels.repeat(scale, 0).repeat(scale, 1)
    core = maximum_filter(boundaries(fine), max(1, round(max(fine.shape) / 240)))
    layer = np.zeros((*fine.shape, 4), np.uint8)
    layer[maximum_filter(core, 3), 3] = round(255 * (1 - _HALO))
    layer[core] = 255
    return layer


def outlined(image: Pixels, labels: LabelMap) -> UInt8[np.ndarray, "fine_height fine_width 3"]:
    """Image with the segments' boundaries over it, at the size of `boundary_layer`."""
    scale = fineness(labels)
    return composited(image.repeat(scale, 0).repeat(scale, 1), boundary_layer(labels))


def composited(
    ground: UInt8[np.ndarray, "rows columns channels"], layer: UInt8[np.ndarray, "rows columns 4"]
) -> UInt8[np.ndarray, "rows columns channels"]:
    """Picture with an RGBA layer over it; the picture's own alpha is kept."""
    alpha = layer[..., 3:].astype(np.float32) / 255
    mixed = ground.copy()
    mixed[..., :3] = (ground[..., :3] * (1 - alpha) + layer[..., :3] * alpha).round()
    return mixed


def fineness(labels: LabelMap) -> int:
    """Factor by which boundaries are drawn finer than the label map."""
    return max(1, round(_FINE / int(max(labels.shape))))
