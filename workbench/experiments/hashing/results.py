"""Results of the hashing table: what is kept of one split of a column."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from workbench.experiments.tables.results import TableResult


@dataclass(frozen=True)
class CodeFigures:
    """Figures of one number of bits.

    Attributes:
        bits: number of bits; 0 for vectors without codes.
        expected, first, last: average precision of each query, see `evaluation.retrieval`.
        distinct: number of different codes in the database; None without codes.
        balance: mean over bits of the share of the rarer value; .5 is the most, None without codes.
        fit_seconds, encode_seconds: processor time of learning, and of encoding the database.
    """

    bits: int
    expected: Float64[np.ndarray, "queries"]
    first: Float64[np.ndarray, "queries"]
    last: Float64[np.ndarray, "queries"]
    distinct: int | None
    balance: float | None
    fit_seconds: float
    encode_seconds: float


@dataclass(frozen=True)
class HashingResult(TableResult):
    """Result of one split of a column.

    Attributes:
        figures: a figure for each number of bits, in their order.
        database: number of items that were ranked.
        learnt: number of vectors that the method learnt from.
        ranks: numbers of items at which precision and recall are taken.
        precision, recall: among the first so many items, mean over queries, by the longest code
            of the table.
    """

    figures: tuple[CodeFigures, ...]
    database: int
    learnt: int
    ranks: Int64[np.ndarray, "ranks"]
    precision: Float64[np.ndarray, "ranks"]
    recall: Float64[np.ndarray, "ranks"]

    def of_bits(self, bits: int) -> CodeFigures:
        """Figures of a number of bits; of a column without codes, its only ones.

        Raises:
            KeyError: the column was not run with so many bits.
        """
        for each in self.figures:
            if each.bits in (0, bits):
                return each
        raise KeyError(bits)

    @property
    def said(self) -> str:
        """Mean average precisions in words, for the terminal."""
        return "mAP " + " ".join(f"{100 * each.expected.mean():.1f}" for each in self.figures)
