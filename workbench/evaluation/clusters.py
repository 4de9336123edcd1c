"""How sure a mean over regions is, when the regions of one image are not independent.

A photograph of a dozen bottles is one draw, not twelve: images are resampled, each with all of its
regions. A mean over regions is then a ratio of two sums over images, and its numerator and its
denominator both vary; a bootstrap over regions would make the intervals too narrow.

Source: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, §3.8 (clustered data);
intervals are percentiles and tests translate, as in `evaluation.statistics`.
"""

import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from workbench.evaluation.statistics import LEVEL, RESAMPLES, Difference, Estimate

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
