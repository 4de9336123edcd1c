"""Evaluation of one column of the hashing table on one split of a store of images."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.evaluation.retrieval import (
    Rankings,
    euclidean_rankings,
    histograms,
    nearest,
)
from workbench.experiments.hashing.columns import RAW, HashingColumn
from workbench.experiments.hashing.results import CodeFigures, HashingResult
from workbench.hashing import HASHERS, Codes, Labelled, MoreBitsThanClassesWarning
from workbench.runs.files import atomic_write
from workbench.runs.provenance import provenance

NEAREST = 10
"""Number of items in a picture of a ranking."""
POINTS = 50
"""Number of ranks at which precision and recall are taken."""

Encoded = Codes | Float32[np.ndarray, "_ features"]
"""Codes, or vectors that are compared as they are."""


@dataclass(frozen=True)
class Split:
    """Vectors of one split, of length 1.

    Attributes:
        queries, database: images that are looked up, and those that are ranked.
        x_queries, x_database: their vectors.
        labelled: vectors to learn from, with their classes.
        pool: vectors to learn from without classes.
    """

    queries: Images
    database: Images
    x_queries: Float32[np.ndarray, "queries features"]
    x_database: Float32[np.ndarray, "database features"]
    labelled: Labelled
    pool: Float32[np.ndarray, "pool features"]


@dataclass(frozen=True)
class RankedPictures:
    """Queries with their nearest images.

    Attributes:
        queries: (queries, rows, columns, 3) uint8.
        found: (queries, nearest, rows, columns, 3) uint8, the nearest first.
        relevant: whether each is of the query's class.
        names: class of each query.
    """

    queries: UInt8[np.ndarray, "queries y x 3"]
    found: UInt8[np.ndarray, "queries nearest y x 3"]
    relevant: Bool[np.ndarray, "queries nearest"]
    names: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write an .npz file atomically."""
        with atomic_write(path) as file:
            np.savez_compressed(
                file, queries=self.queries, found=self.found, relevant=self.relevant,
                names=np.array(self.names),
            )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> "RankedPictures":
        """Read a file that `write` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return cls(
                file["queries"], file["found"], file["relevant"], tuple(file["names"].tolist())
            )


def split_of(
    images: Images, column: HashingColumn, queries: int, labelled: int, seed: int
) -> Split:
    """Draw a split, and what a column may learn from.

    Args:
        images: images of a store with features.
        column: column with its setting of labels.
        queries, labelled: queries and labels of each class.
        seed: seed of the split: the same queries for all columns.

    Raises:
        WorkbenchError: a class has too few images, or the store has no features.
    """
    parts = images.parts(queries=queries, labelled=labelled, seed=seed)
    known, database = parts.labelled, parts.database
    pool = database
    if column.labels == "seen":
        known = database
    elif column.labels == "unseen":
        mixed = np.random.default_rng([seed, 1]).permutation(len(database))
        half = len(database) // 2
        known, database = (database.select(np.sort(i)) for i in (mixed[:half], mixed[half:]))
        pool = known
    x_pool, x_database = _vectors(pool), _vectors(database)
    x_known = x_pool if known is pool else _vectors(known)
    labels = Labelled(x_known, known.categories, len(images.names))
    return Split(parts.queries, database, _vectors(parts.queries), x_database, labels, x_pool)


def evaluate_column(
    split: Split, column: HashingColumn, bits: Sequence[int], seed: int, asked: dict[str, Any],
    pictures: Path | None,
) -> HashingResult:  # fmt: skip
    """Learn, encode and rank with each number of bits.

    Args:
        split: vectors.
        column: the column.
        bits: numbers of bits of the table; the longest code gives precision, recall and pictures.
        seed: seed of the method.
        asked: question that the result answers.
        pictures: file for the nearest images of a query of each class; None: none are written.
    """
    raw = column.method == RAW
    counts = (0,) if raw else tuple(sorted({*bits, *column.more_bits}))
    figures, pictured = [], counts[0] if raw else max(bits)
    for count in counts:
        queries, database, times = _encoded(split, column, count, seed)
        rankings = _rankings(queries, database, split)
        precision = rankings.average_precision()
        distinct, balance = _facts(database)
        three = precision.expected, precision.first, precision.last
        figures.append(CodeFigures(count, *three, distinct, balance, *times))
        if count == pictured:
            ranks = np.unique(np.geomspace(1, len(split.database), POINTS).astype(np.int64))
            curve = rankings.precision_recall(ranks)
            if pictures:
                _pictures(split, queries, database, seed).write(pictures)
    learnt = split.labelled.vectors if column.supervised else split.pool
    return HashingResult(
        asked, provenance(), tuple(figures), len(split.database), len(learnt), ranks, *curve
    )


def _vectors(images: Images) -> Float32[np.ndarray, "points features"]:
    """Vectors of images, divided by their norms.

    Raises:
        WorkbenchError: a vector is zero.
    """
    x = images.vectors().numpy()
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    if zero := int(np.count_nonzero(norms == 0)):
        raise WorkbenchError("vectors that are not zero", f"{zero} zero ones", "leave them out")
    return np.asarray(x / norms)


def _encoded(
    split: Split, column: HashingColumn, bits: int, seed: int
) -> tuple[Encoded, Encoded, tuple[float, float]]:
    """Queries and database encoded, with seconds of fitting and of encoding the database."""
    if column.method == RAW:
        return split.x_queries, split.x_database, (0.0, 0.0)
    hasher = HASHERS[column.method](bits=bits, seed=seed, **column.options)
    with warnings.catch_warnings():  # the table shows what comes of it
        warnings.simplefilter("ignore", MoreBitsThanClassesWarning)
        fitting, _ = _timed(lambda: hasher.fit(split.labelled, split.pool))
    encoding, database = _timed(lambda: hasher.encode(split.x_database))
    return hasher.encode(split.x_queries), database, (fitting, encoding)


def _facts(encoded: Encoded) -> tuple[int | None, float | None]:
    """Number of different codes, and mean share of a bit's rarer value; None without codes."""
    if not isinstance(encoded, Codes):
        return None, None
    balance = encoded.balance
    return encoded.distinct, float(np.minimum(balance, 1 - balance).mean())


def _timed(task: Callable[[], Any]) -> tuple[float, Any]:
    before = time.process_time()
    found = task()
    return time.process_time() - before, found


def _rankings(queries: Encoded, database: Encoded, split: Split) -> Rankings:
    labels = split.queries.categories, split.database.categories
    if isinstance(queries, Codes) and isinstance(database, Codes):
        return histograms(queries, database, *labels)
    return euclidean_rankings(np.asarray(queries), np.asarray(database), *labels)


def _pictures(split: Split, queries: Encoded, database: Encoded, seed: int) -> RankedPictures:
    """Nearest images of the first query of each class."""
    classes, first = np.unique(split.queries.categories, return_index=True)
    found = nearest(queries[first], database, NEAREST, seed)
    images = _pixels(split.database.select(found.ravel()))
    return RankedPictures(
        _pixels(split.queries.select(first)),
        images.reshape(*found.shape, *images.shape[1:]),
        split.database.categories[found] == classes[:, None],
        tuple(split.queries.names[each] for each in classes),
    )


def _pixels(images: Images) -> UInt8[np.ndarray, "images y x 3"]:
    return images.pixels().permute(0, 2, 3, 1).numpy()
