"""Reading of photographs of any kind as upright RGB pixels."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from pipelines.errors import BadInput
from pipelines.images import LEAST_SIDE, decode_photo
from workbench.errors import WorkbenchError

Pixels = UInt8[np.ndarray, "_ _ 3"]
"""Image (height, width, 3), RGB."""


def read_photo(path: Path) -> Pixels:
    """Read a photo as upright RGB: rotated by EXIF, converted, transparency over white.

    The first picture of an animation is read.

    Raises:
        WorkbenchError: the file is not an image, or is damaged, too small or too large.
    """
    if path.is_dir():
        raise WorkbenchError(
            "a photograph", f"the folder {path}", f"name its files: {path}/*.jpg for example"
        )
    if not path.is_file():
        raise WorkbenchError("a photograph", f"no file {path}", "check the path")
    try:
        return decode_photo(path.read_bytes(), str(path))
    except BadInput as error:
        raise WorkbenchError(error.expected, error.found, error.remedy) from error
    except OSError as error:
        raise WorkbenchError("a readable photograph", f"{error}", "give permission") from error


def working_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Size at which a photo is segmented: height and width with the longer side reduced to `side`.

    A photo is never enlarged, and its shorter side keeps at least `LEAST_SIDE`.

    Args:
        size: height and width of the photo.
        side: pixels.
    """
    factor = min(1.0, max(side / max(size), LEAST_SIDE / min(size)))
    height, width = (max(1, round(length * factor)) for length in size)
    return height, width


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Photo at a smaller size, with antialiasing."""
    if pixels.shape[:2] == size:
        return pixels
    height, width = size
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX, reducing_gap=3.0)
    return np.array(image)
