"""Transformations of images that a network may be invariant to: moved, blurred, lit otherwise.

A transformation makes the network's view, the middle of a larger image, out of that image, so that
at the border stands what the photograph shows there and no padding. Pixels between the grid's are
interpolated bicubically, which blurs them a little: turning and scaling hold that much of a blur.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from workbench.errors import WorkbenchError

Image = Float32[Tensor, "channels height width"]
"""Intensities in [0, 1]."""
View = Float32[Tensor, "channels rows columns"]
"""Intensities that a network sees."""
Size = tuple[int, int]
DEVIATIONS = 3
"""Radius of the blur's kernel in σ."""


class LeavesImageError(Exception):
    """An amount whose view reaches beyond the image."""


class Point(NamedTuple):
    """Transformation by an amount."""

    transformation: str
    amount: float


@dataclass(frozen=True)
class Transformation:
    """Kind of transformation.

    Attributes:
        words: what was done, with the amount as {}.
        unit: unit of the amount.
        amounts: usual amounts.
        apply: view of a size, from an image and an amount; raises `LeavesImageError`.
        least, most: bounds of the amount, themselves excluded.
        neutral: amount that changes nothing.
    """

    words: str
    unit: str
    amounts: tuple[float, ...]
    apply: Callable[[Image, Size, float], View]
    least: float = -math.inf
    most: float = math.inf
    neutral: float = 0.0

    @property
    def middle(self) -> float:
        """Usual amount in the middle of their order."""
        return self.amounts[len(self.amounts) // 2]


def middle_of(image: Image, view: Size) -> View:
    """Middle of an image.

    Raises:
        LeavesImageError: the image is smaller.
    """
    return _shifted(image, view, 0.0)


def _shifted(image: Image, view: Size, pixels: float) -> View:
    if pixels != round(pixels):
        return _sampled(image, view, shift=pixels)
    top, left = _corner(image, view)
    left -= round(pixels)
    if min(top, left) < 0 or left + view[1] > image.shape[2]:
        raise LeavesImageError
    return image[:, top : top + view[0], left : left + view[1]].clone()


def _turned(image: Image, view: Size, degrees: float) -> View:
    return _sampled(image, view, radians=math.radians(degrees))


def _scaled(image: Image, view: Size, factor: float) -> View:
    """Smaller images are smoothed first, by scikit-image's rule σ = (1/factor − 1)/2."""
    smooth = _smoothed(image, (1 / factor - 1) / 2) if factor < 1 else image
    return _sampled(smooth, view, factor=factor)


def _blurred(image: Image, view: Size, deviation: float) -> View:
    if _radius(deviation) > min(_corner(image, view)):
        raise LeavesImageError
    return middle_of(_smoothed(image, deviation), view)


def _gain(image: Image, view: Size, factor: float) -> View:
    return middle_of(image, view) * factor


def _gamma(image: Image, view: Size, exponent: float) -> View:
    values = middle_of(image, view)  # an input that its dataset prepared may be negative
    return values.sign() * values.abs() ** exponent


def _gradient(image: Image, view: Size, strength: float) -> View:
    return middle_of(image, view) * (1 + strength * torch.linspace(-1, 1, view[1]))


TRANSFORMATIONS = {
    "shift": Transformation(
        "shifted right by {} pixels", "pixels", (1.0, 2.0, 4.0, 8.0, 16.0, 32.0), _shifted
    ),
    "turn": Transformation(
        "turned left by {} degrees", "degrees", (2.0, 5.0, 10.0, 20.0, 45.0), _turned
    ),
    "scale": Transformation(
        "scaled by a factor of {}", "factor", (0.8, 0.9, 1.1, 1.25, 1.5), _scaled,
        least=0.0, neutral=1.0,
    ),
    "blur": Transformation(
        "blurred with σ = {} pixels", "σ in pixels", (0.5, 1.0, 2.0, 4.0), _blurred, least=-1e-9
    ),
    "gain": Transformation(
        "intensities times {}", "factor", (0.5, 0.8, 1.25, 2.0), _gain, least=0.0, neutral=1.0
    ),
    "gamma": Transformation(
        "intensities to the power of {}", "exponent", (0.5, 0.8, 1.25, 2.0), _gamma,
        least=0.0, neutral=1.0,
    ),
    "gradient": Transformation(
        "light from the right, ±{} at the edges", "share at the edges", (0.1, 0.25, 0.5), _gradient,
        least=-1.0, most=1.0,
    ),
}  # fmt: skip
"""Transformations by name."""


def points_of(
    transformations: str | Sequence[str] | Mapping[str, Sequence[float]],
) -> tuple[Point, ...]:
    """Transformations by their amounts.

    Args:
        transformations: a name or names, with their usual amounts, or name → amounts.

    Raises:
        WorkbenchError: an unknown name, or an amount that the transformation does not have.
    """
    names = [transformations] if isinstance(transformations, str) else list(transformations)
    strangers = [name for name in names if name not in TRANSFORMATIONS]
    if strangers or not names:
        raise WorkbenchError(
            f"transformations out of {', '.join(TRANSFORMATIONS)}",
            ", ".join(map(repr, strangers)) or "none",
            "name one of them",
        )
    amounts = transformations if isinstance(transformations, Mapping) else {}
    found = [
        Point(name, float(amount))
        for name in names
        for amount in amounts.get(name, TRANSFORMATIONS[name].amounts)
    ]
    for name, amount in found:
        kind = TRANSFORMATIONS[name]
        if not (math.isfinite(amount) and kind.least < amount < kind.most):
            raise WorkbenchError(
                f"amounts of {name} ({kind.unit}) between {kind.least:g} and {kind.most:g}",
                f"{amount:g}",
                "give another",
            )
    if not found:
        raise WorkbenchError("at least one amount", "none", "give some, or leave the usual ones")
    return tuple(dict.fromkeys(found))


def transformed(image: Image, view: Size, point: Point) -> View:
    """View of an image, transformed.

    Raises:
        WorkbenchError: the amount leaves the image.
    """
    try:
        return TRANSFORMATIONS[point.transformation].apply(image, view, point.amount)
    except LeavesImageError:
        raise WorkbenchError(
            f"a {point.transformation} that stays in the image ({image.shape[1]}×{image.shape[2]} "
            f"pixels around a view of {view[0]}×{view[1]})",
            f"{point.amount:g} {TRANSFORMATIONS[point.transformation].unit}",
            "give smaller amounts, or a smaller crop or larger shorter side in the preprocessing",
        ) from None


def _corner(image: Image, view: Size) -> Size:
    """Row and column of the corner of an image's middle."""
    return (image.shape[1] - view[0]) // 2, (image.shape[2] - view[1]) // 2


def _sampled(
    image: Image, view: Size, *, radians: float = 0.0, factor: float = 1.0, shift: float = 0.0
) -> View:
    """View turned and scaled about its middle, or shifted."""
    top, left = _corner(image, view)
    y, x = torch.meshgrid(
        *(torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for side in view), indexing="ij"
    )
    x = x - shift
    cosine, sine = math.cos(radians) / factor, math.sin(radians) / factor
    rows = top + (view[0] - 1) / 2 + sine * x + cosine * y
    columns = left + (view[1] - 1) / 2 + cosine * x - sine * y
    last = torch.tensor(image.shape[1:]) - 1
    slack = 1e-6  # pixels, of rounding
    if min(rows.min(), columns.min()) < -slack or (
        rows.max() > last[0] + slack or columns.max() > last[1] + slack
    ):
        raise LeavesImageError
    grid = torch.stack([2 * columns / last[1] - 1, 2 * rows / last[0] - 1], -1)
    return functional.grid_sample(
        image[None], grid[None].float(), "bicubic", "border", align_corners=True
    )[0]


def _radius(deviation: float) -> int:
    return math.ceil(DEVIATIONS * deviation)


def _smoothed(image: Image, deviation: float) -> Image:
    """Image of the same size, convolved with a Gaussian; border pixels are repeated outwards."""
    radius = _radius(deviation)
    if radius == 0:
        return image
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / deviation) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(image[None], (radius,) * 4, mode="replicate").transpose(0, 1)
    rows = functional.conv2d(padded, kernel[None, None, :, None])
    return functional.conv2d(rows, kernel[None, None, None, :])[:, 0]
