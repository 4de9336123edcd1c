"""GIST: its definition by Fourier transforms, its symmetries, and the product of the pipelines."""

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
from distributed import Client

from pipelines import jobs
from pipelines.errors import PipelineError
from pipelines.gist import Gist
from pipelines.sources.sample import write_sample
from pipelines.sources.sample_cifar import draw_image
from pipelines.store import open_store
from pipelines.verify import verify

GIST = Gist()


def by_definition(image: np.ndarray) -> np.ndarray:
    """Steps 1 to 4 of the definition in float64, with Fourier transforms of padded images."""
    x = image.astype(float).mean(axis=2)
    x = np.log1p((x - x.min()) * 255 / np.ptp(x))
    padded = np.pad(x, 5, mode="symmetric")
    cycles = scipy.fft.fftfreq(42, 1 / 42)
    gain = np.exp(-(cycles[:, None] ** 2 + cycles**2) / (4 / np.sqrt(np.log(2))) ** 2)

    def low(values: np.ndarray) -> np.ndarray:
        return scipy.fft.ifft2(scipy.fft.fft2(values) * gain)

    high = padded - low(padded).real
    x = (high / (0.2 + np.sqrt(np.abs(low(high**2)))))[5:-5, 5:-5]
    spectrum = scipy.fft.fft2(np.pad(x, 16, mode="symmetric"))
    down, across = np.meshgrid(*[scipy.fft.fftfreq(64, 1 / 64)] * 2, indexing="ij")
    radius, found = np.hypot(down, across), []
    for scale in range(3):
        for turn in range(8):
            angle = np.arctan2(down, across) + np.pi * turn / 8
            angle[angle > np.pi] -= 2 * np.pi
            octave = radius / 64 / (0.3 / 1.85**scale) - 1
            kept = scipy.fft.ifft2(spectrum * np.exp(-3.5 * octave**2 - 2 * np.pi * angle**2))
            found.append(np.abs(kept)[16:-16, 16:-16].reshape(4, 8, 4, 8).mean(axis=(1, 3)))
    return np.array(found)


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.fixture
def image() -> np.ndarray:
    return draw_image(np.random.default_rng(3), 1)


def test_the_definition(image: np.ndarray) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for each in (image, noise):
        assert relative(GIST(each)["gist"], by_definition(each)) < 5e-6
    assert not GIST(np.full((32, 32, 3), 9, np.uint8))["gist"].any(), "a grey image has no energy"


def test_symmetries(image: np.ndarray) -> None:
    """Rotation by 90°, an affine change of grey, half precision, and images in a batch."""
    found = GIST(image)["gist"]
    turned = np.rot90(found.reshape(3, 8, 4, 4), axes=(2, 3))
    shifted = np.roll(turned, 4, axis=1).reshape(24, 4, 4)
    assert relative(GIST(np.rot90(image))["gist"], shifted) < 4e-3
    assert relative(shifted, found) > 0.1
    (dimmed,) = GIST.describe(0.5 * image[None] + 20)
    assert relative(dimmed, found) < 2e-6
    assert relative(found.astype(np.float16), found) < 4e-4
    batch = np.stack([image, image[::-1], np.rot90(image)])
    np.testing.assert_array_equal(GIST.describe(batch), [GIST(each)["gist"] for each in batch])


def test_a_product_of_the_plan_without_weights(client: Client, tmp_path: Path) -> None:
    write_sample(tmp_path / "raw", train=20, test=10, layout="cifar10")
    asked = {"client": client, "progress": False, "unit": 8}
    done = jobs.run("cifar10", tmp_path / "raw", tmp_path / "a.zarr", features="gist", **asked)
    alone = jobs.run("cifar10", tmp_path / "raw", tmp_path / "b.zarr", profile="remote", **asked)
    assert verify(done.store, progress=False).ok
    dataset, images = open_store(done.store), open_store(alone.store)
    assert dataset.attrs["taps"] == "gist"
    for name in ("image", "category", "split", "number", "id"):
        np.testing.assert_array_equal(dataset[name].values, images[name].values)
    expected = GIST.describe(images["image"].values)
    np.testing.assert_array_equal(dataset["gist"].values, expected.astype(np.float16))
    assert dataset["gist"].dims == ("image", "gist_channel", "gist_y", "gist_x")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"weights": "alexnet.safetensors"}, "gist without --weights"),
        ({"enlarge": 2.0}, "gist without --weights, of images as they are"),
        ({"product": "images"}, "for a product of features"),
    ],
)
def test_unusable_requests(tmp_path: Path, asked: dict, message: str) -> None:
    write_sample(tmp_path / "raw", train=10, test=10, layout="cifar10")
    with pytest.raises(PipelineError, match=message):
        jobs.plan("cifar10", tmp_path / "raw", features="gist", **asked)


def test_images_of_another_size(coco: Path) -> None:
    with pytest.raises(PipelineError, match="images of 32×32 pixels for gist, found 28×28"):
        jobs.plan("coco", coco, features="gist", longest=24, size=28)
    asked = {"features": "gist", "longest": 24, "size": 32}
    assert jobs.plan("coco", coco, **asked).schema.pixels[0].shape == (24, 4, 4)
