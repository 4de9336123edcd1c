"""The one reader of image files: RGB as stored, or turned upright as EXIF asks for.

Grey, palette and CMYK images become RGB as Pillow converts them, values of other than 8 bits are
scaled by the rule of `depth.to_8_bits`, and transparent pixels are laid on white. Every function
that decodes raises `BadInput` for content that it cannot take, and nothing else.
"""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipelines.errors import BadInput
from pipelines.images.deep import is_deep_tiff, is_tiff, open_deep_png, open_deep_tiff, tiff_size
from pipelines.images.depth import to_8_bits

EXIF_ORIENTATION = 0x0112
SIDEWAYS = range(5, 9)
"""The EXIF orientations that exchange height and width."""
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)
"""The most pixels that Pillow decodes."""
DAMAGE = (
    ArithmeticError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, struct.error,
)  # fmt: skip
"""Errors that Pillow raises on damaged files, each format its own."""
LEAST_SIDE = 32
"""Shortest side of a photograph, pixels; smaller ones leave networks no cells to compare."""
LARGEST_PHOTO = 80_000_000
"""The most pixels of a photograph; a working copy of a larger one would take a gigabyte."""


def peek_image(path: Path, most_pixels: int = MOST_PIXELS) -> tuple[int, int]:
    """Height and width by the header; their larger one twice where EXIF may turn the image.

    They are 0, 0 where the header is unreadable, or has more than the most pixels.
    """
    try:
        with _quiet(), Image.open(path) as image:
            width, height = image.size
            if height * width > most_pixels:
                return 0, 0
            if image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS:
                height = width = max(height, width)
    except (*DAMAGE, Image.DecompressionBombError):
        height, width = _peek_tiff(path)
    return (height, width) if height * width <= most_pixels else (0, 0)


def peek_stored(path: Path) -> tuple[int, int]:
    """Height and width by the header, whatever EXIF says; 0, 0 where it is unreadable."""
    try:
        with _quiet(), Image.open(path) as image:
            width, height = image.size
    except (*DAMAGE, Image.DecompressionBombError):
        return _peek_tiff(path)
    return height, width


def peek_photo(path: Path, most_pixels: int = LARGEST_PHOTO) -> tuple[int, int]:
    """Height and width of the upright photograph by its header; 0, 0 where it will be refused."""
    try:
        with _quiet(), Image.open(path) as image:
            width, height = image.size
            # The base class's: PNG's own decodes the image to look behind it.
            turned = Image.Image.getexif(image).get(EXIF_ORIENTATION) in SIDEWAYS
            if turned and image.format != "TIFF":  # whose size is that of the upright image
                height, width = width, height
    except (*DAMAGE, Image.DecompressionBombError):
        height, width = _peek_tiff(path)
    refused = min(height, width) < LEAST_SIDE or height * width > most_pixels
    return (0, 0) if refused else (height, width)


def _peek_tiff(path: Path) -> tuple[int, int]:
    """Height and width of a TIFF that Pillow cannot open, by its header; else 0, 0."""
    try:
        with path.open("rb") as file:
            return tiff_size(file)
    except OSError:
        return 0, 0


def decode_photo(content: bytes, name: str, most_pixels: int = LARGEST_PHOTO) -> np.ndarray:
    """A photograph as (height, width, 3) uint8 RGB, upright, at least `LEAST_SIDE` high and wide.

    Args:
        content, name, most_pixels: as `decode_upright_image` has them.
    """
    return decode_upright_image(content, name, least_side=LEAST_SIDE, most_pixels=most_pixels)


def decode_image(content: bytes, name: str, most_pixels: int = MOST_PIXELS) -> np.ndarray:
    """An image file as (height, width, 3) uint8 RGB, as its pixels are stored."""
    return np.array(as_rgb(open_picture(content, name, most_pixels=most_pixels)))


def decode_upright_image(
    content: bytes, name: str, *, least_side: int = 1, most_pixels: int = MOST_PIXELS
) -> np.ndarray:
    """An image file as (height, width, 3) uint8 RGB, turned upright by its EXIF orientation.

    Args:
        content: bytes of the file; of an animation the first picture is decoded.
        name: name of the file, for errors.
        least_side: pixels that height and width must have.
        most_pixels: pixels that the image may have; a larger one is refused undecoded.
    """
    image = open_picture(content, name, least_side=least_side, most_pixels=most_pixels)
    with _explained(name):
        return np.array(as_rgb(ImageOps.exif_transpose(image)))


