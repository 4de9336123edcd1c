"""Linear estimates from measurements in closed form: the image by least mean square, the class.

Linear MMSE: x̂ = μ_x + C_xy (C_yy + σ²I)⁻¹ (y − μ_y), the best linear estimate for these moments.
Ridge: the same form with labels as one-hot vectors in place of x, and a penalty in place of σ².
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

PENALTIES = tuple(10.0**power for power in range(-5, 3))
"""Penalties that the held-out images choose from, in units of the mean variance of y."""
_JITTER = 1e-12
"""Least penalty, in the same units: covariances of few images are singular."""
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Moments:
    """First and second moments of images x and their measurements y without noise, float64.

    Attributes:
        mean_x: (pixels,) mean image.
        mean_y: (measurements,) mean measurements.
        cross: (measurements, pixels) covariance of y with x.
        within: (measurements, measurements) covariance of y.
    """

    mean_x: Float64[Tensor, "pixels"]
    mean_y: Float64[Tensor, "measurements"]
    cross: Float64[Tensor, "measurements pixels"]
    within: Float64[Tensor, "measurements _"]

    @classmethod
    def of(
        cls, x: Float[Tensor, "images pixels"], y: Float[Tensor, "images measurements"]
    ) -> "Moments":
        """Moments of a set of images and their measurements."""
        total = RunningMoments(x.shape[1], y.shape[1])
        for some_x, some_y in zip(x.split(_ROWS), y.split(_ROWS), strict=True):
            total.add(some_x, some_y)
        return total.moments()

    @classmethod
    def projected(
        cls,
        mean: Float64[Tensor, "pixels"],
        covariance: Float64[Tensor, "pixels pixels"],
        matrix: Float[Tensor, "measurements pixels"],
    ) -> "Moments":
        """Moments of images and their linear measurements, from the moments of the images."""
        matrix = matrix.double()
        cross = matrix @ covariance
        return cls(mean, matrix @ mean, cross, cross @ matrix.T)


class RunningMoments:
    """Sums over images that come part by part; of the images themselves nothing is kept.

    Args:
        pixels: entries of x.
        measurements: entries of y.
    """

    def __init__(self, pixels: int, measurements: int) -> None:
        self._count = 0
        self._origin: tuple[Tensor, Tensor] | None = None  # near the means: sums lose few digits
        self._x = torch.zeros(pixels, dtype=torch.float64)
        self._y = torch.zeros(measurements, dtype=torch.float64)
        self._cross = torch.zeros(measurements, pixels, dtype=torch.float64)
        self._within = torch.zeros(measurements, measurements, dtype=torch.float64)

    def add(
        self, x: Float[Tensor, "images pixels"], y: Float[Tensor, "images measurements"]
    ) -> None:
        """Add some images and their measurements."""
        x, y = x.double(), y.double()
        if self._origin is None:
            self._origin = x.mean(0), y.mean(0)
        x, y = x - self._origin[0], y - self._origin[1]
        self._count += len(x)
        self._x += x.sum(0)
        self._y += y.sum(0)
        self._cross.addmm_(y.T, x)
        self._within.addmm_(y.T, y)

    def moments(self) -> Moments:
        """Moments of the images that were added until now, at least one."""
        assert self._origin is not None
        x, y = self._x / self._count, self._y / self._count
        cross = self._cross / self._count - torch.outer(y, x)
        within = self._within / self._count - torch.outer(y, y)
        return Moments(self._origin[0] + x, self._origin[1] + y, cross, within)


@dataclass(frozen=True, eq=False)
class Affine:
    """Affine map of measurements, mean + (y − centre) W.

    Attributes:
        centre: (measurements,) mean of y.
        weights: (measurements, outputs) W.
        mean: (outputs,) mean of what is estimated.
    """

    centre: Float64[Tensor, "measurements"]
    weights: Float64[Tensor, "measurements outputs"]
    mean: Float64[Tensor, "outputs"]

    def __call__(self, y: Float[Tensor, "images measurements"]) -> Float[Tensor, "images outputs"]:
        """Estimates in the dtype of y."""
        return (y - self.centre.to(y)) @ self.weights.to(y) + self.mean.to(y)


def linear_mmse(moments: Moments, noise: float = 0.0) -> Affine:
    """Best linear estimate of images from noisy measurements.

    Args:
        moments: moments of images and measurements without noise.
        noise: deviation of the noise, in the units of y.
    """
    return penalised(moments, noise**2)


def ridge(
    y: Float[Tensor, "images measurements"],
    labels: Int64[Tensor, "images"],
    categories: int,
    held_out: int,
) -> tuple[Affine, float]:
    """Ridge regression to one-hot labels; the class is the largest output.

    Args:
        y: noisy measurements in random order.
        labels: categories.
        categories: number of categories.
        held_out: number of images, the last ones, whose errors choose the penalty; the estimate is
            then made of all images.

    Returns:
        The map, and the penalty out of `PENALTIES`.
    """
    targets = torch.nn.functional.one_hot(labels, categories).double()
    kept = len(y) - held_out
    some = Moments.of(targets[:kept], y[:kept])
    unit = float(some.within.diagonal().mean())
    _, best, _ = chosen_ridge(some, y[kept:], labels[kept:])
    return penalised(Moments.of(targets, y), best * unit), best


def chosen_ridge(
    moments: Moments, y: Float[Tensor, "images measurements"], labels: Int64[Tensor, "images"]
) -> tuple[Affine, float, float]:
    """Ridge regression with the penalty of the least error on held-out images.

    Of equal errors the greatest penalty wins.

    Args:
        moments: moments of one-hot labels and measurements.
        y: measurements of held-out images.
        labels: categories of these.

    Returns:
        The map, the penalty out of `PENALTIES`, and its held-out error, a fraction.
    """
    unit = float(moments.within.diagonal().mean())
    found = []
    for penalty in PENALTIES[::-1]:
        to_class = penalised(moments, penalty * unit)
        error = float((to_class(y).argmax(1) != labels).double().mean())
        found.append((to_class, penalty, error))
    return min(found, key=lambda each: each[2])


def penalised(moments: Moments, penalty: float) -> Affine:
    """Ridge regression of x on y with a penalty, in the units of y squared."""
    return Affine(moments.mean_y, _solve(moments.within, moments.cross, penalty), moments.mean_x)


def _solve(
    within: Float64[Tensor, "measurements _"],
    cross: Float64[Tensor, "measurements outputs"],
    penalty: float,
) -> Float64[Tensor, "measurements outputs"]:
    least = _JITTER * float(within.diagonal().mean())
    shifted = within.clone()
    shifted.diagonal().add_(max(penalty, least))
    return torch.cholesky_solve(cross, torch.linalg.cholesky(shifted))
