"""How sure a mean over images is, and whether one method beats another on the same images.

Images are the units that vary: a mean comes with its standard error and a percentile bootstrap
interval over images. Methods are compared in pairs, image by image, because images differ far more
among themselves than methods do on one image. Source: Efron and Tibshirani, "An Introduction to
the Bootstrap", 1993, §13.3 (percentile interval) and §16.4 (test of a mean by translation).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.errors import WorkbenchError

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over images.

    Attributes:
        mean: over the images.
        standard_error: of the mean.
        low: lower end of the 95 % bootstrap interval.
        high: upper end.

    A single image says nothing of how images vary: all but the mean are then NaN.
    """

    mean: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """The mean of paired differences.

    Attributes:
        p: two-sided probability of a mean at least as far from 0 if the true mean were 0; at
            least 1 / (RESAMPLES + 1).
        images: number of pairs.
    """

    p: float
    images: int


def estimate(values: Float[np.ndarray, "images"], seed: int = 0) -> Estimate:
    """Mean of one value an image, with its uncertainty.

    Args:
        values: (images,) float64, at least one.
        seed: of the bootstrap; the same for all methods, so that they see the same resamples.
    """
    return _estimate(values, _bootstrap_means(values, seed))


def paired_difference(
    values: Float[np.ndarray, "_"], baseline: Float[np.ndarray, "_"], seed: int = 0
) -> Difference:
    """Mean of values − baseline over the same images in the same order, with its uncertainty.

    Args:
        values: (images,) float64, at least one.
        baseline: (images,) float64.
        seed: of the bootstrap.

    Raises:
        WorkbenchError: the two have different numbers of images.
    """
    if values.shape != baseline.shape:
        raise WorkbenchError(
            f"one value for each of the baseline's {baseline.size} images",
            f"{values.size}",
            "evaluate both methods on the same images",
        )
    differences = values - baseline
    means = _bootstrap_means(differences, seed)
    found = _estimate(differences, means)
    extreme = np.count_nonzero(np.abs(means - found.mean) >= abs(found.mean))
    return Difference(
        found.mean,
        found.standard_error,
        found.low,
        found.high,
        p=(1 + extreme) / (RESAMPLES + 1),  # the sample itself is one of the resamples
        images=differences.size,
    )


def _bootstrap_means(
    values: Float[np.ndarray, "images"], seed: int
) -> Float[np.ndarray, "resamples"]:
    draws = np.random.default_rng(seed).integers(values.size, size=(RESAMPLES, values.size))
    return np.asarray(values[draws].mean(axis=1))


def _estimate(
    values: Float[np.ndarray, "images"], means: Float[np.ndarray, "resamples"]
) -> Estimate:
    mean = float(values.mean())
    if values.size == 1:
        return Estimate(mean, math.nan, math.nan, math.nan)
    error = values.std(ddof=1) / math.sqrt(values.size)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(mean, float(error), float(low), float(high))