def open_annotated(
    content: bytes, name: str, height: int, width: int, most_pixels: int = MOST_PIXELS
) -> Image.Image:
    """The RGB image that annotations of height × width pixels refer to.

    Those of COCO refer to the pixels as they are stored: pycocotools' users open images with
    libraries that leave EXIF alone, and the published files have no orientation. Where only the
    upright image has the annotated size, the annotator has seen that one.

    Raises:
        BadInput: no image, a broken one, one of more pixels than the most, or one of another
            size either way.
    """
    image = open_picture(content, name, most_pixels=most_pixels)
    if image.size != (width, height):
        upright = ImageOps.exif_transpose(image)
        if upright.size != (width, height):
            raise BadInput(
                f"{width}×{height} pixels in {name} by its annotations",
                f"{image.width}×{image.height}",
                "restore the file that is not the original",
            )
        image = upright
    return as_rgb(image)


def open_picture(
    content: bytes, name: str, *, least_side: int = 1, most_pixels: int = MOST_PIXELS
) -> Image.Image:
    """Decoded image to be looked at, see `as_rgb`; arguments as for `decode_upright_image`.

    What Pillow cannot decode, or only by leaving out the lower bits, is decoded by others.
    """
    if is_tiff(content):
        return _open_tiff(content, name, least_side, most_pixels)
    image = _opened(content, name, least_side, most_pixels)
    if not _is_deep_png(image):
        return _loaded(image, name)
    with _explained(name):
        orientation = image.getexif().get(EXIF_ORIENTATION)
    image = open_deep_png(content, name)
    if orientation is not None:
        image.getexif()[EXIF_ORIENTATION] = orientation
    return image


def open_image(content: bytes, name: str) -> Image.Image:
    """Decoded image in the mode of the file, whose values may mean something else than light."""
    return _loaded(_opened(content, name, 1, MOST_PIXELS), name)


def as_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit RGB: see `to_8_bits`; transparency is laid on white."""
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        image = Image.fromarray(to_8_bits(np.asarray(image), "the image"))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        image = Image.alpha_composite(ground, layer)
    return image.convert("RGB")


def _open_tiff(content: bytes, name: str, least_side: int, most_pixels: int) -> Image.Image:
    """TIFF, by Pillow where that loses nothing."""
    height, width = tiff_size(io.BytesIO(content))
    _check_size((width, height), name, least_side if min(height, width) else 0, most_pixels)
    if is_deep_tiff(content):
        return open_deep_tiff(content, name)
    try:
        return _loaded(_opened(content, name, least_side, most_pixels), name)
    except BadInput:
        return open_deep_tiff(content, name)  # a compression that Pillow does not know


def _opened(content: bytes, name: str, least_side: int, most_pixels: int) -> Image.Image:
    """Image of checked size, whose pixels are not decoded yet."""
    with _explained(name, most_pixels):
        with _quiet():
            image = Image.open(io.BytesIO(content))
        _check_size(image.size, name, least_side, most_pixels)
    return image


def _loaded(image: Image.Image, name: str) -> Image.Image:
    with _explained(name):
        image.load()
    return image


def _check_size(size: tuple[int, int], name: str, least_side: int, most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise _too_large(name, f"{width}×{height} pixels", most_pixels)
    if min(size) < least_side:
        raise BadInput(
            f"an image of at least {least_side}×{least_side} pixels in {name}",
            f"{width}×{height}",
            "take a larger one",
        )


def _is_deep_png(image: Image.Image) -> bool:
    """Whether Pillow would leave out the lower bits of an opened image."""
    deep = any(str(tile[3]).endswith(";16B") for tile in getattr(image, "tile", []))
    return image.format == "PNG" and deep and not image.mode.startswith("I")


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow does not warn of large images: the limits here are others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _explained(name: str, most_pixels: int = MOST_PIXELS) -> Iterator[None]:
    """Pillow's errors inside the block become `BadInput`."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise BadInput(
            f"an image in {name} in JPEG, PNG or another format that Pillow reads",
            "something else",
            "restore the file, or convert it first",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error), most_pixels) from error
    except DAMAGE as error:
        raise BadInput(
            f"a whole image in {name}", f"one that does not decode ({error})", "restore the file"
        ) from error


def _too_large(name: str, found: str, most_pixels: int) -> BadInput:
    return BadInput(
        f"an image of at most {most_pixels / 1e6:g} million pixels in {name}",
        found,
        "reduce it first",
    )
