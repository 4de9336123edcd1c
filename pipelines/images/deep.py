"""Images that Pillow does not decode, or only to 8 bits by leaving the lower ones out.

These are TIFFs of more than 8 bits, floats, and layouts such as separate planes, as GDAL writes
them, and colour PNGs of 16 bits.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tifffile
from imagecodecs import PngError, png_decode
from PIL import Image, ImageOps

from pipelines.errors import BadInput
from pipelines.images.depth import to_8_bits

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF and of a BigTIFF."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image of an EXIF orientation is turned upright."""
_DAMAGE = (
    ArithmeticError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError,
    struct.error, PngError,
)  # fmt: skip
"""Errors that decoders raise on damaged files; tifffile's own is a ValueError."""


def is_tiff(content: bytes) -> bool:
    """Whether a file is a TIFF, by its first bytes."""
    return content.startswith(TIFF)


def is_deep_tiff(content: bytes) -> bool:
    """Whether a TIFF has values of more than 8 bits, signed ones, floats or separate planes."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = _first(file)
            unsigned = page.sampleformat in (None, 1)
            return page.bitspersample > 8 or not unsigned or _is_planar(page)
    except _DAMAGE:
        return False  # Pillow says what is wrong with it


def tiff_size(file: io.BytesIO | io.BufferedReader) -> tuple[int, int]:
    """Height and width of the upright image of a TIFF by its header; 0, 0 where it has none."""
    try:
        with tifffile.TiffFile(file) as opened:
            page = _first(opened)
            height, width = page.imagelength, page.imagewidth
            return (width, height) if _orientation(page) >= 5 else (height, width)
    except _DAMAGE:
        return 0, 0


def open_deep_tiff(content: bytes, name: str) -> Image.Image:
    """First picture of a TIFF, upright, in 8 bits: grey, RGB or RGBA.

    One band is grey; of more than four, or of four without transparency, the first three are
    red, green and blue where the file says so or has three or four.

    Raises:
        BadInput: a damaged file, or other bands.
    """
    with _explained(name), tifffile.TiffFile(io.BytesIO(content)) as file:
        page = _first(file)
        ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > len(content):  # tifffile would leave zeros in their place
            raise ValueError("it ends before its pixels do")
        values = page.asarray()
        if _is_planar(page):
            values = np.moveaxis(values, 0, -1)
        values = values[..., None] if values.ndim == 2 else values
        bands, extra = _bands(page, values.shape[-1], name)
        negative = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        alpha = 1 in extra or 2 in extra
        turn = _TURNS.get(_orientation(page))
    picture = _picture(values, bands, alpha, name)
    picture = ImageOps.invert(picture) if negative else picture
    return picture if turn is None else picture.transpose(turn)


def open_deep_png(content: bytes, name: str) -> Image.Image:
    """PNG of 16 bits and several channels in 8 bits: RGB or RGBA.

    Raises:
        BadInput: a damaged file.
    """
    with _explained(name):
        values = np.asarray(png_decode(content))
    channels = values.shape[-1] if values.ndim == 3 else 1
    values = values.reshape(*values.shape[:2], channels)
    return _picture(values, 3 if channels > 2 else 1, channels in (2, 4), name)


def _first(file: tifffile.TiffFile) -> tifffile.TiffPage:
    page = file.pages[0]
    if not isinstance(page, tifffile.TiffPage):
        raise ValueError("no picture")
    return page


def _is_planar(page: tifffile.TiffPage) -> bool:
    return page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and page.samplesperpixel > 1


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(274)
    return int(tag.value) if tag is not None else 1


def _bands(page: tifffile.TiffPage, count: int, name: str) -> tuple[int, tuple[int, ...]]:
    """Number of bands of colour, 1 or 3, and the kinds of the further ones."""
    extra = tuple(int(each) for each in page.extrasamples)
    if (page.photometric == tifffile.PHOTOMETRIC.RGB and count >= 3) or count in (3, 4):
        return 3, extra if count == 4 else ()
    if count == 1 or (count == 2 and set(extra) & {1, 2}):
        return 1, extra
    raise BadInput(
        f"one, three or four bands in {name}, or ones that it declares as RGB",
        f"{count} bands",
        "write those that are to be seen into an image of three",
    )


def _picture(values: np.ndarray, bands: int, alpha: bool, name: str) -> Image.Image:
    colour = to_8_bits(values[..., :bands], name)
    picture = Image.fromarray(colour[..., 0] if bands == 1 else np.ascontiguousarray(colour))
    if alpha and values.shape[-1] > bands:
        cover = values[..., bands].astype(np.float64)
        full = np.iinfo(values.dtype).max if values.dtype.kind in "ui" else 1.0
        picture = picture.convert("RGBA")
        mask = (cover * (255 / full)).clip(0, 255).round().astype(np.uint8)
        picture.putalpha(Image.fromarray(mask))
    return picture


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Errors of decoders inside the block become `BadInput`."""
    try:
        yield
    except _DAMAGE as error:
        raise BadInput(
            f"an image that decodes in {name}",
            f"one that does not ({error})",
            "restore the file, or convert it to 8 bits first",
        ) from error
