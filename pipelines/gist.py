"""GIST of small images: energies of 24 oriented filters in a 4×4 grid, 384 numbers an image.

Oliva and Torralba, "Modeling the shape of the scene", IJCV 42 (2001), in the form of LabelMe's code
and of the Tiny Images. Of a square image of n = 32 pixels:

1. grey, the mean of the channels; minus its minimum, times 255 / maximum;
2. log(1 + x); minus a Gaussian low-pass exp(−f²/s²), s = 4 / √ln 2 cycles an image; divided by
   .2 + √|low-pass of the square|. The image is padded symmetrically by 5 before, and cropped after;
3. padded symmetrically by n / 2, filtered with exp(−3.5 (r / .3·1.85^i − 1)² − 2π θ²), cropped; the
   modulus. r is the frequency in cycles a pixel, θ = atan2(f_y, f_x) + π j / 8 in (−π, π], for the
   scales i = 0 … 2 and the orientations j = 0 … 7;
4. the mean of each cell of a 4×4 grid.

All of it is products of small matrices, without Fourier transforms: the image padded by n / 2 on
both sides is periodic and even, so that its spectrum is the n×n cosine transform D, and a filtered
image is D, times weights that join the filter's values at (±f_y, ±f_x), between cosines and sines.
Sums run in one order whatever else is computed: an image has the same GIST alone and in a batch.
"""

import numpy as np

from pipelines.errors import PipelineError
from pipelines.records import Value

NAME = "gist"
SIDE, PAD, GRID = 32, 5, 4
"""Side of an image, padding of the prefilter, cells across: pixels, pixels, number."""
SCALES, ORIENTATIONS = 3, 8
CHANNELS = SCALES * ORIENTATIONS
FLOOR = np.float32(0.2)
"""Constant beside the local deviation that the prefilter divides by."""


