"""Width of points that arrive in parts: running extremes along directions, merged exactly."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from scipy import special
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.directions import Directions
from workbench.geometry.known_sets import expected_maximum
from workbench.geometry.points import as_rows, check_finite_rows
from workbench.geometry.width import CeilingWarning, MeanWidth, WidthByCount

FAR = 32
"""Number of outermost points kept, for the diameter."""
LEVELS = 48
SPREAD = 1e-4
"""Spread along probes, over that along directions, past which points leave the sample's span."""


class LeftSpanError(WorkbenchError):
    """Error of points outside the span of the sample from which the directions were drawn."""


class WidthStream:
    """Width of points that arrive in parts, on any worker in any order; parts merge exactly.

    >>> directions = draw(first_rows, 256, whole_space=True)
    >>> here, there = WidthStream(directions), WidthStream(directions)
    >>> here.update(rows, start=0), there.update(more, start=len(rows))
    >>> here.merge(there).result()

    Memory is (features + 2 · 48) numbers a direction, and 32 points.
    """

    def __init__(self, directions: Directions) -> None:
        self.directions = directions
        columns = directions.columns
        shape = (LEVELS, columns.shape[1] - 1)
        self.highest = columns.new_full(shape, -torch.inf)
        self.lowest = columns.new_full(shape, torch.inf)
        self.sixths = columns.new_zeros(shape[0], directions.count, dtype=torch.float64)
        self.sixth_norms = columns.new_zeros(LEVELS, dtype=torch.float64)
        self.counts = np.zeros(LEVELS, dtype=np.int64)
        self.largest_norm = 0.0
        self.far_points = columns.new_empty(0, len(columns))
        self.far_distances = columns.new_empty(0)

    @property
    def count(self) -> int:
        """Number of points so far."""
        return int(self.counts.sum())

    def update(self, rows: Any, start: int | None = None) -> "WidthStream":
        """Take in a block of points; itself.

        Args:
            rows: (rows, features) tensor or numpy array.
            start: index of the first of them in the cloud, which decides the nested subsamples;
                default: they follow what came before.

        Raises:
            WorkbenchError: another number of features, or a row that is not finite.
        """
        columns = self.directions.columns
        block = as_rows(rows, columns.dtype).to(columns.device)
        if block.ndim != 2 or block.shape[1] != len(columns):
            raise WorkbenchError(
                f"rows of {len(columns)} features, as in the sample",
                f"the shape {tuple(block.shape)}",
                "draw directions from points of this kind",
            )
        if not len(block):
            return self
        start = self.count if start is None else start
        if self.directions.subtract:
            block = block - self.directions.centre
        products = block @ columns
        distances = self._take_radii(block, products[:, -1], start)
        products = products[:, :-1]
        if not self.directions.subtract:
            products = products.sub_(self.directions.centre @ columns[:, :-1])
        self._take_products(products, distances / self.directions.scale, start)
        return self

    def merge(self, other: "WidthStream") -> "WidthStream":
        """Take in another part of the same cloud, of the same directions; itself."""
        if self.directions.columns.shape != other.directions.columns.shape or not torch.equal(
            self.directions.columns, other.directions.columns
        ):
            raise WorkbenchError(
                "parts with the same directions", "others", "draw once, and use these everywhere"
            )
        self.highest = torch.maximum(self.highest, other.highest)
        self.lowest = torch.minimum(self.lowest, other.lowest)
        self.sixths = self.sixths + other.sixths
        self.sixth_norms = self.sixth_norms + other.sixth_norms
        self.counts = self.counts + other.counts
        self.largest_norm = max(self.largest_norm, other.largest_norm)
        self._keep_far(other.far_points, other.far_distances)
        return self

    def result(self, level: float = 0.95, stacklevel: int = 2) -> MeanWidth:
        """Width of all points so far.

        Args:
            level: probability of the interval, between 0 and 1.
            stacklevel: as for `warnings.warn`.

        Raises:
            LeftSpanError: points leave the span of the sample.
            WorkbenchError: fewer than two points, or a level outside (0, 1).

        Warns:
            CeilingWarning: the width is above .9 of its ceiling.
        """
        if self.count < 2:
            raise WorkbenchError(
                "at least two points", f"{self.count}", "a width needs differences of points"
            )
        if not 0 < level < 1:
            raise WorkbenchError("a level between 0 and 1", f"{level}", "0.95 is usual")
        counts, widths, sixths = self._nested()
        self._check_span(widths)
        values, halves = _estimates(widths, sixths, self.directions, level)
        ceilings = self._ceilings(counts)
        diameter, diameter_high = self._diameter()
        found = MeanWidth(
            value=float(values[-1]),
            low=float(max(values[-1] - halves[-1], 0.0)),
            high=float(values[-1] + halves[-1]),
            level=level,
            ceiling=float(ceilings[-1]),
            radius=self._radius(),
            diameter=diameter,
            diameter_high=diameter_high,
            directions=self.directions.count,
            points=self.count,
            dimension=self.directions.dimension,
            by_count=WidthByCount(
                counts, values, np.maximum(values - halves, 0.0), values + halves, ceilings
            ),
        )
        if found.near_ceiling:
            warnings.warn(
                f"the width is {found.ratio:.0%} of the ceiling of {found.points} points: it has "
                "measured the number of points, not the set's dimension; take more points, or "
                "look at by_count",
                CeilingWarning,
                stacklevel=stacklevel,
            )
        return found

    def _take_products(
        self, products: Float[Tensor, "rows all"], distances: Float[Tensor, "rows"], start: int
    ) -> None:
        """Extremes and sums of the rows by level: row i is of level k where 2^k divides i last."""
        parts = dict(_levels(start, start + len(products)))
        for level, part in parts.items():
            values = products[part]
            torch.maximum(self.highest[level], values.amax(0), out=self.highest[level])
            torch.minimum(self.lowest[level], values.amin(0), out=self.lowest[level])
            self.counts[level] += len(values)
        levels = torch.tensor(list(parts), device=products.device)
        members = products.new_zeros(len(parts), len(products))
        for member, part in zip(members, parts.values(), strict=True):
            member[part] = 1.0
        sixths = products[:, : self.directions.count].square().pow_(3)
        self.sixths.index_add_(0, levels, (members @ sixths).double())
        norms = members.double() @ distances.double().pow(6)
        self.sixth_norms.index_add_(0, levels, norms)

    def _take_radii(
        self, block: Float[Tensor, "rows features"], along: Float[Tensor, "rows"], start: int
    ) -> Float[Tensor, "rows"]:
        """Distances of the rows from the centre; the outermost rows are kept.

        Args:
            block: the rows, with the centre subtracted where that is far from 0.
            along: their inner products with the centre.
            start: index of the first row.
        """
        norms: Tensor = torch.linalg.vector_norm(block, dim=1)
        check_finite_rows(norms, start, len(norms))
        distances = norms
        if not self.directions.subtract:
            self.largest_norm = max(self.largest_norm, float(norms.amax()))
            squares = norms.square() - 2 * along + self.directions.centre.square().sum()
            distances = squares.clamp_(min=0.0).sqrt_()
        known = float(self.far_distances[-1]) if len(self.far_distances) == FAR else -1.0
        if float(distances.amax()) > known:
            there = distances.topk(min(FAR, len(distances)))
            points = block[there.indices]
            if self.directions.subtract:
                points = points + self.directions.centre
            self._keep_far(points, there.values)
        return distances

    def _keep_far(
        self, points: Float[Tensor, "rows features"], distances: Float[Tensor, "rows"]
    ) -> None:
        together = torch.cat([self.far_distances, distances])
        kept = together.topk(min(FAR, len(together)))
        self.far_distances = kept.values
        self.far_points = torch.cat([self.far_points, points])[kept.indices]

    def _nested(self) -> tuple[np.ndarray, Float64[Tensor, "counts all"], np.ndarray]:
        """Nested subsamples, smallest first: numbers of points, widths, second control variate.

        Widths are along all columns; the control variate, (counts, directions), is the mean over
        points less its expectation, in multiples of that.
        """
        counts = np.cumsum(self.counts[::-1])
        chosen = np.flatnonzero((self.counts[::-1] > 0) & (counts > 1))
        index = torch.from_numpy(chosen).to(self.highest.device)
        high = self.highest.double().flip(0).cummax(0).values
        low = self.lowest.double().flip(0).cummin(0).values
        sums = self.sixths.flip(0).cumsum(0)[index].cpu().numpy()
        expected = self.directions.sixth_moment() * self.sixth_norms.flip(0).cumsum(0)[index]
        scale = np.maximum(expected.cpu().numpy(), np.finfo(float).tiny)[:, None]
        widths = (high - low)[index].cpu() * self.directions.scale
        return counts[chosen], widths, sums / scale - 1

    def _check_span(self, widths: Float64[Tensor, "counts all"]) -> None:
        whole = widths[-1]
        probes = whole[self.directions.count :]
        if len(probes) and float(probes.amax()) > SPREAD * float(whole.amax()):
            raise LeftSpanError(
                f"points within the span of the sample, of {self.directions.dimension} dimensions",
                "points outside of it",
                "draw the directions with whole_space=True",
            )

    def _radius(self) -> float:
        about_mean = float(self.far_distances.amax())
        return min(about_mean, self.largest_norm) if self.largest_norm else about_mean

    def _ceilings(self, counts: np.ndarray) -> np.ndarray:
        maxima = np.array([expected_maximum(count) for count in counts.tolist()])
        return np.asarray(2 * maxima * np.sqrt(counts / (counts - 1)) * self._radius())

    def _diameter(self) -> tuple[float, float]:
        """Lower and upper bound of the diameter, equal where it is exact.

        Below: the largest distance among the sample and the FAR outermost points, and the radius (a
        point has another on the far side of any mean). Above: two points that are not both
        outermost are no further apart than the largest and the FAR-th distance from the centre.
        """
        sample = self.directions.sample
        among = _largest_distance(torch.cat([sample, self.far_points]))
        if self.count <= max(len(sample), FAR):
            return among, among
        outer = self.far_distances.double()
        lower = max(among, float(outer[0]))
        slack = 1 + 8 * torch.finfo(sample.dtype).eps
        return lower, max(lower, float(outer[0] + outer[-1]) * slack)


