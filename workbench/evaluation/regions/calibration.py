"""Calibration of a classifier: accuracy against stated probability.

Regions are sorted into bins by the probability of the predicted category; in a bin of a calibrated
classifier the accuracy equals the mean of those probabilities. Source: Guo, Pleiss, Sun,
Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, §2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.statistics import Estimate, estimate_of, resampled_ratios, sums_by_image

BINS = 15
"""Number of bins of equal width, from 0 to 1."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Regions whose confidence lies between two bounds.

    Attributes:
        low: lower bound, exclusive (inclusive in the first bin).
        high: upper bound, inclusive.
        regions: number of regions, mean over seeds.
        confidence: mean probability of the predicted category; NaN in an empty bin.
        accuracy: share of correct predictions, its interval over images; NaN in an empty bin.
    """

    low: float
    high: float
    regions: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True)
class Reliability:
    """Reliability curve.

    Attributes:
        bins: bins in ascending order, empty ones included.
        error: expected calibration error, Σ (regions/total)·|accuracy − confidence|; without an
            interval, because resampling can only increase an absolute value.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float


def reliability(seeds: Sequence[Outcomes], bins: int = BINS) -> Reliability:
    """Reliability curve of a method; the regions of all seeds share the bins.

    Args:
        seeds: outcomes of one or more trainings on the same regions.
        bins: number of bins.
    """
    confidence = np.concatenate([outcomes.confidence for outcomes in seeds])
    right = np.concatenate([outcomes.rank == 0 for outcomes in seeds]).astype(float)
    images = np.concatenate([outcomes.images for outcomes in seeds])
    inside = _bin_of(confidence, bins)[:, None] == np.arange(bins)
    counts = inside.sum(0)
    hits = np.where(inside, right[:, None], 0.0)
    by_image = sums_by_image(inside.astype(float), images)
    resampled = resampled_ratios(sums_by_image(hits, images), by_image, seed=0)
    means = _share(inside.T @ confidence, counts)
    shares = _share(hits.sum(0), counts)
    edges = np.linspace(0, 1, bins + 1)
    gaps = np.abs(np.where(counts > 0, shares - means, 0.0))
    return Reliability(
        tuple(
            ReliabilityBin(
                float(edges[i]),
                float(edges[i + 1]),
                float(counts[i]) / len(seeds),
                float(means[i]),
                estimate_of(float(shares[i]), resampled[:, i], int((by_image[:, i] > 0).sum())),
            )
            for i in range(bins)
        ),
        float(gaps @ counts / counts.sum()),
    )


def expected_calibration_error(outcomes: Outcomes, bins: int = BINS) -> float:
    """Expected calibration error of one classifier; see `Reliability.error`."""
    place = _bin_of(outcomes.confidence, bins)
    surplus = np.where(outcomes.rank == 0, 1.0, 0.0) - outcomes.confidence
    sums = np.bincount(place, weights=surplus, minlength=bins)
    return float(np.abs(sums).sum() / len(outcomes))


def _bin_of(confidence: Float[np.ndarray, "regions"], bins: int) -> Int[np.ndarray, "regions"]:
    """Bin of each confidence; bins are open below and closed above, rounding is clipped."""
    return np.asarray(np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1))


def _share(
    sums: Float[np.ndarray, "bins"], counts: Int[np.ndarray, "bins"]
) -> Float[np.ndarray, "bins"]:
    share = np.full(len(counts), np.nan)
    np.divide(sums, counts, out=share, where=counts > 0)
    return share