class Gist:
    """Extractor of GIST, (24, 4, 4), from images of 32×32 pixels; see `pipelines.features`."""

    def __init__(self) -> None:
        self.attributes: dict[str, Value] = {
            "backbone": NAME,
            "taps": NAME,
            "enlarge": 1.0,
            "weights_sha256": "",
        }
        self._padded = np.pad(np.arange(SIDE), PAD, mode="symmetric")
        low = _low_pass(SIDE + 2 * PAD)
        spread = np.zeros((SIDE + 2 * PAD, SIDE))
        spread[np.arange(SIDE + 2 * PAD), self._padded] = 1
        self._low = np.float32(low @ spread)  # of an image, after it is padded
        self._low_cropped = np.float32(low[PAD:-PAD])
        angles = np.pi * np.outer(np.arange(SIDE), np.arange(SIDE) + 0.5) / SIDE
        self._cosines, self._sines = np.float32(np.cos(angles)), np.float32(np.sin(angles))
        self._down = np.concatenate([self._cosines, self._sines]).T.copy()
        self._with_cosines, self._with_sines = _weights()
        self._cells = np.kron(np.eye(GRID), np.full(SIDE // GRID, GRID / SIDE)).astype(np.float32)

    def shapes(self, height: int, width: int) -> dict[str, tuple[int, int, int]]:
        """Shape of the one tap.

        Raises:
            PipelineError: the images are not of 32×32 pixels.
        """
        if (height, width) != (SIDE, SIDE):
            raise PipelineError(
                f"images of {SIDE}×{SIDE} pixels for gist",
                f"{width}×{height}",
                "take the images of cifar10, or regions in frames of that --size",
            )
        return {NAME: (CHANNELS, GRID, GRID)}

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """GIST of an image (32, 32, 3) uint8: (24, 4, 4) float32."""
        return {NAME: self.describe(image[None])[0]}

    def describe(self, images: np.ndarray) -> np.ndarray:
        """GIST of images.

        Args:
            images: (images, 32, 32, 3) of any real dtype, channels in any range.

        Returns:
            (images, 24, 4, 4) float32: channels scale by scale, cells (y, x).
        """
        found = np.empty((len(images), CHANNELS, GRID, GRID), np.float32)
        for image, out in zip(images, found, strict=True):
            out[:] = self._energies(self._prefiltered(image))
        return found

    def _prefiltered(self, image: np.ndarray) -> np.ndarray:
        """Steps 1 and 2: (32, 32), of local mean about 0 and local deviation about 1."""
        grey = image.mean(axis=2, dtype=np.float32)
        grey -= grey.min()
        x = np.log1p(grey * np.float32(255 / max(float(grey.max()), 1e-6)))
        high = x[self._padded[:, None], self._padded] - self._low @ x @ self._low.T
        deviation = np.sqrt(np.abs(self._low_cropped @ (high * high) @ self._low_cropped.T))
        return np.asarray(high[PAD:-PAD, PAD:-PAD] / (FLOOR + deviation))

    def _energies(self, x: np.ndarray) -> np.ndarray:
        """Steps 3 and 4: (24, 4, 4)."""
        spectrum = (self._cosines @ x @ self._cosines.T)[:, None]
        shape = SIDE, 2, CHANNELS * SIDE  # frequency down; with cosines or sines down; columns
        across = [
            ((spectrum * weights).reshape(-1, SIDE) @ waves).reshape(shape)
            for weights, waves in (
                (self._with_cosines, self._cosines),
                (self._with_sines, self._sines),
            )
        ]
        cosines, sines = across
        real = self._down @ np.concatenate([cosines[:, 0], sines[:, 1]])
        imaginary = self._down @ np.concatenate([sines[:, 0], cosines[:, 1]])
        modulus = np.sqrt(real * real + imaginary * imaginary)
        rows = (self._cells @ modulus).reshape(-1, SIDE) @ self._cells.T
        return np.asarray(rows.reshape(GRID, CHANNELS, GRID).swapaxes(0, 1))


def _low_pass(size: int) -> np.ndarray:
    """The prefilter's Gaussian along one axis as a (size, size) matrix on a circle of pixels."""
    cycles = np.fft.fftfreq(size, 1 / size)
    gain = np.exp(-(cycles**2) * np.log(2) / 16)
    return np.asarray(np.fft.ifft(np.fft.fft(np.eye(size), axis=0) * gain[:, None], axis=0).real)


def _filters() -> np.ndarray:
    """Gains of the filters of step 3, (24, 64, 64), at the frequencies of `np.fft.fftfreq`."""
    cycles = np.fft.fftfreq(2 * SIDE)
    down, across = cycles[:, None], cycles[None]
    radius, angle = np.hypot(down, across), np.arctan2(down, across)
    turned = angle + np.pi * np.arange(ORIENTATIONS)[:, None, None] / ORIENTATIONS
    turned = np.where(turned > np.pi, turned - 2 * np.pi, turned)
    centres = 0.3 / 1.85 ** np.arange(SCALES)
    octaves = radius / centres[:, None, None] - 1
    gains = np.exp(-3.5 * octaves[:, None] ** 2 - 2 * np.pi * turned**2)
    return np.asarray(gains.reshape(CHANNELS, 2 * SIDE, 2 * SIDE))


def _weights() -> tuple[np.ndarray, np.ndarray]:
    """Weights of the spectrum at (frequency down, part, frequency across), float32, twice.

    First those of cosines across, then those of sines. Parts are the 24 filters with cosines down
    and the 24 with sines down for the first, the other way about for the second: the sum of the
    first with the second's other half is the real part of a filtered image, and so on.
    """
    gains = _filters()
    plus = np.arange(SIDE)
    minus = -plus % (2 * SIDE)
    signs = [gains[:, down][:, :, across] for down in (plus, minus) for across in (plus, minus)]
    pp, pm, mp, mm = signs
    # Frequency 0 is its own negative; 1 / n² is the transforms' 2² / (2n)².
    once = np.where(plus == 0, 0.5, 1)
    scale = np.outer(once, once) / SIDE**2
    cosines = np.concatenate([pp + pm + mp + mm, pp + pm - mp - mm])
    sines = np.concatenate([pp - pm + mp - mm, -pp + pm + mp - mm])
    return tuple(  # type: ignore[return-value]
        np.ascontiguousarray((part * scale).transpose(1, 0, 2), np.float32)
        for part in (cosines, sines)
    )
