"""Reading of photographs of any kind as upright RGB pixels."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from workbench.errors import WorkbenchError

LEAST_SIDE = 32
"""Shortest side, pixels; smaller images leave the backbones no cells to compare."""
MOST_PIXELS = 80_000_000
"""Largest number of pixels, below Pillow's limit; a working copy would take a gigabyte."""

Pixels = UInt8[np.ndarray, "_ _ 3"]
"""Image (height, width, 3), RGB."""


def read_photo(path: Path) -> Pixels:
    """Read a photo as upright RGB: rotated by EXIF, converted, transparency over white.

    The first picture of an animation is read.

    Raises:
        WorkbenchError: the file is not an image, or is damaged, too small or too large.
    """
    if not path.is_file():
        raise WorkbenchError("a photograph", f"no file {path}", "check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                _check_size(path, *image.size)
                return np.array(_rgb(ImageOps.exif_transpose(image)))
    except UnidentifiedImageError as error:
        raise WorkbenchError(
            "a photograph in JPEG, PNG or another format that Pillow reads",
            f"something else in {path}",
            "convert it first",
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:  # raised by Pillow for damaged files
        raise WorkbenchError(
            "a whole photograph", f"{path}, which does not decode ({error})", "copy it again"
        ) from error


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


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"{width}×{height} pixels")
    if min(width, height) < LEAST_SIDE:
        raise WorkbenchError(
            f"a photograph of at least {LEAST_SIDE}×{LEAST_SIDE} pixels",
            f"{width}×{height} in {path}",
            "take a larger one",
        )


def _too_large(path: Path, found: str) -> WorkbenchError:
    return WorkbenchError(
        f"a photograph of at most {MOST_PIXELS / 1e6:.0f} million pixels",
        f"{path}: {found}",
        "reduce it first",
    )


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:  # 16 bits in a PNG or TIFF
        values = np.asarray(image, np.float64)
        top = 65535.0 if image.mode != "F" else max(float(values.max()), 1e-12)
        image = Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(ground, layer)
    return image.convert("RGB")
