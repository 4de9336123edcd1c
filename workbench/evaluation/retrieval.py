"""Retrieval by a ranking of a whole database: average precision with ties in closed form.

A query's ranking is a sequence of levels, the items at one distance. A level's order is unknown:
`expected` is the mean over all orders, `first` and `last` put the relevant ones first and last.
Levels with n items, r of them relevant, after N items with R relevant add to Σ rel(k) P(k)

    expected  (r/n) [(R + 1) h + (r − 1)/(n − 1) (n − (N + 1) h)],  h = H(N + n) − H(N)
    first     r + (R − N) (H(N + r) − H(N))
    last      r + (R + r − N − n) (H(N + n) − H(N + n − r))

with harmonic numbers H (McSherry and Najork, *Computing information retrieval performance measures
efficiently in the presence of tied scores*, ECIR 2008). For codes two histograms of distances a
query are enough. No ranking is cut off, and an item's place in the database never decides.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64, Integer, Shaped

from workbench.errors import WorkbenchError
from workbench.evaluation.statistics import Estimate, estimate
from workbench.geometry.hyperplanes import Codes

LEVELS_IN_MEMORY = 2**20
"""Levels of queries whose precisions are computed together: 8 MiB an array."""
QUERIES_TOGETHER = 64
"""Queries whose Euclidean distances are computed together."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of each query, in [0, 1]; mean average precision is the mean of these.

    Attributes:
        expected: mean over all orders of the items at one distance.
        first: with relevant items first in every level, the upper bound.
        last: with relevant items last, the lower bound.
    """

    expected: Float64[np.ndarray, "queries"]
    first: Float64[np.ndarray, "queries"]
    last: Float64[np.ndarray, "queries"]

    def estimate(self, seed: int = 0) -> Estimate:
        """Mean average precision with its interval over queries."""
        return estimate(self.expected, seed)


class Rankings(ABC):
    """Rankings of a database for several queries, as levels of items at one distance."""

    @abstractmethod
    def average_precision(self) -> AveragePrecision:
        """Average precision of each query.

        Raises:
            WorkbenchError: a query without relevant items.
        """

    def precision_recall(
        self, ranks: Int64[np.ndarray, "ranks"]
    ) -> tuple[Float64[np.ndarray, "ranks"], Float64[np.ndarray, "ranks"]]:
        """Precision and recall among the first so many items, expected over ties, mean of queries.

        Args:
            ranks: numbers of items, from 1.
        """
        hits = np.array([np.interp(ranks, *steps) for steps in self._steps()])
        return (hits / ranks).mean(0), (hits / self._found()[:, None]).mean(0)

    @abstractmethod
    def _found(self) -> Integer[np.ndarray, "queries"]:
        """Number of relevant items of each query."""

    @abstractmethod
    def _steps(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers of items and of relevant ones at the ends of each query's levels."""


