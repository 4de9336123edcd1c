"""Pictures of what a browser shows, as arrays, and what tests ask of them."""

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Locator

Pixels = np.ndarray
"""(height, width, 3), uint8."""
PATIENCE = 60
"""Seconds for a picture to be drawn; far more than it takes."""
_VISIBLE = 24
"""A change of a colour, of 255, that an eye sees."""


def pixels_of(element: "Locator") -> Pixels:
    """What an element of the page shows, once it stands still."""
    element.scroll_into_view_if_needed()
    return settled(lambda: pixels(element.screenshot()))


def pixels(screenshot: bytes) -> Pixels:
    """A screenshot as an array."""
    return np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"))


def settled(shoot: Callable[[], Pixels]) -> Pixels:
    """Pictures until two in a row are the same.

    Raises:
        AssertionError: it keeps changing.
    """
    deadline, before = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        now = shoot()
        if before is not None and np.array_equal(before, now):
            return now
        before = now
    raise AssertionError(f"what is shown has kept changing for {PATIENCE} s")


def painted(pixels: Pixels) -> float:
    """The part of a picture that is not its commonest colour: 0 for one that is blank."""
    colours = pixels.reshape(-1, 3).astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    return 1 - float(np.unique(colours, return_counts=True)[1].max()) / len(colours)


def changed(before: Pixels, after: Pixels) -> float:
    """The part of a picture that has changed visibly; all of it where its size has."""
    if before.shape != after.shape:
        return 1.0
    difference = np.abs(before.astype(int) - after.astype(int)).max(axis=-1)
    return float((difference > _VISIBLE).mean())
