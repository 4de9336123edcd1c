"""Angles and distances of all pairs of points, in blocks: the whole N×N matrix only when asked for.

A block is a matrix product. Where that loses digits, for pairs that are close to each other (or,
for angles, nearly opposite), the difference of the two rows itself is taken, and the angle is
2 atan2(‖u − v‖, ‖u + v‖) of unit vectors, exact at every angle (Kahan, "How Futile are Mindless
Assessments of Roundoff", 2006, §12), where arccos has an error of √ε.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.points import Cloud, as_cloud, check_finite_rows

Measure = Literal["angle", "distance"]
BLOCK = 1024
"""Number of rows and columns of a block: 4 MiB of float32."""
BINS = 4096
CLOSE = {torch.float32: 1e-2, torch.float64: 1e-6}
"""Squared distance over squared norms below which a pair's difference is taken itself."""


@dataclass(frozen=True, eq=False)
class PairBlock:
    """Block of the matrix of pairs, on or above its diagonal.

    Attributes:
        rows: slice of the first points.
        columns: slice of the second points; not before the rows.
        values: angles in radians, or distances in the units of the points; NaN: angles of a
            point that is 0.
    """

    rows: slice
    columns: slice
    values: Float[Tensor, "rows columns"]

    def each_pair_once(self) -> Bool[Tensor, "rows columns"]:
        """Mask of the pairs i < j: all of a block, or above the diagonal of one that lies on it."""
        ones = torch.ones_like(self.values, dtype=torch.bool)
        return ones.triu(1) if self.rows.start == self.columns.start else ones

    def pairs(self) -> Float[Tensor, "pairs"]:
        """Values of the pairs i < j."""
        return self.values[self.each_pair_once()]


@dataclass(frozen=True, eq=False)
class PairStatistics:
    """Statistics of all pairs i < j of a cloud.

    Attributes:
        measure: "angle", radians, or "distance", in the units of the points.
        count: number of pairs that count.
        undefined: number of pairs left out: angles with a point that is 0 (a dead layer).
        mean: their mean.
        minimum: smallest value.
        maximum: largest value.
        closest: indices of a pair with the smallest value.
        farthest: indices of a pair with the largest.
        histogram: (bins,) numbers of pairs.
        edges: (bins + 1,) borders of the bins.
    """

    measure: Measure
    count: int
    undefined: int
    mean: float
    minimum: float
    maximum: float
    closest: tuple[int, int]
    farthest: tuple[int, int]
    histogram: Int64[np.ndarray, "bins"]
    edges: Float[np.ndarray, "bins+1"]

    def quantile(self, share: float) -> float:
        """Value below which this share of the pairs lies, to the width of a bin.

        Raises:
            WorkbenchError: the share is not between 0 and 1.
        """
        if not 0 <= share <= 1:
            raise WorkbenchError("a share between 0 and 1", f"{share}", "0.5 is the median")
        below = np.concatenate([[0], np.cumsum(self.histogram)])
        found = float(np.interp(share * self.count, below, self.edges))
        return min(max(found, self.minimum), self.maximum)

    @property
    def median(self) -> float:
        """Median, to the width of a bin."""
        return self.quantile(0.5)

    def __str__(self) -> str:
        unit = " rad" if self.measure == "angle" else ""
        left = f"; {self.undefined:,} pairs with a zero point left out" if self.undefined else ""
        return (
            f"{self.measure}s of {self.count:,} pairs: median {self.median:.4g}{unit} "
            f"[{self.quantile(0.05):.4g}, {self.quantile(0.95):.4g}], from {self.minimum:.4g} to "
            f"{self.maximum:.4g}{left}"
        )

    __repr__ = __str__


