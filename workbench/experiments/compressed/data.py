"""Images of a store as vectors, in colour or as grey discs, with photographs that may be shown."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from skimage import data
from skimage.transform import resize
from torch import Tensor

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.models.measuring import SIDE, disc, principal_axes

PHOTOGRAPHS = ("astronaut", "chelsea")
"""Photographs of scikit-image whose reconstructions are kept for pictures."""
GREY = torch.tensor([0.299, 0.587, 0.114])
"""Weights of red, green and blue (Rec. 601)."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Images to fit on, images to test on and photographs, as vectors of one kind.

    Attributes:
        train: images to fit on, values in [0, 1], in random order.
        test: images to test on.
        photographs: those of `PHOTOGRAPHS`.
    """

    train: Float32[Tensor, "train pixels"]
    test: Float32[Tensor, "test pixels"]
    photographs: Float32[Tensor, "photographs pixels"]

    @cached_property
    def mean(self) -> Float64[Tensor, "pixels"]:
        """Mean image of `train`."""
        return self.train.mean(0, dtype=torch.float64)

    @cached_property
    def covariance(self) -> Float64[Tensor, "pixels _"]:
        """Covariance of `train`."""
        total = torch.zeros(len(self.mean), len(self.mean), dtype=torch.float64)
        for some in self.train.split(4096):
            centred = some.double() - self.mean
            total += centred.T @ centred
        return total / len(self.train)

    @cached_property
    def axes(self) -> Float64[Tensor, "pixels _"]:
        """Principal axes of `train`, as rows."""
        return principal_axes(self.covariance)


class ImageVectors:
    """Images of a store of 32×32 pixels, in colour and as grey discs.

    Args:
        images: images with splits `train` and `test`.
        train, test: number of images at most, chosen at random, the same for every seed.

    Attributes:
        train_labels, test_labels: categories.
        names: names of the categories.
        identity: digest of the chosen images' origin.

    Raises:
        WorkbenchError: the images have another size.
    """

    def __init__(self, images: Images, train: int, test: int) -> None:
        fit, held = _some(images.train, train), _some(images.test, test)
        self._train, self._test = fit.pixels(), held.pixels()
        size = tuple(self._train.shape[2:])
        if size != (SIDE, SIDE):
            raise WorkbenchError(
                f"images of {SIDE}×{SIDE} pixels",
                f"{size[0]}×{size[1]}",
                "give a store of CIFAR-10",
            )
        self.train_labels, self.test_labels = fit.labels, held.labels
        self.names = images.names
        self.identity = f"{fit.identity} {held.identity}"

    @cached_property
    def colour(self) -> Vectors:
        """Red, green and blue planes: 3,072 pixels."""
        return Vectors(_colour(self._train), _colour(self._test), photographs_of(colour=True))

    @cached_property
    def grey(self) -> Vectors:
        """Grey values inside the disc that a tomograph sees."""
        return Vectors(_grey(self._train), _grey(self._test), photographs_of(colour=False))


def photographs_of(colour: bool) -> Float32[Tensor, "photographs pixels"]:
    """Photographs of `PHOTOGRAPHS`, as vectors in colour or as grey discs."""
    pixels = torch.from_numpy(np.stack([_photograph(name) for name in PHOTOGRAPHS]))
    return _colour(pixels) if colour else _grey(pixels)


def _colour(pixels: UInt8[Tensor, "images 3 y x"]) -> Float32[Tensor, "images pixels"]:
    return pixels.flatten(1).float() / 255


def _grey(pixels: UInt8[Tensor, "images 3 y x"]) -> Float32[Tensor, "images pixels"]:
    inside = torch.from_numpy(disc())
    parts = [torch.einsum("ncyx,c->nyx", some.float(), GREY) for some in pixels.split(4096)]
    return torch.cat(parts)[:, inside] / 255


def _some(images: Images, count: int) -> Images:
    order = np.random.default_rng(0).permutation(len(images))
    return images.select(order[:count])


def _photograph(name: str) -> UInt8[np.ndarray, "3 y x"]:
    """Middle square of a photograph of scikit-image, reduced to the side."""
    pixels = getattr(data, name)()
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    small = resize(pixels[top : top + side, left : left + side], (SIDE, SIDE), anti_aliasing=True)
    return np.asarray(small * 255, np.float64).round().astype(np.uint8).transpose(2, 0, 1)