@dataclass(frozen=True)
class Histograms(Rankings):
    """Items of a database at each Hamming distance from each query: all that rankings depend on.

    Attributes:
        items: (queries, bits + 1) number of items at distance 0, 1, … bits.
        relevant: number of relevant ones among them.
    """

    items: Int64[np.ndarray, "queries distances"]
    relevant: Int64[np.ndarray, "queries distances"]

    def average_precision(self) -> AveragePrecision:
        """Average precision of each query; errors as in `Rankings`."""
        found = self._found()
        _require_relevant(found)
        harmonic = harmonic_numbers(int(self.items[0].sum()))
        step = max(1, LEVELS_IN_MEMORY // self.items.shape[1])
        sums = []
        for start in range(0, len(found), step):
            n, r = self.items[start : start + step], self.relevant[start : start + step]
            levels = (n.cumsum(1) - n, n, r.cumsum(1) - r, r)
            sums.append(_level_sums(*levels, harmonic).sum(2))
        return AveragePrecision(*(np.concatenate(sums, axis=1) / found))

    def _found(self) -> Integer[np.ndarray, "queries"]:
        return np.asarray(self.relevant.sum(1))

    def _steps(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for n, r in zip(self.items.cumsum(1), self.relevant.cumsum(1), strict=True):
            yield np.r_[0, n], np.r_[0, r]


@dataclass(frozen=True)
class EuclideanRankings(Rankings):
    """Rankings by real distances: levels that hold relevant items, one by one.

    Attributes:
        levels: for each query (4, levels): items before, items, relevant before, relevant.
        harmonic: harmonic numbers up to the size of the database.
    """

    levels: tuple[Integer[np.ndarray, "4 _"], ...]
    harmonic: Float64[np.ndarray, "_"]

    def average_precision(self) -> AveragePrecision:
        """Average precision of each query; errors as in `Rankings`."""
        _require_relevant(self._found())
        sums = np.array(
            [_level_sums(N, n, R, r, self.harmonic).sum(1) for N, n, R, r in self.levels]
        )
        return AveragePrecision(*(sums.T / self._found()))

    def _found(self) -> Integer[np.ndarray, "queries"]:
        return np.array([each[3].sum() for each in self.levels])

    def _steps(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for N, n, R, r in self.levels:
            yield np.column_stack([N, N + n]).ravel(), np.column_stack([R, R + r]).ravel()


def histograms(
    queries: Codes,
    database: Codes,
    labels: Integer[np.ndarray, "queries"],
    of_database: Integer[np.ndarray, "database"],
) -> Histograms:
    """Histograms of Hamming distances; items of the query's class are relevant.

    Args:
        queries, database: codes of one length.
        labels, of_database: classes of the queries and of the database.

    Raises:
        WorkbenchError: codes of different lengths, labels of others, or no queries.
    """
    queries.require_same_length(database)
    _require_labels(len(queries), labels, len(database), of_database)
    order = np.argsort(of_database, kind="stable")  # a class is then a slice
    ends = [np.searchsorted(of_database[order], labels, side) for side in ("left", "right")]
    words = np.ascontiguousarray(database.words[order].T)
    size = queries.bits + 1
    narrow = np.uint8 if queries.bits < 256 else np.int32
    items = np.empty((len(queries), size), np.int64)
    relevant = np.empty_like(items)
    for row, (code, start, stop) in enumerate(zip(queries.words, *ends, strict=True)):
        distance = np.bitwise_count(words[0] ^ code[0])
        if len(code) > 1:
            distance = distance.astype(narrow)
            for mine, theirs in zip(code[1:], words[1:], strict=True):
                distance += np.bitwise_count(theirs ^ mine)
        counted = torch.from_numpy(distance)  # numpy would widen them first: twice the time
        items[row] = torch.bincount(counted, minlength=size)
        relevant[row] = torch.bincount(counted[start:stop], minlength=size)
    return Histograms(items, relevant)


def average_precision(
    queries: Codes,
    database: Codes,
    labels: Integer[np.ndarray, "queries"],
    of_database: Integer[np.ndarray, "database"],
) -> AveragePrecision:
    """Average precision of rankings by Hamming distance; arguments and errors as `histograms`.

    Raises:
        WorkbenchError: also where a query has no relevant items.
    """
    return histograms(queries, database, labels, of_database).average_precision()


def euclidean_rankings(
    queries: Float[np.ndarray, "queries features"],
    database: Float[np.ndarray, "database features"],
    labels: Integer[np.ndarray, "queries"],
    of_database: Integer[np.ndarray, "database"],
) -> EuclideanRankings:
    """Rankings by Euclidean distance, in the vectors' precision; else as `histograms`.

    Raises:
        WorkbenchError: labels of others, NaN, or no queries.
    """
    _require_labels(len(queries), labels, len(database), of_database)
    if not (np.isfinite(queries).all() and np.isfinite(database).all()):
        raise WorkbenchError("finite vectors", "NaN or Inf", "leave those vectors out")
    levels = []
    for row, distance in enumerate(_euclidean(queries, database)):
        near, counts = np.unique(distance[of_database == labels[row]], return_counts=True)
        ordered = np.sort(distance)
        before, until = (np.searchsorted(ordered, near, side) for side in ("left", "right"))
        levels.append(np.array([before, until - before, np.cumsum(counts) - counts, counts]))
    return EuclideanRankings(tuple(levels), harmonic_numbers(len(database)))


def nearest(
    queries: Codes | Float[np.ndarray, "queries features"],
    database: Codes | Float[np.ndarray, "database features"],
    count: int,
    seed: int = 0,
) -> Int64[np.ndarray, "queries count"]:
    """Indices of the nearest items of each query, by Hamming or Euclidean distance.

    Items at one distance are in random order: their place in the database says nothing.

    Args:
        queries, database: codes of one length, or vectors.
        count: number of items.
        seed: seed of that order.

    Raises:
        WorkbenchError: codes of different lengths, or codes and vectors.
    """
    order = np.random.default_rng(seed).permutation(len(database))
    rows: Iterator[np.ndarray]
    if isinstance(queries, Codes) and isinstance(database, Codes):
        every, codes = database, queries
        rows = (codes[row : row + 1].hamming(every)[0] for row in range(len(codes)))
    elif isinstance(queries, np.ndarray) and isinstance(database, np.ndarray):
        rows = _euclidean(queries, database)
    else:
        raise WorkbenchError("codes, or vectors", "one of each", "encode both, or none")
    found = [order[np.argsort(row[order], kind="stable")[:count]] for row in rows]
    return np.array(found, np.int64).reshape(len(queries), -1)


def _euclidean(queries: np.ndarray, database: np.ndarray) -> Iterator[np.ndarray]:
    """Squared distances of each query to the database, up to the query's own square."""
    squares = np.einsum("ij,ij->i", database, database)
    for start in range(0, len(queries), QUERIES_TOGETHER):
        yield from squares - 2 * (queries[start : start + QUERIES_TOGETHER] @ database.T)


def harmonic_numbers(most: int) -> Float64[np.ndarray, "_"]:
    """Harmonic numbers H(0) = 0 to H(most)."""
    numbers: np.ndarray = np.r_[0.0, np.cumsum(1 / np.arange(1, most + 1))]
    return numbers


def _level_sums(
    N: Shaped[np.ndarray, "*levels"],
    n: Shaped[np.ndarray, "*levels"],
    R: Shaped[np.ndarray, "*levels"],
    r: Shaped[np.ndarray, "*levels"],
    H: Float64[np.ndarray, "_"],
) -> Float64[np.ndarray, "3 *levels"]:
    """Sums of rel(k) P(k) over each level: expected, relevant first, relevant last."""
    h = H[N + n] - H[N]
    follow = np.maximum(r - 1, 0) / np.maximum(n - 1, 1)
    expected = r / np.maximum(n, 1) * ((R + 1) * h + follow * (n - (N + 1) * h))
    first = r + (R - N) * (H[N + r] - H[N])
    last = r + (R + r - N - n) * (H[N + n] - H[N + n - r])
    return np.stack([expected, first, last])


def _require_labels(
    queries: int, labels: np.ndarray, database: int, of_database: np.ndarray
) -> None:
    if len(labels) != queries or len(of_database) != database:
        raise WorkbenchError(
            f"labels of {queries} queries and {database} items",
            f"{len(labels)} and {len(of_database)}",
            "pass the labels in the order of the codes",
        )
    if not queries:
        raise WorkbenchError("queries", "none", "pass one at least")


def _require_relevant(found: Int64[np.ndarray, "queries"]) -> None:
    if without := int(np.count_nonzero(found == 0)):
        raise WorkbenchError(
            "a relevant item for every query",
            f"{without} queries without any",
            "leave those queries out: their average precision is not defined",
        )
