"""Pairs of photographs with their angles: one pair in detail, several in a row."""

from collections.abc import Sequence

import holoviews as hv
import numpy as np
from jaxtyping import UInt8

from workbench.evaluation.cells import number
from workbench.probe.geometry.result import LayerGeometry
from workbench.views.across import PhotoSheet, resized
from workbench.views.panels import AXES
from workbench.views.style import INK, styled

SIDE = 190
"""Side of the box of a photograph of one pair, pixels."""
_LINE, _LINES, _COLUMN = 18, 8, 260
"""Height of a line of words and width of a column, pixels, and number of lines."""
COLUMNS, SMALL = 4, (74, 152)
"""Pairs in a row, and the height and width of the box of each."""


def pair_lines(look: LayerGeometry, layer: str, pair: int) -> list[str]:
    """Angles of a pair at the input and at a layer, their ratios and predictions, in words."""
    own = look.pairs_at(layer).iloc[pair]
    lines = [f"inputs: {number(own.angle_in)} rad"]
    lines += [f"given weights: {number(own.angle)} rad, ratio {number(own.ratio)}"]
    drawn = [look.pairs_at(layer, weights).iloc[pair] for weights in look.draws[1:]]
    if drawn:
        angle, ratio = (float(np.mean([d[name] for d in drawn])) for name in ("angle", "ratio"))
        words = "random weights" if len(drawn) == 1 else f"random, mean of {len(drawn)}"
        lines.append(f"{words}: {number(angle)} rad, ratio {number(ratio)}")
    for name in ("predicted", "formula"):
        angle = own[name]
        if np.isfinite(angle):
            share = number(angle / own.angle_in if own.angle_in else None)
            lines.append(f"{name}: {number(angle)} rad, ratio {share}")
    reason = look.prediction(layer).why_not.partition(":")[0]
    return lines + [f"no exact prediction, for {reason}"] * bool(reason)


def pair_picture(
    looks: Sequence[LayerGeometry], layers: Sequence[str], pair: int | None
) -> hv.Overlay:
    """Both photographs of a pair, side by side, above their angles, a column a result.

    Args:
        looks: results on the same images.
        layers: layer of each.
        pair: number of the pair; None: nothing is drawn.
    """
    first = looks[0]
    places = [] if pair is None else list(first.pair(pair))
    sheet = PhotoSheet(tuple(_size(first) for _ in places), 2, 1, (SIDE, SIDE))
    photos = [resized(first.thumbnails[i], sheet.fitted(k)) for k, i in enumerate(places)]
    top, labels = sheet.size[0], []
    for column, (look, layer) in enumerate(zip(looks, layers, strict=True)):
        if pair is not None:
            title = f"{look.network}, {layer}, gauge {look.gauge}"
            words = [title] * (len(looks) > 1) + pair_lines(look, layer, pair)
            labels += [
                (4 + column * _COLUMN, top + (i + 0.7) * _LINE, w) for i, w in enumerate(words)
            ]
    text = styled(
        hv.Labels(labels, AXES, "words"),
        bokeh={"text_font_size": "9pt", "text_color": INK, "text_align": "left"},
        matplotlib={"size": 8, "color": INK, "horizontalalignment": "left"},
    )
    drawn = sheet.photos(photos) * sheet.captions([first.images[i] for i in places]) * text
    title = "click a pair" if pair is None else f"pair at {' | '.join(dict.fromkeys(layers))}"
    width = max(sheet.size[1], _COLUMN * len(looks))
    return framed(drawn.relabel(title), (top + _LINE * _LINES, width))


def strip_sheet(look: LayerGeometry, count: int) -> PhotoSheet:
    """Layout of some pairs in rows, each pair one picture."""
    height, width = _size(look)
    rows = 2
    return PhotoSheet(((height, 2 * width),) * count, COLUMNS, rows, SMALL)


def strip_picture(
    look: LayerGeometry, pairs: Sequence[int], captions: Sequence[str], title: str
) -> hv.Overlay:
    """Pairs of photographs in rows, with captions."""
    sheet = strip_sheet(look, len(pairs))
    photos = [resized(both(look, each), sheet.fitted(i)) for i, each in enumerate(pairs)]
    drawn = sheet.photos(photos) * sheet.captions(captions)
    return framed(drawn.relabel(title), sheet.size)


def both(look: LayerGeometry, pair: int) -> UInt8[np.ndarray, "rows columns 3"]:
    """Both photographs of a pair, side by side."""
    first, second = look.pair(pair)
    return np.concatenate([look.thumbnails[first], look.thumbnails[second]], axis=1)


def framed(drawn: hv.Overlay, size: tuple[int, int]) -> hv.Overlay:
    """Picture on white in a frame of its own size, height and width in pixels, without tools."""
    height, width = size
    return drawn.opts(
        backend="bokeh", frame_width=width, frame_height=height, toolbar=None,
        default_tools=[], active_tools=[], data_aspect=None, bgcolor="white",
        xlim=(-0.5, width - 0.5), ylim=(-0.5, height - 0.5),
    )  # fmt: skip


def _size(look: LayerGeometry) -> tuple[int, int]:
    height, width = look.thumbnails.shape[1:3]
    return int(height), int(width)
