"""Picture of a query and its nearest images by several methods, relevant ones framed."""

from collections.abc import Sequence
from textwrap import fill

import holoviews as hv
import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from workbench.views.panels import AXES, photo
from workbench.views.style import INK, as_picture, styled

SIDE = 64
"""Side of a thumbnail, pixels."""
GAP = 10
MARGIN = 215
"""Width of the methods' titles, pixels."""
LETTERS = 28
"""Longest line of a title."""
RELEVANT = "#12a150"


def ranking_picture(
    query: UInt8[np.ndarray, "rows columns 3"],
    found: Sequence[UInt8[np.ndarray, "nearest _ _ 3"]],
    relevant: Sequence[Bool[np.ndarray, "nearest"]],
    titles: Sequence[str],
    name: str,
) -> hv.Overlay:
    """Picture with a row a method: the query, and its nearest images from left to right.

    Args:
        query: image that was looked up.
        found: nearest images of each method, the nearest first.
        relevant: whether each is of the query's class; these have a frame.
        titles: titles of the methods.
        name: class of the query.
    """
    step, wide = SIDE + GAP, SIDE + 3 * GAP
    count = len(found[0])
    sheet = np.full((len(found) * step, MARGIN + wide + count * step, 3), 255, np.uint8)
    frames, words = [], []
    for row, (images, flags, title) in enumerate(zip(found, relevant, titles, strict=True)):
        top = row * step + GAP // 2
        _put(sheet, query, top, MARGIN)
        words.append((MARGIN - GAP, top + SIDE / 2, fill(title, LETTERS)))
        for place, (image, flag) in enumerate(zip(images, flags, strict=True)):
            left = MARGIN + wide + place * step
            _put(sheet, image, top, left)
            if flag:
                frames.append(_outline(top, left))
    labels = styled(
        hv.Labels(words, AXES, "title"),
        bokeh={"text_font_size": "9pt", "text_color": INK, "text_align": "right"},
        matplotlib={"size": 8.5, "color": INK, "horizontalalignment": "right"},
    )
    outlines = styled(
        hv.Path(frames, AXES),
        common={"color": RELEVANT},
        bokeh={"line_width": 3},
        matplotlib={"linewidth": 2.2},
    )
    label = f"{name}: the nearest by each method, its class framed"
    drawn = (photo(sheet) * outlines * labels).relabel(label)
    return styled(
        as_picture(drawn),
        bokeh={"frame_width": sheet.shape[1]},
        matplotlib={"fig_inches": (sheet.shape[1] / 95, sheet.shape[0] / 95)},
    )


def _put(sheet: np.ndarray, image: np.ndarray, top: int, left: int) -> None:
    sheet[top : top + SIDE, left : left + SIDE] = Image.fromarray(image).resize((SIDE, SIDE))


def _outline(top: int, left: int) -> list[tuple[int, int]]:
    low, right = top + SIDE + 1, left + SIDE + 1
    top, left = top - 2, left - 2
    return [(left, top), (right, top), (right, low), (left, low), (left, top)]
