"""Every image that means light becomes 8 bits by one rule, whatever its file's depth and layout."""

import io
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from pipelines.errors import BadInput
from pipelines.images import decode_image, decode_photo, open_annotated, peek_image, peek_photo

RAMP = np.linspace(0, 1, 48 * 64).reshape(48, 64)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], -1)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def png(values: np.ndarray) -> bytes:
    return bytes(imagecodecs.png_encode(values))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def whole(values: np.ndarray, top: float, kind: str) -> np.ndarray:
    return (values * top).round().astype(kind)


def planes(values: np.ndarray, **options: Any) -> bytes:
    return tiff(np.moveaxis(values, -1, 0), photometric="rgb", planarconfig="separate", **options)


GREY = {
    "16 bits": png(whole(RAMP, 65535, "uint16")),
    "12 bits in 16, PNG": png(whole(RAMP, 4095, "uint16")),
    "12 bits in 16, TIFF": tiff(whole(RAMP, 4095, "uint16")),
    "10 bits, big-endian": tiff(whole(RAMP, 1023, "uint16"), byteorder=">"),
    "signed": tiff(whole(RAMP, 32767, "int16")),
    "below zero": tiff(whole(RAMP * 3000 - 1000, 1, "int16")),
    "32 bits": tiff(whole(RAMP, 2**32 - 1, "uint32")),
    "floats to 1": tiff(RAMP.astype("float32")),
    "doubles to 255": tiff(RAMP * 255),
    "half floats of heights": tiff((RAMP * 1000 - 200).astype("float16")),
    "white is zero": tiff(whole(1 - RAMP, 65535, "uint16"), photometric="miniswhite"),
    "zstd": tiff(whole(RAMP, 65535, "uint16"), compression="zstd"),
    "tiles, LZW, predictor": tiff(
        whole(RAMP, 65535, "uint16"), tile=(16, 16), compression="lzw", predictor=True
    ),
    "8 bits, zstd": tiff(whole(RAMP, 255, "uint8"), compression="zstd"),
    "BigTIFF": tiff(whole(RAMP, 65535, "uint16"), bigtiff=True),
}
COLOUR = {
    "48 bits": png(whole(COLOURS, 65535, "uint16")),
    "12 bits in 16": png(whole(COLOURS, 4095, "uint16")),
    "planes of 16 bits": planes(whole(COLOURS, 65535, "uint16")),
    "signed planes": planes(whole(COLOURS, 32767, "int16")),
    "planes of 8 bits, deflate": planes(whole(COLOURS, 255, "uint8"), compression="zlib"),
    "floats": tiff(COLOURS.astype("float32"), photometric="rgb"),
    "infrared besides": tiff(
        whole(np.dstack([COLOURS, RAMP]), 65535, "uint16"), photometric="rgb",
        extrasamples=["unspecified"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GREY)
def test_a_grey_ramp_is_one(name: str) -> None:
    found = decode_image(GREY[name], name)
    expected = np.repeat(whole(RAMP, 255, "uint8")[..., None], 3, -1)
    assert np.abs(found.astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(found, decode_photo(GREY[name], name))


@pytest.mark.parametrize("name", COLOUR)
def test_colours_keep_their_depth(name: str, tmp_path: Path) -> None:
    found = decode_image(COLOUR[name], name)
    assert np.abs(found.astype(int) - whole(COLOURS, 255, "uint8")).max() <= 1
    (tmp_path / "a").write_bytes(COLOUR[name])
    assert peek_image(tmp_path / "a") == peek_photo(tmp_path / "a") == (48, 64)


def test_holes_are_black_and_transparency_lies_on_white() -> None:
    values = RAMP.astype("float32")
    values[:8], values[8] = np.nan, np.inf
    found = decode_image(tiff(values), "a.tif")
    assert (found[:8] == 0).all()
    assert (found[8] == 255).all()
    assert np.abs(found[9:, :, 0] - 255.0 * RAMP[9:]).max() <= 1
    layers = whole(np.dstack([COLOURS, np.ones_like(RAMP)]), 65535, "uint16")
    layers[:8, :, 3] = 0
    for content in (png(layers), tiff(layers, photometric="rgb", extrasamples=["unassalpha"])):
        found = decode_image(content, "a")
        assert (found[:8] == 255).all()
        assert np.abs(found[8:] - 255.0 * COLOURS[8:]).max() <= 1


def test_a_deep_image_is_turned_as_its_file_says(tmp_path: Path) -> None:
    values = whole(COLOURS, 65535, "uint16")
    turned = planes(values, extratags=[(274, "H", 1, 6, True)])
    upright = np.rot90(decode_image(planes(values), "a"), -1)
    np.testing.assert_array_equal(decode_photo(turned, "a"), upright)
    (tmp_path / "a.tif").write_bytes(turned)
    assert peek_photo(tmp_path / "a.tif") == (64, 48)
    np.testing.assert_array_equal(open_annotated(turned, "a", 64, 48), upright)
    exif = b"Exif\0\0" + Image.Exif().tobytes()[6:]
    plain = png(values)
    orientation = Image.Exif()
    orientation[0x0112] = 6
    exif = orientation.tobytes()[6:]
    chunk = b"eXIf" + exif
    packed = len(exif).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    np.testing.assert_array_equal(
        decode_photo(plain[:33] + packed + plain[33:], "a"), np.rot90(decode_image(plain, "a"), -1)
    )
    np.testing.assert_array_equal(
        decode_image(plain[:33] + packed + plain[33:], "a"), decode_image(plain, "a")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff(np.full((40, 40), np.nan, "float32")), "none that is finite"),
        (tiff(np.zeros((40, 40), "complex64")), "real numbers in a.tif"),
        (
            tiff(np.zeros((5, 40, 40), "uint16"), photometric="minisblack",
                 planarconfig="separate"),
            "5 bands",
        ),
        (cut(GREY["tiles, LZW, predictor"]), "restore the file, or convert it"),
        (cut(COLOUR["48 bits"]), "restore the file"),
        (b"II*\0" + bytes(40), "restore the file, or convert it"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_one_sentence(content: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        decode_image(content, "a.tif")


def test_a_large_image_is_refused_before_it_is_decoded() -> None:
    content = tiff(np.zeros((9000, 9000), "uint16"), compression="zlib")
    with pytest.raises(BadInput, match=r"at most 80 million pixels in a\.tif, found 9000×9000"):
        decode_photo(content, "a.tif")
