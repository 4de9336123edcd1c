"""Gaussian mean width of a cloud of points, with its uncertainty and its ceiling.

ω(K) = E sup over u, v in K of ⟨u − v, g⟩, g ~ N(0, I): two-sided, in the units of the points. For
a cloud it is the mean over directions g of max⟨x, g⟩ − min⟨x, g⟩: one pass, 2NdR flops, exact under
merging of parts. Directions and variance reduction: `directions.py`. A sample of N points has a
width of at most about 2 M_N times its radius whatever the set (M_N: expected maximum of N standard
normals); a width near that ceiling has measured log N and no dimension. Sources: Vershynin,
"High-Dimensional Probability", 2018, §7.5 (width), §7.6 (stable dimension ω²/diam²) and theorem
7.2.11 (Sudakov and Fernique); Giryes, Sapiro, Bronstein, arXiv 1504.08291, §II.
"""

import math
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy import special
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.directions import FAR_OFFSET, Directions, draw
from workbench.geometry.known_sets import expected_maximum
from workbench.geometry.points import Cloud, as_cloud, as_rows, check_finite_rows

SAMPLE = 1024
"""Number of points from which span, control variate and diameter are found."""
FAR = 32
"""Number of outermost points kept, for the diameter."""
LEVELS = 48
NEAR = 0.9
SPREAD = 1e-4
"""Spread along probes, over that along directions, past which points leave the sample's span."""
FAN_IN = 8


class CeilingWarning(UserWarning):
    """Warning of a width near its ceiling: more points would have a larger one."""


class LeftSpanError(WorkbenchError):
    """Error of points outside the span of the sample from which the directions were drawn."""


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


def mean_width(
    points: Any = None,
    *,
    gram: Any = None,
    directions: int = 256,
    seed: int = 0,
    level: float = 0.95,
) -> MeanWidth:
    """Gaussian mean width of a cloud of points, E max⟨x, g⟩ − min⟨x, g⟩, two-sided.

    One pass of 2NdR flops, in blocks; Dask and zarr arrays are reduced by Dask, on a cluster if one
    is connected. Up to 1024 points of more features go by their Gram matrix. Duplicates and zero
    rows are points like others. Integers are converted; half precision is computed in float32.

    Args:
        points: (points, features) tensor on any device, numpy, Dask or zarr array.
        gram: (points, points) instead of points: inner products by any positive semidefinite
            kernel; the width is that of the kernel's features.
        directions: number R; whole orthogonal blocks are drawn, so that there may be a few more.
        seed: seed of the directions.
        level: probability of the interval, which is over directions and not over points.

    Raises:
        WorkbenchError: not an array of two axes, fewer than two points, NaN or infinity, complex
            numbers, a Gram matrix that is not symmetric and positive semidefinite.

    Warns:
        CeilingWarning: the width is above .9 of its ceiling: it has measured the number of points.
    """
    if (points is None) == (gram is None):
        raise WorkbenchError(
            "either points or gram", "both" if gram is not None else "neither", "give one"
        )
    cloud = as_cloud(points, least=2) if gram is None else _of_gram(gram)
    if gram is None and cloud.count <= min(cloud.features, SAMPLE):
        cloud = _of_gram(_gram_of(cloud))
    sample = cloud.sample(SAMPLE)
    drawn = draw(sample, directions, seed, complete=len(sample) == cloud.count)
    try:
        return _stream(cloud, drawn).result(level, stacklevel=3)
    except LeftSpanError:
        drawn = draw(sample, directions, seed, whole_space=True)
        return _stream(cloud, drawn).result(level, stacklevel=3)


@dataclass(frozen=True)
class CertifiedBound:
    """Bound ω(f(K)) ≤ L ω(K), by the theorem of Sudakov and Fernique: with the constant 1.

    Attributes:
        value: L ω(K).
        high: L times the upper end of the interval of ω(K).
        lipschitz: L, the largest ‖f(u) − f(v)‖ / ‖u − v‖ over the sample's pairs.
        pair: indices of the two points where it is reached.
    """

    value: float
    high: float
    lipschitz: float
    pair: tuple[int, int]


def certified_bound(before: Any, after: Any, width: MeanWidth | None = None) -> CertifiedBound:
    """Upper bound of the width after a map, from the width before it and all pairs of points.

    Pairs are taken in blocks, N²(d + d')/2 products; pairs that are equal before and after are left
    out (HDP, theorem 7.2.11).

    Args:
        before: (points, features) the sample before the map.
        after: (points, other features) the same points after it, in the same order.
        width: width before; default: `mean_width(before)`.

    Raises:
        WorkbenchError: different numbers of points, or points that are equal before and not after.
    """
    from workbench.geometry.angles import pair_blocks

    first, second = as_cloud(before, least=2), as_cloud(after, least=2)
    if first.count != second.count:
        raise WorkbenchError(
            f"the same {first.count} points after the map",
            f"{second.count}",
            "pass outputs in the order of the inputs",
        )
    largest, pair = 0.0, (0, 1)
    both = zip(pair_blocks(first, "distance"), pair_blocks(second, "distance"), strict=True)
    for u, v in both:
        a, b = u.values.double().cpu(), v.values.double().cpu()
        ratios = torch.where(b == 0, 0.0, b / a)
        ratios = torch.where(u.each_pair_once().cpu(), ratios, 0.0)
        place = int(ratios.argmax())
        if float(ratios.flatten()[place]) > largest:
            largest = float(ratios.flatten()[place])
            row, column = divmod(place, ratios.shape[1])
            pair = (u.rows.start + row, u.columns.start + column)
    if math.isinf(largest):
        raise WorkbenchError(
            "points that are equal after the map where they are before",
            f"points {pair[0]} and {pair[1]}, which the map separates",
            "use a map without noise (dropout off), and inputs that are all of its input",
        )
    known = mean_width(first) if width is None else width
    return CertifiedBound(largest * known.value, largest * known.high, largest, pair)


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


