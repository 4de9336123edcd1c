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
        mean_x, mean_y = x.double().mean(0), y.double().mean(0)
        cross = torch.zeros(y.shape[1], x.shape[1], dtype=torch.float64)
        within = torch.zeros(y.shape[1], y.shape[1], dtype=torch.float64)
        for some_x, some_y in zip(x.split(_ROWS), y.split(_ROWS), strict=True):
            centred = some_y.double() - mean_y
            cross += centred.T @ (some_x.double() - mean_x)
            within += centred.T @ centred
        return cls(mean_x, mean_y, cross / len(x), within / len(x))

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
    weights = _solve(moments.within, moments.cross, noise**2)
    return Affine(moments.mean_y, weights, moments.mean_x)


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
    errors = []
    for penalty in PENALTIES:
        found = Affine(some.mean_y, _solve(some.within, some.cross, penalty * unit), some.mean_x)
        errors.append(float((found(y[kept:]).argmax(1) != labels[kept:]).double().mean()))
    best = PENALTIES[len(errors) - 1 - errors[::-1].index(min(errors))]
    whole = Moments.of(targets, y)
    weights = _solve(whole.within, whole.cross, best * unit)
    return Affine(whole.mean_y, weights, whole.mean_x), best


def _solve(
    within: Float64[Tensor, "measurements _"],
    cross: Float64[Tensor, "measurements outputs"],
    penalty: float,
) -> Float64[Tensor, "measurements outputs"]:
    least = _JITTER * float(within.diagonal().mean())
    shifted = within.clone()
    shifted.diagonal().add_(max(penalty, least))
    return torch.cholesky_solve(cross, torch.linalg.cholesky(shifted))
