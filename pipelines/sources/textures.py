"""Textures for synthetic scenes: patterns of mean 0 and deviation 1, independent of colour.

A texture is a family with parameters (orientation, period, scale), not a picture: every drawing
has its own phase and noise, and covers the whole canvas.
"""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

Texture = Callable[[np.random.Generator, int, int], np.ndarray]
"""Function (generator, height, width) → (height, width) pattern."""


def grating(angle: float, period: float) -> Texture:
    """Parallel waves; `angle` in degrees from the horizontal axis, `period` in pixels."""

    def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        wave = _along(height, width, angle) + gaussian_filter(rng.normal(size=(height, width)), 8)
        return _standard(np.tanh(2 * np.sin(2 * np.pi * (wave / period + rng.random()))))

    return draw


def checker(angle: float, period: float) -> Texture:
    """A checkerboard of soft squares."""

    def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        u, v = _along(height, width, angle), _along(height, width, angle + 90)
        waves = np.sin(2 * np.pi * (u / period + rng.random()))
        waves = waves * np.sin(2 * np.pi * (v / period + rng.random()))
        return _standard(np.tanh(4 * waves))

    return draw


def blobs(scale: float) -> Texture:
    """Patches of random form, `scale` pixels across: noise between two blurs."""

    def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        noise = rng.normal(size=(height, width))
        band = gaussian_filter(noise, scale / 2) - gaussian_filter(noise, scale)
        return _standard(np.tanh(1.5 * _standard(band)))

    return draw


def dots(period: float) -> Texture:
    """Bright dots on a jittered lattice."""

    def draw(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        field = np.zeros((height, width))
        for y in np.arange(rng.random() * period, height, period):
            for x in np.arange(rng.random() * period, width, period):
                j, i = np.rint((y, x) + rng.normal(size=2) * period / 8).astype(int)
                field[np.clip(j, 0, height - 1), np.clip(i, 0, width - 1)] = 1
        return _standard(gaussian_filter(field, period / 6))

    return draw


FAMILIES: tuple[Texture, ...] = (
    *(grating(angle, period) for angle in (0.0, 45.0, 90.0, 135.0) for period in (5.0, 10.0)),
    checker(0.0, 9.0),
    checker(45.0, 13.0),
    blobs(2.0),
    blobs(5.0),
    dots(7.0),
    dots(11.0),
)
"""The textures that scenes are made of; no two look alike to a person."""
NAMES = (
    *(f"{grain} waves at {angle}°" for angle in (0, 45, 90, 135) for grain in ("fine", "coarse")),
    "checkerboard",
    "tilted checkerboard",
    "small blobs",
    "large blobs",
    "fine dots",
    "coarse dots",
)
"""Names of the families, in the same order."""


def _along(height: int, width: int, angle: float) -> np.ndarray:
    """Distance in pixels along a direction, (height, width)."""
    y, x = np.mgrid[:height, :width]
    turn = np.deg2rad(angle)
    return np.asarray(x * np.cos(turn) + y * np.sin(turn))


def _standard(pattern: np.ndarray) -> np.ndarray:
    return np.asarray((pattern - pattern.mean()) / pattern.std())
