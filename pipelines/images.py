"""Image files to pixels: RGB as stored, or turned upright as EXIF asks for.

Every function that decodes raises `BadInput` for content that it cannot take, and nothing else.
Grey, palette and CMYK images become RGB as Pillow converts them.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.errors import BadInput

EXIF_ORIENTATION = 0x0112
SIDEWAYS = range(5, 9)
"""The EXIF orientations that exchange height and width."""


def peek_image(path: Path) -> tuple[int, int]:
    """Height and width by the header; their larger one twice where EXIF may turn the image."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            if image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS:
                height = width = max(height, width)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0, 0
    return height, width


def decode_image(content: bytes, name: str) -> np.ndarray:
    """An image file as (height, width, 3) uint8 RGB, as its pixels are stored."""
    return np.array(open_image(content, name).convert("RGB"))


def decode_upright_image(content: bytes, name: str) -> np.ndarray:
    """The same, turned the way that its EXIF orientation asks for."""
    return np.array(ImageOps.exif_transpose(open_image(content, name)).convert("RGB"))


def open_annotated(content: bytes, name: str, height: int, width: int) -> Image.Image:
    """The RGB image that annotations of height × width pixels refer to.

    Those of COCO refer to the pixels as they are stored: pycocotools' users open images with
    libraries that leave EXIF alone, and the published files have no orientation. Where only the
    upright image has the annotated size, the annotator has seen that one.

    Raises:
        BadInput: no image, a broken one, or one of another size either way.
    """
    image = open_image(content, name)
    if image.size != (width, height):
        upright = ImageOps.exif_transpose(image)
        if upright.size != (width, height):
            raise BadInput(
                f"{width}×{height} pixels in {name} by its annotations",
                f"{image.width}×{image.height}",
                "restore the file that is not the original",
            )
        image = upright
    return image.convert("RGB")


def open_image(content: bytes, name: str) -> Image.Image:
    """The decoded image, in the mode of the file."""
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BadInput(
            f"an image in {name}", "something that is none", "restore the file"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise BadInput(
            f"a whole image in {name}", f"a broken one ({error})", "restore the file"
        ) from error
    return image
