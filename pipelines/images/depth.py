"""Values of pixels of any depth, signed and floats included, as 8 bits: one rule for all files."""

import numpy as np

from pipelines.errors import BadInput


def to_8_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Values of pixels as uint8, by the range of the whole image.

    - Booleans: 255 is true.
    - Integers from 0 up: 0 is black; white is the least of 255, 511, 1023, … that no value
      exceeds, so that 12 bits stored in 16 are as bright as the sensor had them.
    - Floats from 0 to 1: 1 is white. Floats from 0 to 255: as 8 bits.
    - Whatever has negative values or larger floats: the least is black, the largest white.
    - NaN is black, as are −∞ and, of floats alone, what lies below the range; ∞ is white.

    Args:
        values: array of any shape, of a real dtype.
        name: name of the file, for errors.

    Raises:
        BadInput: complex values, or no finite one.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "uif":
        raise BadInput(
            f"pixels of real numbers in {name}", f"{values.dtype}", "convert it to 8 bits first"
        )
    black, white = _range(values, name)
    scaled = (values.astype(np.float64) - black) * (255 / (white - black))
    light: np.ndarray = np.nan_to_num(scaled.clip(0, 255), nan=0.0).round().astype(np.uint8)
    return light


def _range(values: np.ndarray, name: str) -> tuple[float, float]:
    """Values that become black and white; the second is the larger."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise BadInput(f"pixels with values in {name}", "none that is finite", "restore the file")
    least, most = float(finite.min()), float(finite.max())
    floats = values.dtype.kind == "f"
    if least < 0 or (floats and most > 255):
        return least, most if most > least else least + 1
    if floats:
        return 0.0, 1.0 if most <= 1 else 255.0
    return 0.0, float(max(255, (1 << int(most).bit_length()) - 1))
