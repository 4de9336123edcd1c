"""Statistics over images: intervals of means, and paired comparison of methods.

The sampling units are images: a mean has a standard error and a percentile bootstrap interval over
images. Methods are compared in pairs, image by image, because images differ far more among
themselves than methods do on one image. Source: Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993, §13.3 (percentile interval) and §16.4 (test of a mean by translation).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t

from workbench.errors import WorkbenchError

RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """Mean over images, or over draws, with its uncertainty.

    Attributes:
        mean: mean over the images.
        standard_error: standard error of the mean.
        low: lower end of the 95 % interval.
        high: upper end of the interval.

    All but the mean are NaN for a single image.
    """

    mean: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """Mean of paired differences with its uncertainty.

    Attributes:
        p: two-sided probability of a mean at least as far from 0 if the true mean were 0; at
            least 1 / (RESAMPLES + 1).
        images: number of pairs.
    """

    p: float
    images: int


def estimate(values: Float[np.ndarray, "images"], seed: int = 0) -> Estimate:
    """Mean of one value per image, with its uncertainty.

    Args:
        values: (images,) float64, at least one.
        seed: seed of the bootstrap; equal for all methods, so that they use the same resamples.
    """
    return _estimate(values, _bootstrap_means(values, seed))


def student(values: Float[np.ndarray, "draws"]) -> Estimate:
    """Mean of a few draws with Student's 95 % interval; a bootstrap of five would be too narrow.

    Args:
        values: (draws,) float64, at least one.
    """
    mean, count = float(values.mean()), values.size
    if count < 2:
        return Estimate(mean, math.nan, math.nan, math.nan)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    half = float(t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Estimate(mean, error, mean - half, mean + half)


def paired_difference(
    values: Float[np.ndarray, "_"], baseline: Float[np.ndarray, "_"], seed: int = 0
) -> Difference:
    """Mean of values − baseline over the same images in the same order, with its uncertainty.

    Args:
        values: (images,) float64, at least one.
        baseline: (images,) float64.
        seed: seed of the bootstrap.

    Raises:
        WorkbenchError: the two have different numbers of images.
    """
    if values.shape != baseline.shape:
        raise WorkbenchError(
            f"one value for each of the baseline's {baseline.size} images",
            f"{values.size}",
            "evaluate both methods on the same images",
        )
    found = values - baseline
    return _difference(found, _bootstrap_means(found, seed))


def _difference(
    values: Float[np.ndarray, "images"], means: Float[np.ndarray, "resamples"]
) -> Difference:
    """Mean of paired differences with its uncertainty, from the means of the resamples."""
    found = _estimate(values, means)
    extreme = np.count_nonzero(np.abs(means - found.mean) >= abs(found.mean))
    return Difference(
        found.mean,
        found.standard_error,
        found.low,
        found.high,
        p=(1 + extreme) / (RESAMPLES + 1),  # the sample itself is one of the resamples
        images=values.size,
    )


def differences(values: Float[np.ndarray, "images columns"], seed: int = 0) -> list[Difference]:
    """Means of several columns of paired differences, as `paired_difference` has them.

    All columns use the same resamples, which are drawn once.

    Args:
        values: (images, columns) float64, differences of the same images; at least one image.
        seed: seed of the bootstrap.
    """
    count = len(values)
    means = np.concatenate([times @ values / count for times in _resamples(count, seed)])
    return [
        _difference(column, of_column) for column, of_column in zip(values.T, means.T, strict=True)
    ]


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
"""Entries of the matrix of resamples × images that are in memory at a time: 32 MiB."""


def sums_by_image(
    values: Float[np.ndarray, "regions columns"], images: Int[np.ndarray, "regions"]
) -> Float[np.ndarray, "images columns"]:
    """Sums of the columns over the regions of each image, images in ascending order."""
    _, place = np.unique(images, return_inverse=True)
    totals = np.zeros((place.max(initial=-1) + 1, values.shape[1]))
    np.add.at(totals, place, values)
    return totals


def resampled_ratios(
    numerators: Float[np.ndarray, "images columns"],
    denominators: Float[np.ndarray, "images _"],
    seed: int,
) -> Float[np.ndarray, "resamples columns"]:
    """Ratios Σ numerators / Σ denominators over images drawn with replacement; NaN for 0 / 0.

    The same seed draws the same images for all measures.

    Args:
        numerators: sums over the regions of each image.
        denominators: number of regions of each image, for each column or for all of them.
        seed: seed of the bootstrap.
    """
    parts = []
    for times in _resamples(len(numerators), seed):
        sums = times @ numerators
        counted = np.broadcast_to(times @ denominators, sums.shape)
        parts.append(np.divide(sums, counted, out=np.full_like(sums, np.nan), where=counted > 0))
    return np.concatenate(parts)


def estimate_of(found: float, resampled: Float[np.ndarray, "resamples"], images: int) -> Estimate:
    """Estimate of a figure from its resamples: standard error and interval.

    Args:
        found: figure on the images themselves.
        resampled: figure on each resample; NaN are left out.
        images: number of images that contribute to the figure; for fewer than 2 the standard error
            and the interval are NaN.
    """
    resampled = resampled[~np.isnan(resampled)]
    if images < 2 or not resampled.size:
        return Estimate(found, math.nan, math.nan, math.nan)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(found, float(resampled.std(ddof=1)), float(low), float(high))


def difference_of(
    found: float, resampled: Float[np.ndarray, "resamples"], images: int
) -> Difference:
    """Estimate as `estimate_of`, with the two-sided probability that agrees with its interval.

    Both come from the same resamples: the probability is the largest level at which the percentile
    interval would not reach 0 (§13.3, inverted). A resample may lack whole categories, so that the
    mean of the resamples is not the figure itself, and a translated test would not agree.
    """
    known = estimate_of(found, resampled, images)
    resampled = resampled[~np.isnan(resampled)]
    side = min(np.count_nonzero(resampled <= 0), np.count_nonzero(resampled >= 0))
    return Difference(
        known.mean,
        known.standard_error,
        known.low,
        known.high,
        p=float(min(1.0, (1 + 2 * side) / (1 + resampled.size))),  # the sample itself is a resample
        images=images,
    )


def holm(chances: Sequence[float]) -> list[float]:
    """Probabilities of several tests, corrected for their number (Holm, 1979)."""
    order = np.argsort(chances)
    factors = len(chances) - np.arange(len(chances))
    corrected = np.minimum(np.maximum.accumulate(np.array(chances)[order] * factors), 1.0)
    found = np.empty(len(chances))
    found[order] = corrected
    return found.tolist()


def _resamples(images: int, seed: int) -> Iterator[Float[np.ndarray, "some images"]]:
    """Counts of each image's draws, for some of the resamples at a time."""
    rng = np.random.default_rng(seed)
    chunk = max(_CHUNK // max(images, 1), 1)
    for start in range(0, RESAMPLES, chunk):
        count = min(chunk, RESAMPLES - start)
        drawn = rng.integers(images, size=(count, images)) + images * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * images)
        yield times.reshape(count, images).astype(float)
