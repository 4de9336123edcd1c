"""Average precision with ties, held against all orders of the items."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from workbench.errors import WorkbenchError
from workbench.evaluation.retrieval import (
    AveragePrecision,
    Histograms,
    average_precision,
    euclidean_rankings,
    histograms,
    nearest,
)
from workbench.geometry.hyperplanes import Codes, pack

RNG = np.random.default_rng(7)


def drawn(bits: int, queries: int = 5, items: int = 60, classes: int = 3) -> tuple:
    """Codes of queries and database that depend on the class, and their labels."""
    rng = np.random.default_rng(bits)
    labels = [rng.integers(classes, size=size) for size in (queries, items)]
    labels[1][:classes] = np.arange(classes)
    means = rng.random((classes, bits))
    signs = [rng.random((len(each), bits)) < means[each] for each in labels]
    return (*signs, *labels)


def by_hand(relevant: tuple[bool, ...]) -> float:
    """Average precision of a ranking without ties, by its definition."""
    hits = np.cumsum(relevant)
    return sum(hits[k] / (k + 1) for k in np.flatnonzero(relevant)) / hits[-1]


def test_closed_form_and_bounds_are_those_of_all_orders() -> None:
    distances = np.array([0, 1, 1, 1, 2, 2])
    for flags in ([0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 1, 1], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]):
        every = [
            by_hand(tuple(bool(flags[i]) for i in order))
            for order in permutations(range(6))
            if (np.diff(distances[list(order)]) >= 0).all()
        ]
        counts = [np.bincount(distances, weights, 4).astype(np.int64) for weights in (None, flags)]
        found = Histograms(counts[0][None], counts[1][None]).average_precision()
        assert found.expected[0] == pytest.approx(np.mean(every), abs=1e-15)
        assert found.first[0] == pytest.approx(max(every), abs=1e-15)
        assert found.last[0] == pytest.approx(min(every), abs=1e-15)


def test_equal_codes_have_one_precision_whatever_the_order() -> None:
    n, r = 40, 11
    labels = np.arange(n) < r
    h = (1 / np.arange(1, n + 1)).sum()
    codes = pack(np.ones((n, 12), bool))
    for of_database in (labels, labels[::-1], RNG.permutation(labels)):
        found = average_precision(codes[:1], codes, np.array([1]), of_database.astype(int))
        assert found.expected[0] == pytest.approx((h + (r - 1) / (n - 1) * (n - h)) / n)


@pytest.mark.parametrize(
    ("bits", "items"), [(12, 60), (12, 901), (64, 60), (65, 60), (130, 60), (300, 60)]
)
def test_packed_codes_rank_as_unpacked_ones(bits: int, items: int) -> None:
    queries, database, labels, of_database = drawn(bits, items=items)
    found = histograms(pack(queries), pack(database), labels, of_database)
    distances = (queries[:, None] != database).sum(2)
    for row, distance in enumerate(distances):
        assert (found.items[row] == np.bincount(distance, minlength=bits + 1)).all()
        relevant = distance[of_database == labels[row]]
        assert (found.relevant[row] == np.bincount(relevant, minlength=bits + 1)).all()
    precision = found.average_precision()
    order = RNG.permutation(bits)
    for changed in (lambda s: s[:, order], lambda s: ~s):
        again = average_precision(
            pack(changed(queries)), pack(changed(database)), labels, of_database
        )
        assert (again.expected == precision.expected).all()
    assert (precision.last <= precision.expected + 1e-12).all()
    assert (precision.expected <= precision.first + 1e-12).all()
    assert (pack(database)[:7].to_faiss() == np.packbits(database[:7], axis=1)).all()
    assert pack(database).balance == pytest.approx(database.mean(0))
    assert pack(database).distinct == len(np.unique(database, axis=0))


def test_vectors_rank_as_scikit_learn_has_them_and_as_their_rotation() -> None:
    x, labels = RNG.standard_normal((70, 6)), RNG.integers(2, size=70)
    found = euclidean_rankings(x[:9], x[9:], labels[:9], labels[9:]).average_precision()
    for row in range(9):
        scores = -np.linalg.norm(x[9:] - x[row], axis=1)
        theirs = average_precision_score(labels[9:] == labels[row], scores)
        assert found.expected[row] == pytest.approx(theirs)
    rotation, _ = np.linalg.qr(RNG.standard_normal((6, 6)))
    turned = euclidean_rankings((x @ rotation)[:9], (x @ rotation)[9:], labels[:9], labels[9:])
    assert turned.average_precision().expected == pytest.approx(found.expected)


def test_vectors_and_codes_agree_where_distances_do() -> None:
    """Squared distances of bits are Hamming distances: ties, precision and recall are the same."""
    queries, database, labels, of_database = drawn(8)
    codes = histograms(pack(queries), pack(database), labels, of_database)
    vectors = euclidean_rankings(queries * 1.0, database * 1.0, labels, of_database)
    for name in ("expected", "first", "last"):
        ours, theirs = (getattr(each.average_precision(), name) for each in (codes, vectors))
        assert ours == pytest.approx(theirs)
    ranks = np.arange(1, len(database) + 1)
    precision, recall = codes.precision_recall(ranks)
    assert precision == pytest.approx(vectors.precision_recall(ranks)[0])
    assert recall[-1] == 1
    orders = []
    for seed in range(300):
        order = nearest(pack(queries[:1]), pack(database), 20, seed)[0]
        orders.append(np.cumsum(of_database[order] == labels[0]) / np.arange(1, 21))
    one = histograms(pack(queries[:1]), pack(database), labels[:1], of_database)
    assert one.precision_recall(ranks[:20])[0] == pytest.approx(np.mean(orders, 0), abs=0.1)


def bad() -> dict[str, tuple[Callable[[], object], str]]:
    codes, one = pack(np.ones((3, 12), bool)), np.zeros(3, int)

    def mean(queries: Codes, labels: np.ndarray = one) -> AveragePrecision:
        return average_precision(queries, codes, labels, one)

    return {
        "lengths": (lambda: mean(pack(np.ones((3, 24), bool))), "24 and 12 bits"),
        "labels": (lambda: mean(codes, one[:2]), "labels of 3 queries"),
        "nothing relevant": (lambda: mean(codes, one + 1), "3 queries without any"),
        "no queries": (lambda: mean(codes[:0], one[:0]), "found none"),
        "NaN": (lambda: euclidean_rankings(np.full((3, 2), np.nan), np.ones((3, 2)), one, one),
                "NaN"),
    }  # fmt: skip


@pytest.mark.parametrize("case", list(bad()))
def test_bad_input_is_named(case: str) -> None:
    call, said = bad()[case]
    with pytest.raises(WorkbenchError, match=said):
        call()
