"""Contact sheets: a few samples as self-contained HTML."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image
from skimage.segmentation import find_boundaries

OUTLINE = np.array([255, 0, 170], np.uint8)
"""Colour of outlines: one that is rare in photographs."""
TILE = 112
"""Longest side of a tile on the page, in pixels."""
_FIGURE = "display:inline-block;margin:0 6px 8px 0;vertical-align:top"
_CAPTION = f"font-size:11px;max-width:{TILE}px;overflow-wrap:anywhere"


@dataclass(frozen=True)
class Tile:
    """Tile of a contact sheet.

    Attributes:
        pixels: (height, width, 3) RGB.
        caption: text below the tile.
        outline: mask of the outline's pixels, or None.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    caption: str
    outline: Bool[np.ndarray, "height width"] | None = None


def outline_of(labels: np.ndarray) -> Bool[np.ndarray, "height width"]:
    """Boundaries of a mask or of segments, two pixels wide."""
    found: np.ndarray = find_boundaries(labels, mode="thick")
    return found


def evenly_spaced(count: int, most: int) -> list[int]:
    """Evenly spaced positions below `count`, at most `most`, with the first and the last."""
    positions = np.linspace(0, count - 1, min(count, most)).round()
    return [int(position) for position in positions]


def facts_table(caption: str, rows: Mapping[str, object]) -> str:
    """HTML table of names and values."""
    body = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table><caption style='text-align:left'>{escape(caption)}</caption>{body}</table>"


def contact_sheet(tiles: Sequence[Tile]) -> str:
    """HTML of all tiles, side by side."""
    return f"<div>{''.join(_figure(tile) for tile in tiles)}</div>"


def _figure(tile: Tile) -> str:
    pixels = tile.pixels
    if tile.outline is not None:
        pixels = np.where(tile.outline[..., None], OUTLINE, pixels)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    # Twice as many pixels as the page needs, for high-resolution screens.
    image.thumbnail((2 * TILE, 2 * TILE), Image.Resampling.LANCZOS)
    image.save(buffer, "WEBP", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    scale = TILE / max(image.size)
    width, height = round(image.width * scale), round(image.height * scale)
    return (
        f'<figure style="{_FIGURE}"><img alt="{escape(tile.caption)}" width="{width}" '
        f'height="{height}" src="data:image/webp;base64,{data}">'
        f'<figcaption style="{_CAPTION}">{escape(tile.caption)}</figcaption></figure>'
    )