def pair_blocks(points: Any, measure: Measure = "angle", block: int = BLOCK) -> Iterator[PairBlock]:
    """Blocks of all pairs, on and above the diagonal, row by row.

    Memory is a few blocks and 2 · block rows; N²d flops in the precision of the points. Stored
    arrays are read again for each row of blocks.

    Args:
        points: (points, features) tensor, numpy, Dask or zarr array, at least two points.
        measure: "angle" in radians (NaN with a point that is 0) or "distance".
        block: number of rows and of columns of a block.

    Raises:
        WorkbenchError: bad points, see `points.as_cloud`; NaN or infinity among them.
    """
    cloud = as_cloud(points, least=2)
    if block < 1:
        raise WorkbenchError("blocks of at least one row", f"{block}", "1024 is a good size")
    centre = cloud.sample(BLOCK).double().mean(0).to(cloud.dtype)
    starts = range(0, cloud.count, block)
    for top in starts:
        rows = _prepared(cloud, top, block, measure, centre)
        for left in starts[top // block :]:
            columns = rows if left == top else _prepared(cloud, left, block, measure, centre)
            values = _angles(rows, columns) if measure == "angle" else distances(rows, columns)
            if left == top:
                values.fill_diagonal_(0.0)
            yield PairBlock(slice(top, top + len(rows)), slice(left, left + len(columns)), values)


def pairwise(points: Any, measure: Measure = "angle") -> Float[Tensor, "points points"]:
    """Matrix of all pairs, symmetric with zeros on its diagonal: N² numbers in memory."""
    cloud = as_cloud(points, least=2)
    whole = torch.empty(cloud.count, cloud.count, dtype=cloud.dtype, device=cloud.device)
    for found in pair_blocks(cloud, measure):
        whole[found.rows, found.columns] = found.values
        whole[found.columns, found.rows] = found.values.T
    return whole


def pair_statistics(
    points: Any, measure: Measure = "angle", bins: int = BINS, block: int = BLOCK
) -> PairStatistics:
    """Histogram, quantiles, extremes and mean over all pairs, from blocks.

    Args:
        points: see `pair_blocks`.
        measure: see `pair_blocks`.
        bins: number of bins, from 0 to π, or to an upper bound of the diameter.
        block: see `pair_blocks`.

    Raises:
        WorkbenchError: see `pair_blocks`; every angle has a point that is 0.
    """
    cloud = as_cloud(points, least=2)
    if bins < 1:
        raise WorkbenchError("at least one bin", f"{bins}", "4096 give quantiles to 1e-3")
    top = math.pi if measure == "angle" else _diameter_bound(cloud)
    histogram = torch.zeros(bins, dtype=torch.int64, device=cloud.device)
    total, count, undefined = 0.0, 0, 0
    least = most = _Extreme(math.inf, (0, 0))
    for found in pair_blocks(cloud, measure, block):
        valid = found.each_pair_once()
        pairs = found.values[valid] if found.rows.start == found.columns.start else found.values
        finite = pairs[~pairs.isnan()]
        undefined += pairs.numel() - len(finite)
        count += len(finite)
        total += float(finite.sum(dtype=torch.float64))
        place = (finite * (bins / top)).long().clamp_(0, bins - 1)
        histogram += torch.bincount(place, minlength=bins)
        valid = valid & ~found.values.isnan()
        least = _smaller(least, torch.where(valid, found.values, torch.inf), found)
        most = _smaller(most, torch.where(valid, -found.values, torch.inf), found)
    if not count:
        raise WorkbenchError(
            "two points that are not 0", f"{undefined} pairs with a zero point", "a dead layer has "
            "no angles; look at distances, or leave zero rows out"
        )  # fmt: skip
    return PairStatistics(
        measure, count, undefined, total / count, least.value, -most.value,
        least.pair, most.pair, histogram.cpu().numpy(), np.linspace(0.0, top, bins + 1),
    )  # fmt: skip


@dataclass(frozen=True)
class _Extreme:
    """Smallest value so far, and its pair."""

    value: float
    pair: tuple[int, int]


def _smaller(known: _Extreme, values: Float[Tensor, "rows columns"], block: PairBlock) -> _Extreme:
    row, column = divmod(int(values.argmin()), values.shape[1])
    value = float(values[row, column])
    if value >= known.value:
        return known
    return _Extreme(value, (block.rows.start + row, block.columns.start + column))


def _prepared(
    cloud: Cloud, start: int, block: int, measure: Measure, centre: Float[Tensor, "features"]
) -> Float[Tensor, "rows features"]:
    """Rows as unit vectors (0 stays 0) for angles, or about the centre for distances."""
    rows = cloud.rows(slice(start, start + block))
    norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    check_finite_rows(norms, start, len(rows))
    return rows / norms.clamp_min(torch.finfo(rows.dtype).tiny) if measure == "angle" else (
        rows - centre
    )  # fmt: skip


def distances(
    rows: Float[Tensor, "rows features"], columns: Float[Tensor, "columns features"]
) -> Float[Tensor, "rows columns"]:
    """Distances of all rows to all columns, without cancellation between points that are close."""
    norms = rows.square().sum(1)[:, None] + columns.square().sum(1)
    squares = norms - 2 * rows @ columns.T
    close = squares < CLOSE[rows.dtype] * norms
    values = squares.clamp_(min=0.0).sqrt_()
    for i, j in _some(close):
        values[i, j] = torch.linalg.vector_norm(rows[i] - columns[j], dim=1)
    return values


def _angles(
    rows: Float[Tensor, "rows features"], columns: Float[Tensor, "columns features"]
) -> Float[Tensor, "rows columns"]:
    cosines = rows @ columns.T
    close = cosines.abs() > 1 - CLOSE[rows.dtype]
    values = cosines.clamp_(-1.0, 1.0).acos_()
    for i, j in _some(close):
        u, v = rows[i], columns[j]
        apart = torch.linalg.vector_norm(u - v, dim=1)
        values[i, j] = 2 * torch.atan2(apart, torch.linalg.vector_norm(u + v, dim=1))
    values[(rows == 0).all(1)] = torch.nan
    values[:, (columns == 0).all(1)] = torch.nan
    return values


def _some(mask: Bool[Tensor, "rows columns"]) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices where the mask is true, at most a few thousand pairs at a time."""
    for part in mask.nonzero().split(4096):
        yield part[:, 0], part[:, 1]


def _diameter_bound(cloud: Cloud) -> float:
    """Upper bound of all distances, twice the largest one from a sample's mean; 1 if it is 0."""
    centre = cloud.sample(BLOCK).double().mean(0).to(cloud.dtype)
    largest = 0.0
    for start, rows in cloud.blocks():
        distances = torch.linalg.vector_norm(rows - centre, dim=1)
        check_finite_rows(distances, start, len(rows))
        largest = max(largest, float(distances.amax()))
    return 2 * largest * (1 + 1e-5) or 1.0