def _levels(start: int, stop: int) -> Iterator[tuple[int, slice]]:
    """Levels of the rows from start to stop that have any, with a slice that begins at start."""
    if start == 0:  # row 0 belongs to every subsample
        yield LEVELS - 1, slice(0, 1)
    for level in range(min(stop.bit_length(), LEVELS - 1)):
        step = 1 << level
        first = (step - start) % (2 * step)
        if first < stop - start:
            yield level, slice(first, None, 2 * step)


def _estimates(
    widths: Float64[Tensor, "counts all"],
    sixths: Float64[np.ndarray, "counts directions"],
    directions: Directions,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Width of each count and half its interval: regression on both control variates over blocks.

    Its value where the controls have their known means, with Student's interval for it. A control
    without spread, as the first one on a sphere, or past float64's range, is left out.
    """
    blocks = (-1, directions.block)
    means = widths[:, : directions.count].unflatten(1, blocks).mean(2).numpy()
    others = torch.from_numpy(sixths).unflatten(1, blocks).mean(2).numpy()
    first = directions.control.numpy() / (directions.control_mean or 1.0) - 1
    found = [
        _at_known_means(each, [first, other], level)
        for each, other in zip(means, others, strict=True)
    ]
    values, halves = np.array(found).T
    return values, halves


def _at_known_means(
    means: Float64[np.ndarray, "blocks"], controls: list[np.ndarray], level: float
) -> tuple[float, float]:
    """Intercept of the fit of block means on controls of mean 0, and half its interval."""
    used = [each / each.std() for each in controls if np.isfinite(each).all() and each.std() > 1e-5]
    design = np.stack([np.ones(len(means)), *used], 1)
    inverse = np.linalg.pinv(design, rcond=1e-6)
    coefficients = inverse @ means
    residuals = means - design @ coefficients
    freedom = len(means) - design.shape[1]
    variance = float(residuals @ residuals) / freedom * float(inverse[0] @ inverse[0])
    factor = float(special.stdtrit(freedom, (1 + level) / 2))
    return float(coefficients[0]), factor * math.sqrt(variance)


def _largest_distance(points: Float[Tensor, "rows features"]) -> float:
    """Largest distance between points: the pair in their own precision, its distance exactly."""
    centred = points - points.mean(0)
    squares = centred.square().sum(1)
    pairs = squares[:, None] + squares - 2 * centred @ centred.T
    one, other = divmod(int(pairs.argmax()), len(points))
    return float((points[one].double() - points[other].double()).norm())
