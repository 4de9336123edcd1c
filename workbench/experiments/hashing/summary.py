"""Rows, tests and orderings of the hashing table from the results of its columns, as plain values.

Figures are means over queries, of all splits together. Intervals and tests resample queries: they
concern other queries with these splits; the spread between splits is stated separately.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float64

from workbench.evaluation.statistics import differences, holm
from workbench.experiments.hashing.columns import HashingColumn
from workbench.experiments.hashing.results import CodeFigures, HashingResult
from workbench.experiments.tables.table import Finished

Row = Finished[HashingColumn, HashingResult]
"""Column with the results of its splits."""
LEVEL = 0.05
"""Significance level of an ordering, over all orderings together."""


def summarise_columns(found: Sequence[Row], question: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the hashing table from its finished columns.

    Keys: images, features, classes, bits, queries, labelled, rows, tests, orderings; the latter
    also of methods against themselves with fewer bits. All precisions are shares of 1.
    """
    bits = question["bits"]
    kept = ("images", "features", "bits", "queries", "labelled", "classes")
    rows, tests = [_row_values(row) for row in found], _tests(found, bits)
    orderings = [*_orderings(found, bits), *_trends(found, bits)]
    _estimate([*(figure for row in rows for figure in row["figures"]), *tests, *orderings])
    adjusted = holm([each["found"]["p"] for each in orderings])
    for each, p in zip(orderings, adjusted, strict=True):
        each["found"]["p"] = p
        each["verdict"] = _verdict(each["seed"] * each["found"]["mean"], p)
    return {name: question[name] for name in kept} | {
        "rows": rows,
        "tests": tests,
        "orderings": orderings,
    }


def _estimate(entries: Sequence[dict[str, Any]]) -> None:
    """Replace each entry's values by query, `found`, with their mean and its uncertainty."""
    for size in {len(entry["found"]) for entry in entries}:
        alike = [entry for entry in entries if len(entry["found"]) == size]
        values = np.column_stack([entry["found"] for entry in alike])
        for entry, found in zip(alike, differences(values), strict=True):
            entry["found"] = asdict(found)


def _row_values(row: Row) -> dict[str, Any]:
    column, first = row.column, row.results[0]
    return {
        "key": column.name,
        "title": column.title,
        "labels": column.labels,
        "supervised": column.supervised,
        "command": column.command,
        "seeds": row.seeds,
        "database": first.database,
        "learnt": first.learnt,
        "parameters": first.question["parameters"],
        "figures": [_figure_values(row, each.bits) for each in first.figures],
        "curve": {
            "ranks": first.ranks,
            "precision": np.mean([result.precision for result in row.results], axis=0),
            "recall": np.mean([result.recall for result in row.results], axis=0),
        },
    }


def _figure_values(row: Row, bits: int) -> dict[str, Any]:
    found = [result.of_bits(bits) for result in row.results]
    means = [float(each.expected.mean()) for each in found]
    return {
        "bits": bits,
        "seed": row.column.paper.get(bits),
        "found": _expected(found),
        "first": float(np.mean([each.first for each in found])),
        "last": float(np.mean([each.last for each in found])),
        "splits": means,
        "spread": float(np.std(means, ddof=1)) if len(means) > 1 else None,
        "distinct": _mean([each.distinct for each in found]),
        "balance": _mean([each.balance for each in found]),
        "fit_seconds": _mean([each.fit_seconds for each in found]),
        "encode_seconds": _mean([each.encode_seconds for each in found]),
    }


def _mean(values: Sequence[int | float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _compared(
    one: Row, bits: int, other: Row, other_bits: int
) -> Float64[np.ndarray, "queries"] | None:
    """Differences over the queries of the splits that both have; None without any."""
    seeds = [seed for seed in one.seeds if seed in other.seeds]
    if not seeds:
        return None
    mine, theirs = (
        _expected([row.results[row.seeds.index(seed)].of_bits(count) for seed in seeds])
        for row, count in ((one, bits), (other, other_bits))
    )
    return np.asarray(mine - theirs)


def _expected(found: Sequence[CodeFigures]) -> Float64[np.ndarray, "queries"]:
    return np.concatenate([each.expected for each in found])


def _tests(found: Sequence[Row], bits: Sequence[int]) -> list[dict[str, Any]]:
    """Tests of every column against the columns that it names, for each number of bits."""
    rows = {row.column.name: row for row in found}
    pairs = [(row, rows[name]) for row in found for name in row.column.against if name in rows]
    return [
        {"row": row.column.title, "against": other.column.title, "bits": count, "found": difference}
        for row, other in pairs
        for count in bits
        if (difference := _compared(row, count, other, count)) is not None
    ]


def _orderings(found: Sequence[Row], bits: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Comparisons of each pair of the seed's methods; networks with labels of one setting."""
    known = [row for row in found if row.column.paper]
    for one, other in itertools.combinations(known, 2):
        settings = {row.column.labels for row in (one, other) if _neural(row)}
        same = one.column.method == other.column.method
        if same or len(settings) > 1:
            continue
        for count in bits:
            theirs = _papers(other, count, one, count)
            difference = _compared(other, count, one, count)
            if difference is not None and theirs is not None:
                yield {
                    "row": other.column.title,
                    "against": one.column.title,
                    "bits": count,
                    "seed": theirs,
                    "found": difference,
                }


def _trends(found: Sequence[Row], bits: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Comparisons of each of the seed's methods with itself with fewer bits."""
    for row in found:
        for few, many in itertools.pairwise(bits):
            theirs = _papers(row, many, row, few) if 0 not in row.column.paper else None
            difference = _compared(row, many, row, few)
            if difference is not None and theirs is not None:
                yield {
                    "row": row.column.title,
                    "against": f"{few} bits",
                    "bits": many,
                    "seed": theirs,
                    "found": difference,
                }


def _neural(row: Row) -> bool:
    return row.column.method.startswith("neural")


def _papers(one: Row, bits: int, other: Row, other_bits: int) -> float | None:
    """Difference of the seed's figures; None where it lacks one of them."""
    mine, theirs = (
        row.column.paper.get(count, row.column.paper.get(0))
        for row, count in ((one, bits), (other, other_bits))
    )
    return None if mine is None or theirs is None else (mine - theirs) / 100


def _verdict(product: float, p: float) -> str:
    """Verdict from the product of the seed's difference and ours."""
    if not p < LEVEL:
        return "undecided"
    return "holds" if product > 0 else "reversed"
