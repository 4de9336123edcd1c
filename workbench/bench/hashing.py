"""`workbench bench hashing`: exact mean average precision of codes beside faiss and a numpy sort.

All give mean average precision of full rankings. Ours is exact with ties, from histograms of
distances; the others rank first, and their ties are in the order of the index or of the sort, so
that they agree with ours only between its bounds. faiss is made for few neighbours, not for all.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64

from workbench.bench.measure import medians, peak_bytes
from workbench.bench.peers import FAISS, Peers
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_least, at_most
from workbench.evaluation.retrieval import AveragePrecision, average_precision
from workbench.geometry.hyperplanes import Codes, pack
from workbench.runs.provenance import provenance

OURS = "workbench"
SORT = "numpy argsort"
INDEX = "faiss binary flat index"
CLASSES = 10
PROMISED = (1000, 59_000, 48)
BLOCK = 100
"""Queries that the others rank together: 47 MB of numbers of items."""


@dataclass(frozen=True)
class HashingSizes:
    """Sizes and repeats of the benchmark.

    Attributes:
        queries: number of queries.
        database: number of codes that are ranked.
        bits: length of the codes.
        compared: number of queries of the comparison with sorting, which takes longer.
        every: whether all codes of the database are queries too, once.
        repeats: number of rounds.
    """

    queries: int = PROMISED[0]
    database: int = PROMISED[1]
    bits: int = PROMISED[2]
    compared: int = 200
    every: bool = True
    repeats: int = 7


QUICK = HashingSizes(queries=200, database=20_000, compared=100, every=False, repeats=3)


def bench_hashing(sizes: HashingSizes) -> Report:
    """Report of the benchmark: our figures beside the peers installed."""
    peers, origin = Peers(), provenance()
    database, of_database = _codes(sizes.database, sizes.bits, 0)
    queries, labels = _codes(sizes.queries, sizes.bits, 1)
    few = queries[: sizes.compared], labels[: sizes.compared]
    whole = partial(average_precision, queries, database, labels, of_database)
    ours = partial(average_precision, few[0], database, few[1], of_database)
    tasks: dict[str, Callable[[], Any]] = {
        OURS: ours,
        SORT: lambda: _sorted(few[0], database, *few[1:], of_database),
    }
    if faiss := peers.find(FAISS):
        faiss.omp_set_num_threads(torch.get_num_threads())
        index = faiss.IndexBinaryFlat(8 * database.to_faiss().shape[1])
        index.add(database.to_faiss())
        tasks[INDEX] = lambda: _searched(index, few[0], few[1], of_database)
    seconds = medians({OURS: whole}, sizes.repeats)[OURS]
    case = f"mAP, {sizes.queries:,} × {sizes.database:,} codes of {sizes.bits} bits"
    peak = peak_bytes(whole, torch.device("cpu"))
    cpu = _processor_seconds(whole)
    rows = [Row(case, OURS, seconds, peak=peak, floor=f"{_words(whole())}, {_processor(cpu)}")]
    rows += _compared(tasks, sizes, ours())
    every = None
    if sizes.every:
        task = partial(average_precision, database, database, of_database, of_database)
        every = _processor_seconds(task)
        case = f"mAP, all {sizes.database:,} codes as queries"
        rows.append(Row(case, OURS, floor=_processor(every)))
    targets = _targets(rows, cpu, every)
    at_size = (sizes.queries, sizes.database, sizes.bits) == PROMISED
    notes = (
        "Floor: mAP in percent, ours with its bounds over ties; codes are random, and of one class "
        "alike.",
        "Promises and ratios are of processor time, of which others on the machine take none.",
        *peers.notes(),
    )
    return Report("hashing", tuple(rows), targets if at_size else targets[:2], notes, origin)


def _codes(count: int, bits: int, seed: int) -> tuple[Codes, Int64[np.ndarray, "points"]]:
    """Random codes whose bits depend a little on the class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(CLASSES, size=count)
    chances = 0.5 + 0.15 * np.random.default_rng(9).standard_normal((CLASSES, bits))
    return pack(rng.random((count, bits)) < chances[labels]), labels


def _compared(
    tasks: dict[str, Callable[[], Any]], sizes: HashingSizes, exact: AveragePrecision
) -> list[Row]:
    seconds = {
        name: _processor_seconds(task, min(sizes.repeats, 3)) for name, task in tasks.items()
    }
    case = f"full rankings, processor time, {sizes.compared:,} queries × {sizes.database:,} codes"
    floors = {OURS: _words(exact)} | {
        name: f"{100 * task().mean():.2f}" for name, task in tasks.items() if name != OURS
    }
    return [
        Row(case, name, seconds[name], seconds[name] / seconds[OURS], floor=floors[name])
        for name in tasks
    ]


def _processor_seconds(task: Callable[[], Any], repeats: int = 1) -> float:
    """Processor time of a task, by all threads of the process: the median of its repeats."""
    found = []
    for _ in range(repeats):
        before = time.process_time()
        task()
        found.append(time.process_time() - before)
    return float(np.median(found))


def _processor(seconds: float) -> str:
    return f"{seconds:.3g} s of a processor"


def _words(found: AveragePrecision) -> str:
    ends = [100 * float(each.mean()) for each in (found.expected, found.last, found.first)]
    return "{:.2f} [{:.2f}, {:.2f}]".format(*ends)


def _sorted(
    queries: Codes, database: Codes, labels: np.ndarray, of_database: np.ndarray
) -> Float64[np.ndarray, "queries"]:
    """Average precision of the order that a stable sort of Hamming distances gives."""
    found = []
    for row, label in enumerate(labels):
        order = np.argsort(queries[row : row + 1].hamming(database)[0], kind="stable")
        found.append(_precision(of_database[order] == label))
    return np.array(found)


def _searched(
    index: Any, queries: Codes, labels: np.ndarray, of_database: np.ndarray
) -> Float64[np.ndarray, "queries"]:
    """Average precision of the order in which faiss returns the whole database."""
    found = []
    for start in range(0, len(queries), BLOCK):
        _, order = index.search(queries[start : start + BLOCK].to_faiss(), index.ntotal)
        found += [
            _precision(of_database[row] == label)
            for row, label in zip(order, labels[start : start + BLOCK], strict=True)
        ]
    return np.array(found)


def _precision(hits: np.ndarray) -> float:
    places = np.flatnonzero(hits) + 1
    return float((np.arange(1, len(places) + 1) / places).mean())


def _targets(rows: list[Row], cpu: float, every: float | None) -> tuple[Target, ...]:
    ratios = {row.method: row.ratio for row in rows if row.ratio is not None}
    return (
        at_least("mAP, of a numpy argsort", ratios.get(SORT), 20.0, "{} × faster"),
        at_least("mAP, of faiss with full rankings", ratios.get(INDEX), 3.0, "{} × faster"),
        at_most("mAP of 1,000 queries on one core", cpu, 0.3, "{} s"),
        at_most("mAP of all 59,000 as queries", every, 15.0, "{} s"),
    )
