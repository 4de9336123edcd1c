"""Items of the experiment: an operator at one ratio with one seed, trained and tested."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from skimage.transform import iradon_sart
from torch import Tensor, nn

from workbench.experiments.compressed.data import ImageVectors, Vectors
from workbench.experiments.compressed.nets import applied, train_classifier, train_refiner
from workbench.models.linear_estimates import Moments, linear_mmse, ridge
from workbench.models.measuring import (
    GRIDS,
    SIDE,
    Encoder,
    Projection,
    deviation,
    disc,
    gaussian,
    noisy,
    radon_matrix,
    scattered,
    view_angles,
    views_of,
)
from workbench.runs.files import atomic_write

COLOUR = {
    "gaussian": "random projection",
    "principal": "principal components",
    "learned-linear": "linear, learned for the class",
    "convolutional": "convolutions, learned for the class",
}
"""Operators on colour images, n = 3,072."""
TOMOGRAPHY = {"radon": "few views", "radon-scattered": "few views, scattering"}
"""Operators on grey discs."""
OPERATORS = COLOUR | TOMOGRAPHY
"""Names of the operators, and what they are called in pictures."""
RATIOS = tuple(GRIDS)
ONE_VIEW = 16
"""Greatest ratio of a tomograph: one view is 1:19 of the disc."""
RECONSTRUCTIONS = {"mmse": "linear MMSE", "sart": "SART", "learned": "convolutions after MMSE"}
DISCRIMINATIONS = {"ridge": "ridge regression", "net": "two-layer network"}
SART_IMAGES = 500
"""Number of test images that SART reconstructs, the first ones."""
SART_STEPS, SART_RELAXATION = 5, 0.5
_NOISE = 1_000_000
"""Distance of the seeds of noise from those of random projections, which would be equal."""
REFINED_IMAGES = 8000
"""Number of training images of the refiner at most."""


@dataclass(frozen=True)
class Settings:
    """Settings that all items share.

    Attributes:
        noise: deviation of the noise, relative to the root mean square of the measurements about
            their means.
        passes: passes of the trainings over the training images.
        held_out: share of the training images that chooses the penalty of ridge regression.
    """

    noise: float = 0.01
    passes: int = 4
    held_out: float = 0.2


@dataclass(frozen=True)
class Key:
    """Name of an item.

    Attributes:
        operator: name out of `OPERATORS`.
        ratio: pixels for each measurement that are asked for.
        seed: seed of operator, noise and networks.
    """

    operator: str
    ratio: int
    seed: int

    @property
    def file(self) -> str:
        """Name of the item's file."""
        return f"{self.operator}--{self.ratio}--seed{self.seed}.npz"


@dataclass(frozen=True, eq=False)
class Item:
    """Figures of an operator on the test images.

    Attributes:
        key: name of the item.
        measurements: m.
        pixels: n.
        psnr: PSNR of each test image by reconstruction, dB; for SART of the first ones.
        wrong: whether the class of each test image is wrong, by discrimination.
        shown: reconstructions of the photographs, [0, 1], pixels of the operator's images.
        penalty: penalty of the ridge regression, relative.
        seconds: time that it took.
    """

    key: Key
    measurements: int
    pixels: int
    psnr: dict[str, Float32[np.ndarray, "_"]]
    wrong: dict[str, Bool[np.ndarray, "images"]]
    shown: dict[str, Float32[np.ndarray, "photographs _"]]
    penalty: float
    seconds: float

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        groups = {"psnr": self.psnr, "wrong": self.wrong, "shown": self.shown}
        arrays: dict[str, Any] = {
            f"{group} {name}": values for group, found in groups.items()
            for name, values in found.items()
        }  # fmt: skip
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, measurements=self.measurements, pixels=self.pixels, penalty=self.penalty,
            seconds=self.seconds, **arrays,
        )  # fmt: skip
        with atomic_write(path) as file:
            file.write(buffer.getvalue())

    @classmethod
    def read(cls, path: Path, key: Key) -> "Item":
        """Read a file that `write` wrote."""
        with np.load(path) as stored:
            groups: dict[str, dict[str, Any]] = {"psnr": {}, "wrong": {}, "shown": {}}
            for name in stored.files:
                group, _, method = name.partition(" ")
                if method:
                    groups[group][method] = stored[name]
            return cls(
                key, int(stored["measurements"]), int(stored["pixels"]), **groups,
                penalty=float(stored["penalty"]), seconds=float(stored["seconds"]),
            )  # fmt: skip


