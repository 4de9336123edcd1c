"""How sure a mean over images is, and whether one method beats another on the same images.

Images are the units that vary: a mean comes with its standard error and a percentile bootstrap
interval over images. Methods are compared in pairs, image by image, because images differ far more
among themselves than methods do on one image. Source: Efron and Tibshirani, "An Introduction to
the Bootstrap", 1993, §13.3 (percentile interval) and §16.4 (test of a mean by translation).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

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


_CHUNK = 2**22
"""Entries of the matrix of resamples × images that are held at a time: 32 MiB."""


def sums_by_image(
    values: Float[np.ndarray, "regions columns"], images: Int[np.ndarray, "regions"]
) -> Float[np.ndarray, "images columns"]:
    """The sum of each column over the regions of each image, images in ascending order."""
    _, place = np.unique(images, return_inverse=True)
    totals = np.zeros((place.max(initial=-1) + 1, values.shape[1]))
    np.add.at(totals, place, values)
    return totals


def resampled_ratios(
    numerators: Float[np.ndarray, "images columns"],
    denominators: Float[np.ndarray, "images _"],
    seed: int,
) -> Float[np.ndarray, "resamples columns"]:
    """Σ numerators / Σ denominators over images drawn with replacement; NaN where nothing counts.

    The same seed draws the same images, whatever is summed over them.

    Args:
        numerators: sums over the regions of each image.
        denominators: how many regions each image contributes, to each column or to all of them.
        seed: of the bootstrap.
    """
    parts = []
    for times in _resamples(len(numerators), seed):
        sums = times @ numerators
        counted = np.broadcast_to(times @ denominators, sums.shape)
        parts.append(np.divide(sums, counted, out=np.full_like(sums, np.nan), where=counted > 0))
    return np.concatenate(parts)


def estimate_of(found: float, resampled: Float[np.ndarray, "resamples"], images: int) -> Estimate:
    """A figure with its standard error and interval.

    Args:
        found: on the images themselves.
        resampled: the same figure of each resample; those that are NaN say nothing and are left
            out.
        images: how many there are that bear on the figure; one alone says nothing of how images
            vary, and the standard error and interval are then NaN.
    """
    resampled = resampled[~np.isnan(resampled)]
    if images < 2 or not resampled.size:
        return Estimate(found, math.nan, math.nan, math.nan)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(found, float(resampled.std(ddof=1)), float(low), float(high))


def difference_of(
    found: float, resampled: Float[np.ndarray, "resamples"], images: int
) -> Difference:
    """As `estimate_of`, of a difference: with the two-sided probability of one so far from 0."""
    known = estimate_of(found, resampled, images)
    resampled = resampled[~np.isnan(resampled)]
    extreme = int(np.count_nonzero(np.abs(resampled - found) >= abs(found)))
    return Difference(
        known.mean,
        known.standard_error,
        known.low,
        known.high,
        p=(1 + extreme) / (1 + resampled.size),  # the sample itself is one of the resamples
        images=images,
    )


def _resamples(images: int, seed: int) -> Iterator[Float[np.ndarray, "some images"]]:
    """How often each image is drawn, for some of the resamples at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(_CHUNK // max(images, 1), 1)
    for start in range(0, RESAMPLES, chunk):
        count = min(chunk, RESAMPLES - start)
        drawn = rng.integers(images, size=(count, images)) + images * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * images)
        yield times.reshape(count, images).astype(float)
