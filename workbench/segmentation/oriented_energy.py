"""Edge strength as oriented energy: quadrature pairs of filters (Morrone and Owens, 1987).

An even and an odd filter of one orientation, squared and summed, respond equally to steps, lines
and all edges between them; Leung and Malik (ECCV 1998) and Cour, Bénézit and Shi (CVPR 2005) take
the strongest orientation. The pair is one complex filter with no negative frequencies along its
orientation, here a log-Gabor (Field 1987), so that the pair is in exact quadrature and does not
respond to a constant.
"""

import numpy as np
from jaxtyping import Float
from scipy.fft import fft2, fftfreq, ifft2

BANDWIDTH = 0.55
"""Deviation of the log-Gabor on the logarithmic axis of frequency: about two octaves."""
SPREAD = 1.2
"""Deviation over the angle, in steps between orientations."""


def oriented_energy(
    channels: Float[np.ndarray, "height width channels"],
    wavelength: float,
    orientations: int = 8,
) -> Float[np.ndarray, "height width"]:
    """Energy of the strongest orientation: root of the sum of squares over channels.

    Args:
        channels: channels of an image; the energy is in their unit.
        wavelength: wavelength of the filters, pixels.
        orientations: number of orientations, evenly spaced over half a turn.
    """
    height, width = channels.shape[:2]
    margin = min(
        round(2 * wavelength), height - 1, width - 1
    )  # a mirror is no wider than its image
    padded = np.pad(channels, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    spectra = fft2(padded, axes=(0, 1))
    inside = slice(margin, margin + height), slice(margin, margin + width)
    strongest = np.zeros((height, width))
    for transfer in _transfers(padded.shape[0], padded.shape[1], wavelength, orientations):
        pair = ifft2(spectra * transfer[:, :, None], axes=(0, 1))[inside]
        np.maximum(strongest, (pair.real**2 + pair.imag**2).sum(2), out=strongest)
    return np.sqrt(strongest)


def _transfers(
    height: int, width: int, wavelength: float, orientations: int
) -> list[Float[np.ndarray, "height width"]]:
    """Filters by frequency: a log-normal ring times one lobe around each orientation."""
    y, x = fftfreq(height)[:, None], fftfreq(width)
    frequency, angle = np.hypot(y, x), np.arctan2(y, x)
    frequency[0, 0] = 1.0
    ring = 2 * np.exp(-(np.log(frequency * wavelength) ** 2) / (2 * BANDWIDTH**2))
    ring[0, 0] = 0.0
    spread = SPREAD * np.pi / orientations
    transfers = []
    for orientation in np.pi * np.arange(orientations) / orientations:
        off = np.abs((angle - orientation + np.pi) % (2 * np.pi) - np.pi)
        lobe = np.where(off < np.pi / 2, np.exp(-(off**2) / (2 * spread**2)), 0.0)
        transfers.append(ring * lobe)
    return transfers
