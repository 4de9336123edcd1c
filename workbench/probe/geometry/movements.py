"""Movements of a network's features when images are transformed, beside distances of images.

Features are compared as they come and not kept: in memory are those of a block of images, and
distances and angles in float64.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from workbench.probe.capture import Capture, layout_of
from workbench.probe.geometry.clouds import INPUT
from workbench.probe.geometry.transformations import (
    Image,
    Point,
    Size,
    View,
    middle_of,
    transformed,
)

Positions = Literal["kept", "averaged"]
POSITIONS_OF = {"maps": (-2, -1), "tokens": (-2,)}
"""Dimensions of the positions, by layout."""


class Reading(NamedTuple):
    """Output of a layer, as it is or averaged over its positions."""

    layer: str
    positions: Positions


@dataclass(frozen=True, eq=False)
class Movement:
    """Movements at the layers of a network; distances are Euclidean, angles in radians.

    Attributes:
        weights: "given", or "random 1", …
        pooling: "given", "average", "maximum" or "none".
        readings: layers, the input first, as they are and averaged over positions.
        features: number of features of each reading.
        moved: distance of an image's features from those of the transformed image.
        turned: angle between them; NaN where either is 0.
        norms: norm of an image's features.
        others: median distance of an image's features from those of the other images.
        other_angles: median angle between them.
    """

    weights: str
    pooling: str
    readings: tuple[Reading, ...]
    features: tuple[int, ...]
    moved: Float64[np.ndarray, "readings points images"]
    turned: Float64[np.ndarray, "readings points images"]
    norms: Float64[np.ndarray, "readings images"]
    others: Float64[np.ndarray, "readings images"]
    other_angles: Float64[np.ndarray, "readings images"]

    def relative(self) -> Float64[np.ndarray, "readings points images"]:
        """Distance moved over the median distance of other images; NaN where `outcome` says so."""
        others = self.others[:, None]
        known = self._finite[:, None, None] & (others > 0)
        return np.where(known, self.moved / np.where(known, others, 1.0), np.nan)

    def outcome(self, number: int) -> str:
        """Sentence why a reading has no figures, or not of all images; "" where all is well."""
        others = self.others[number]
        if not self._finite[number]:
            return "NaN or infinity in the features: nothing is measured"
        alone = int((others == 0).sum())
        if alone == len(others):
            return "dead: the features of all images are equal"
        return f"{alone} images equal most others: they have no relative movement" * (alone > 0)

    @property
    def _finite(self) -> Bool[np.ndarray, "readings"]:
        found: np.ndarray = np.isfinite(self.others).all(1) & np.isfinite(self.moved).all((1, 2))
        return found


@dataclass(frozen=True)
class Request:
    """Images and transformations, the same for every network.

    Attributes:
        images: intensities in [0, 1], larger than the view.
        view: height and width of the middle that the network sees.
        points: transformations by their amounts.
        mean, std: (3, 1, 1) normalisation of the network's input.
    """

    images: Sequence[Image]
    view: Size
    points: tuple[Point, ...]
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def inputs(self, number: int) -> Iterator[Float[Tensor, "3 rows columns"]]:
        """Inputs of the network: an image as it is, and transformed by each amount."""
        image = self.images[number]
        yield self._normalised(middle_of(image, self.view))
        for point in self.points:
            yield self._normalised(transformed(image, self.view, point))

    def _normalised(self, view: View) -> Float[Tensor, "3 rows columns"]:
        return (view - self.mean) / self.std


def movement_of(
    network: nn.Module,
    request: Request,
    capture: Capture,
    weights: str,
    pooling: str,
    memory: float,
    bar: Any,
) -> Movement:
    """Movements at the layers of a network.

    Args:
        network: in evaluation mode.
        request: images and transformations.
        capture: hooks on the network's layers, entered here.
        weights, pooling: names of the network.
        memory: bytes of features that are held at most (at least those of two images).
        bar: tqdm's, which counts runs of the network.
    """
    count, points = len(request.images), len(request.points)
    with capture, torch.inference_mode():
        first = _features(network, next(request.inputs(0)), capture)
        readings = tuple(first)
        sizes = tuple(len(first[each]) for each in readings)
        found = _Distances(readings, count, points)
        block = min(max(int(memory // (4 * sum(sizes))) - 1, 1), count)
        bar.total += sum(count - start for start in range(block, count, block))
        for start in range(0, count, block):
            held: list[Mapping[Reading, _Vector]] = []
            for number in range(start, count):
                inputs = request.inputs(number)
                own = _vectors(_features(network, next(inputs), capture))
                bar.update()
                for other, features in enumerate(held, start):
                    found.compare_images(number, other, own, features)
                if number < start + block:
                    held.append(own)
                    for point, moved in enumerate(inputs):
                        features = _vectors(_features(network, moved, capture))
                        found.compare_moved(number, point, own, features)
                        bar.update()
    return found.movement(weights, pooling, sizes)


class _Vector(NamedTuple):
    values: Float[Tensor, "features"]
    norm: float


class _Distances:
    """Distances and angles as they come."""

    def __init__(self, readings: tuple[Reading, ...], images: int, points: int) -> None:
        self.readings = readings
        self.moved = np.full((len(readings), points, images), np.nan)
        self.turned = self.moved.copy()
        self.norms = np.full((len(readings), images), np.nan)
        self.pairs = np.full((len(readings), images, images), np.nan)
        self.angles = self.pairs.copy()

    def compare_images(
        self, i: int, j: int, a: Mapping[Reading, _Vector], b: Mapping[Reading, _Vector]
    ) -> None:
        for number, reading in enumerate(self.readings):
            distance, angle = _apart(a[reading], b[reading])
            self.pairs[number, i, j] = self.pairs[number, j, i] = distance
            self.angles[number, i, j] = self.angles[number, j, i] = angle

    def compare_moved(
        self, i: int, point: int, a: Mapping[Reading, _Vector], b: Mapping[Reading, _Vector]
    ) -> None:
        for number, reading in enumerate(self.readings):
            self.norms[number, i] = a[reading].norm
            distance, angle = _apart(a[reading], b[reading])
            self.moved[number, point, i], self.turned[number, point, i] = distance, angle

    def movement(self, weights: str, pooling: str, features: tuple[int, ...]) -> Movement:
        apart = ~np.eye(self.pairs.shape[1], dtype=bool)
        pairs, angles = (
            each[:, apart].reshape(*each.shape[:2], -1) for each in (self.pairs, self.angles)
        )
        return Movement(
            weights, pooling, self.readings, features, self.moved, self.turned, self.norms,
            np.median(pairs, axis=2), np.median(angles, axis=2),
        )  # fmt: skip


def _features(
    network: nn.Module, image: Float[Tensor, "3 rows columns"], capture: Capture
) -> dict[Reading, Float[Tensor, "features"]]:
    """Features of an image at each layer, flattened, as they are and averaged over positions."""
    capture.clear()
    parameter = next(network.parameters(), image)
    network(image[None].to(parameter))
    found = {}
    for name, output in ({INPUT: image[None]} | capture.outputs).items():
        output = output.float().cpu()
        found[Reading(name, "kept")] = output.flatten()
        positions = POSITIONS_OF.get(layout_of(output))
        if positions is not None:
            found[Reading(name, "averaged")] = output.mean(positions).flatten()
    return found


def _vectors(features: Mapping[Reading, Float[Tensor, "features"]]) -> dict[Reading, _Vector]:
    return {
        reading: _Vector(values, float(torch.linalg.vector_norm(values, dtype=torch.float64)))
        for reading, values in features.items()
    }


def _apart(a: _Vector, b: _Vector) -> tuple[float, float]:
    """Distance and angle, whose 4‖a‖‖b‖ sin²(θ/2) = ‖a−b‖² − (‖a‖−‖b‖)² is exact if small."""
    distance = float(torch.linalg.vector_norm(a.values - b.values, dtype=torch.float64))
    if not a.norm * b.norm > 0:
        return distance, float("nan")
    square = (distance**2 - (a.norm - b.norm) ** 2) / (4 * a.norm * b.norm)
    return distance, float(2 * np.arcsin(np.sqrt(np.clip(square, 0, 1))))
