"""Gaussian mean width as a result: its interval, ceiling, diameter and stable dimension."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

NEAR = 0.9


class CeilingWarning(UserWarning):
    """Warning of a width near its ceiling: more points would have a larger one."""


@dataclass(frozen=True, eq=False)
class WidthByCount:
    """Widths of nested subsamples, every 2^k-th point: (counts,) numpy arrays, largest count last.

    Attributes:
        points: number of points of each subsample.
        value: its width.
        low: lower end of the interval.
        high: upper end.
        ceiling: about the largest width of so many points within the whole cloud's radius.
    """

    points: Int64[np.ndarray, "counts"]
    value: Float64[np.ndarray, "counts"]
    low: Float64[np.ndarray, "counts"]
    high: Float64[np.ndarray, "counts"]
    ceiling: Float64[np.ndarray, "counts"]


@dataclass(frozen=True, eq=False)
class MeanWidth:
    """Gaussian mean width of a cloud; lengths in the units of the points.

    Attributes:
        value: estimate of ω, two-sided.
        low: lower end of the interval over directions (not over samples of points).
        high: upper end.
        level: probability of the interval.
        ceiling: 2 M_N √(N/(N − 1)) times the radius, about the largest width that N points can
            have: that of a regular simplex. Where the ratio is near 1, ω has measured log N.
        radius: largest distance from the sample's mean or from 0, whichever gives less.
        diameter: largest distance between points, or a lower bound of it.
        diameter_high: upper bound; equal to `diameter` where that is exact.
        directions: number of directions.
        points: number of points.
        dimension: dimension of the space of the directions.
        by_count: widths of nested subsamples.
    """

    value: float
    low: float
    high: float
    level: float
    ceiling: float
    radius: float
    diameter: float
    diameter_high: float
    directions: int
    points: int
    dimension: int
    by_count: WidthByCount

    @property
    def ratio(self) -> float:
        """Width over its ceiling; 0 where all points coincide."""
        return self.value / self.ceiling if self.ceiling else 0.0

    @property
    def near_ceiling(self) -> bool:
        """Whether the ratio exceeds 0.9."""
        return self.ratio > NEAR

    @property
    def diameter_is_exact(self) -> bool:
        """Whether the diameter is exact: up to 1024 points, and where both bounds meet."""
        return self.diameter == self.diameter_high

    @property
    def stable_dimension(self) -> float:
        """Stable dimension ω²/diam²; an upper bound where the diameter is a lower one.

        Free of scale: about n for a ball of n dimensions (HDP §7.6), 0 where all points coincide.
        """
        return (self.value / self.diameter) ** 2 if self.diameter else 0.0

    @property
    def stable_dimension_low(self) -> float:
        """Lower bound of the stable dimension, from the upper bound of the diameter."""
        return (self.value / self.diameter_high) ** 2 if self.diameter_high else 0.0

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        least = "" if self.diameter_is_exact else f"{self.stable_dimension_low:.4g} to "
        near = ", near: take more points" if self.near_ceiling else ""
        return (
            f"ω = {self.value:.5g} [{self.low:.5g}, {self.high:.5g}], {self.ratio:.0%} of the "
            f"ceiling {self.ceiling:.4g} of {self.points:,} points{near}; stable dimension "
            f"{least}{self.stable_dimension:.4g}; {self.directions} directions of "
            f"{self.dimension} dimensions"
        )

    __repr__ = __str__