def _gram_of(cloud: Cloud, *, centred: bool = False) -> Float64[Tensor, "points points"]:
    """Gram matrix of few points of many features, by blocks of features.

    About 0, or about the points' mean where that is so far from 0 that digits would be lost.
    """
    width = max(2**22 // cloud.count, 1)
    source = cloud.source
    if cloud.stored and not isinstance(source.chunks[0], int):
        source = source.rechunk({0: -1, 1: "auto"})
    total = torch.zeros(cloud.count, cloud.count, dtype=torch.float64, device=cloud.device)
    for start in range(0, cloud.features, width):
        block = as_rows(source[:, start : start + width], cloud.dtype).double()
        check_finite_rows(block.sum(0), 0, cloud.count)
        if centred:
            block = block - block.mean(0)
        total.addmm_(block, block.T)
    offset = float(total.mean())  # the mean's squared norm
    deviation = float(total.diagonal().mean()) - offset
    if not centred and offset > FAR_OFFSET**2 * deviation:
        return _gram_of(cloud, centred=True)
    return total


def _of_gram(gram: Any) -> Cloud:
    """Cloud of points with these inner products, in as many dimensions as their rank."""
    matrix = as_cloud(gram, least=2)
    if matrix.count != matrix.features:
        raise WorkbenchError(
            "a square Gram matrix, (points, points)",
            f"the shape {(matrix.count, matrix.features)}",
            "pass x @ x.T, or the points themselves",
        )
    g = matrix.rows(slice(None)).double()
    check_finite_rows(g, 0, len(g))
    eps = torch.finfo(matrix.dtype).eps
    tolerance = 16 * eps * len(g) ** 0.5 * float(g.abs().amax())
    if float((g - g.T).abs().amax()) > tolerance:
        raise WorkbenchError(
            "a symmetric Gram matrix",
            f"entries that differ from their mirror images by {float((g - g.T).abs().amax()):.2g}",
            "pass (g + g.T) / 2 if that is rounding",
        )
    values, vectors = torch.linalg.eigh((g + g.T) / 2)
    allowed = 16 * eps * len(g) * float(values.abs().amax())
    if float(values[0]) < -allowed:
        raise WorkbenchError(
            "a positive semidefinite Gram matrix",
            f"the eigenvalue {float(values[0]):.3g} beside the largest {float(values[-1]):.3g}",
            "pass inner products or a positive definite kernel, not distances or cosine distances",
        )
    kept = values > allowed
    kept[-1] = True  # a single zero coordinate, where all products are zero
    roots = values[kept].clamp(min=0.0).sqrt()
    return as_cloud(vectors[:, kept] * roots)


def _stream(cloud: Cloud, directions: Directions) -> WidthStream:
    if cloud.stored:
        return _reduced_by_dask(cloud, directions)
    stream = WidthStream(directions)
    for start, rows in cloud.blocks(directions.columns.shape[1]):
        stream.update(rows, start)
    return stream


def _reduced_by_dask(cloud: Cloud, directions: Directions) -> WidthStream:
    """Reduction over chunks of rows; each task holds one chunk and one part of the result."""
    import dask.array as da
    from dask.base import compute
    from dask.delayed import delayed

    source = cloud.source
    if isinstance(source.chunks[0], int):
        rows = (np.diff(cloud.edges).tolist(), (cloud.features,))
        source = da.from_array(source, chunks=tuple(map(tuple, rows)))
    chunks = source.rechunk({1: -1}).to_delayed()[:, 0].tolist()
    shared = delayed(directions)
    part, joined = delayed(_part, pure=False), delayed(_joined, pure=False)
    parts = [
        part(chunk, start, shared, cloud.dtype)
        for chunk, start in zip(chunks, cloud.edges[:-1], strict=True)
    ]
    while len(parts) > 1:
        parts = [joined(parts[i : i + FAN_IN]) for i in range(0, len(parts), FAN_IN)]
    return cast(WidthStream, compute(parts[0])[0])


def _part(chunk: Any, start: int, directions: Directions, dtype: torch.dtype) -> WidthStream:
    stream = WidthStream(directions)
    cloud = Cloud(chunk, dtype, torch.device("cpu"))
    for first, rows in cloud.blocks(directions.columns.shape[1]):
        stream.update(rows, start + first)
    return stream


def _joined(parts: Iterable[WidthStream]) -> WidthStream:
    first, *others = parts
    joined = WidthStream(first.directions)
    return reduce(WidthStream.merge, [first, *others], joined)
