"""Photographs of every kind come out as upright RGB; what is none is named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.images import LEAST_SIDE
from workbench.data.photos import read_photo, resized, working_size
from workbench.errors import WorkbenchError

RED, GREEN, BLUE = (200, 30, 40), (20, 160, 60), (30, 50, 180)


def quarters(height: int = 48, width: int = 64) -> np.ndarray:
    """Red at the upper left, green beside it, blue below, white in the last corner."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[: height // 2, : width // 2] = RED
    image[: height // 2, width // 2 :] = GREEN
    image[height // 2 :, : width // 2] = BLUE
    return image


def close(one: np.ndarray, other: np.ndarray, by: float = 6) -> bool:
    """Up to what JPEG and CMYK change in the mean."""
    return one.shape == other.shape and float(np.abs(one - other.astype(float)).mean()) < by


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = quarters()
    stored = {  # what a camera stores that is turned by the orientation
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright), 7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95, subsampling=0)
    assert close(read_photo(path), upright)


@pytest.mark.parametrize("name", ["grey.jpg", "grey.png", "grey16.png", "grey-alpha.png"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, name: str) -> None:
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    image = Image.fromarray(grey.astype(np.uint16) * 257 if "16" in name else grey)
    if "alpha" in name:
        image = image.convert("LA")
    image.save(tmp_path / name)
    assert close(read_photo(tmp_path / name), np.dstack([grey] * 3), 2)


def test_cmyk_palette_and_bits(tmp_path: Path) -> None:
    image = Image.fromarray(quarters())
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    image.quantize(4).save(tmp_path / "palette.png")
    for name in ("cmyk.jpg", "palette.png"):
        assert close(read_photo(tmp_path / name), quarters()), name
    image.convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(read_photo(tmp_path / "bits.png"))) == {0, 255}


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    alpha = np.zeros((48, 64, 1), np.uint8)
    alpha[:, 32:] = 255
    Image.fromarray(np.dstack([quarters(), alpha])).save(tmp_path / "alpha.png")
    found = read_photo(tmp_path / "alpha.png")
    assert (found[:, :32] == 255).all()
    assert (found[:, 32:] == quarters()[:, 32:]).all()


def test_what_is_no_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("a thousand words")
    with pytest.raises(WorkbenchError, match="convert it first"):
        read_photo(tmp_path / "text.jpg")
    Image.fromarray(quarters(480, 640)).save(tmp_path / "whole.jpg")
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:-900])
    with pytest.raises(WorkbenchError, match="does not decode"):
        read_photo(tmp_path / "torn.jpg")
    Image.fromarray(quarters(31, 64)).save(tmp_path / "small.png")
    with pytest.raises(WorkbenchError, match="64×31"):
        read_photo(tmp_path / "small.png")
    with pytest.raises(WorkbenchError, match="no file"):
        read_photo(tmp_path / "none.jpg")


@pytest.mark.parametrize("side", [9000, 10_000, 20_000])
def test_a_picture_of_a_hundred_million_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, side: int
) -> None:
    Image.new("1", (side, 10_000)).save(tmp_path / "vast.png")
    with pytest.raises(WorkbenchError, match="80 million"):
        read_photo(tmp_path / "vast.png")


def test_working_sizes() -> None:
    assert working_size((321, 481), 481) == (321, 481)
    assert working_size((3000, 4000), 400) == (300, 400)
    assert working_size((100, 90), 481) == (100, 90)  # nothing is enlarged
    assert working_size((320, 32_000), 480) == (LEAST_SIDE, 3200)  # not thinner than that
    image = quarters(960, 1280)
    assert close(resized(image, (48, 64)), quarters(), 0.5)