def keys(operators: Sequence[str], ratios: Sequence[int], seeds: Sequence[int]) -> tuple[Key, ...]:
    """Items of a request, seed by seed, without the ratios at which a tomograph has no view."""
    found = [Key(o, ratio, seed) for seed in seeds for o in operators for ratio in ratios]
    return tuple(k for k in found if k.operator in COLOUR or k.ratio <= ONE_VIEW)


def measure(images: ImageVectors, key: Key, settings: Settings) -> Item:
    """Fit everything on the training images of one operator, and test it once."""
    started = time.monotonic()
    vectors = images.colour if key.operator in COLOUR else images.grey
    operator = _operator(vectors, key)
    learned = any(each.requires_grad for each in operator.parameters())
    clean = None if learned else applied(operator, vectors.train)
    count = _measurements(vectors, key)
    head = train_classifier(
        operator if clean is None else nn.Identity(), vectors.train if clean is None else clean,
        images.train_labels, measurements=count, categories=len(images.names),
        noise=settings.noise, passes=settings.passes, seed=key.seed,
    )  # fmt: skip
    if clean is None:
        clean = applied(operator, vectors.train)
    scale = settings.noise * float(deviation(clean))
    generator = torch.Generator().manual_seed(key.seed + _NOISE)
    y_train = noisy(clean, scale, generator)
    held_out = max(int(settings.held_out * len(y_train)), 1)
    to_class, penalty = ridge(y_train, images.train_labels, len(images.names), held_out)
    if isinstance(operator, Projection):
        matrix = operator.matrix.detach()
        moments = Moments.projected(vectors.mean, vectors.covariance, matrix)
    else:
        moments = Moments.of(vectors.train, clean)
    to_image = linear_mmse(moments, scale)
    y_test = noisy(applied(operator, vectors.test), scale, generator)
    y_shown = noisy(applied(operator, vectors.photographs), scale, generator)
    found = {"mmse": (to_image(y_test), to_image(y_shown))}
    if key.operator in TOMOGRAPHY:
        views = count // SIDE
        found["sart"] = (_sart(y_test[:SART_IMAGES], views), _sart(y_shown, views))
        some = slice(REFINED_IMAGES)
        refiner = train_refiner(
            to_image(y_train[some]), vectors.train[some], torch.from_numpy(disc()),
            passes=settings.passes, seed=key.seed,
        )  # fmt: skip
        found["learned"] = (
            applied(refiner, found["mmse"][0]), applied(refiner, found["mmse"][1])
        )  # fmt: skip
    guesses = {"ridge": to_class(y_test), "net": applied(head, y_test)}
    return Item(
        key, count, vectors.train.shape[1],
        {name: psnr(test, vectors.test[: len(test)]) for name, (test, _) in found.items()},
        {name: (g.argmax(1) != images.test_labels).numpy() for name, g in guesses.items()},
        {name: shown.clamp(0, 1).numpy() for name, (_, shown) in found.items()},
        penalty, time.monotonic() - started,
    )  # fmt: skip


def psnr(
    found: Float32[Tensor, "images pixels"], images: Float32[Tensor, "images pixels"]
) -> Float32[np.ndarray, "images"]:
    """PSNR of each image, dB, for values in [0, 1]; reconstructions are clipped to these first."""
    error = (found.clamp(0, 1) - images).square().mean(1).clamp(min=1e-12)
    return np.asarray(-10 * error.log10().numpy())


def _measurements(vectors: Vectors, key: Key) -> int:
    if key.operator in TOMOGRAPHY:
        return views_of(key.ratio) * SIDE
    return vectors.train.shape[1] // key.ratio


def _operator(vectors: Vectors, key: Key) -> nn.Module:
    count, pixels = _measurements(vectors, key), vectors.train.shape[1]
    match key.operator:
        case "gaussian":
            return gaussian(pixels, count, key.seed)
        case "principal":
            return Projection(vectors.axes[:count])
        case "learned-linear":
            return Projection(gaussian(pixels, count, key.seed).matrix.detach(), learned=True)
        case "convolutional":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(key.seed)
                return Encoder(key.ratio)
    views = count // SIDE
    matrix = radon_matrix(views)
    return Projection(matrix if key.operator == "radon" else scattered(matrix, views))


def _sart(y: Float[Tensor, "images measurements"], views: int) -> Float32[Tensor, "images pixels"]:
    """Simultaneous algebraic reconstruction, which knows of straight rays alone."""
    inside, angles = disc(), view_angles(views)
    images = []
    for sinogram in y.double().numpy().reshape(len(y), SIDE, views):
        image: Any = None  # from 0
        for _ in range(SART_STEPS):
            image = iradon_sart(
                sinogram, angles, image=image, clip=(0, 1), relaxation=SART_RELAXATION
            )
        images.append(image[inside])
    return torch.from_numpy(np.stack(images)).float()
