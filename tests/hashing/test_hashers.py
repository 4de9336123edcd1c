"""Hashing methods, held against slow oracles on small sets."""

import pickle
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.evaluation.retrieval import average_precision
from workbench.hashing import (
    AGH,
    HASHERS,
    ITQ,
    KSH,
    LSH,
    SSH,
    DiffHash,
    Labelled,
    LDAHash,
    MoreBitsThanClassesWarning,
)
from workbench.hashing.ksh import _Left, ascend
from workbench.hashing.pairs import best_threshold, pair_covariances

SMALL = {
    "agh-1": {"anchors": 20},
    "agh-2": {"anchors": 20},
    "ksh": {"anchors": 20},
    "neural-1": {"passes": 15},
    "neural-2": {"passes": 15},
}
"""Parameters for few points."""


def clusters(points: int, features: int = 8, classes: int = 5, seed: int = 0) -> Labelled:
    """Overlapping clusters about random centres."""
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(classes, size=points - classes)]
    centres = np.random.default_rng(1).standard_normal((classes, features))
    vectors = centres[labels] + 0.6 * rng.standard_normal((points, features))
    return Labelled(vectors.astype(np.float32), labels, classes)


DATA = clusters(60)
X = DATA.vectors.astype(np.float64)
PAIRS = list(combinations(range(len(DATA)), 2))


def same(i: int, j: int) -> bool:
    return bool(DATA.labels[i] == DATA.labels[j])


@pytest.mark.parametrize("name", HASHERS)
def test_every_method_ranks_better_than_chance_by_packed_reproducible_codes(name: str) -> None:
    train, test = clusters(400, classes=8), clusters(200, classes=8, seed=3)
    hashers = [HASHERS[name](bits=6, **SMALL.get(name, {})).fit(train) for _ in range(2)]
    codes, again = (each.encode(test.vectors) for each in hashers)
    assert (codes.words == again.words).all()
    assert codes.signs.tolist() == (hashers[0].values(test.vectors) > 0).tolist()
    one_by_one = np.concatenate([hashers[0].encode(test.vectors[i : i + 1]).words for i in (0, 7)])
    assert (one_by_one == codes.words[[0, 7]]).all()
    kept = pickle.loads(pickle.dumps(hashers[0]))
    assert (kept.encode(test.vectors).words == codes.words).all()
    found = average_precision(codes, codes, test.labels, test.labels).estimate()
    assert found.mean > 0.3  # 1/8 by chance


def test_lsh_is_a_random_layer() -> None:
    hasher = LSH(bits=9, seed=4).fit(None, DATA.vectors)
    layer = np.random.default_rng([4, 0]).standard_normal((9, 8))
    activations = np.maximum((X - X.mean(0)) @ layer.T, 0)  # ρ(Au)
    assert (hasher.encode(DATA.vectors).signs == (activations > 0)).all()


def test_itq_loses_less_than_any_rotation_that_it_started_from() -> None:
    def loss(steps: int) -> float:
        values = ITQ(bits=4, steps=steps).fit(None, DATA.vectors).values(DATA.vectors)
        return float(((np.sign(values) - values) ** 2).sum())

    losses = [loss(steps) for steps in (0, 1, 5, 20)]
    assert losses == sorted(losses, reverse=True)
    projection = ITQ(bits=4).fit(None, DATA.vectors).projection
    _, axes = np.linalg.eigh(np.cov(X.T))
    assert projection.T @ projection == pytest.approx(np.eye(4), abs=1e-9)
    assert axes[:, :4].T @ projection == pytest.approx(np.zeros((4, 4)), abs=1e-6)


def test_covariances_of_pairs_are_those_of_a_loop() -> None:
    found = dict(zip((True, False), pair_covariances(DATA), strict=True))
    for kind, covariance in found.items():
        outer = [np.outer(X[i] - X[j], X[i] - X[j]) for i, j in PAIRS if same(i, j) is kind]
        assert covariance == pytest.approx(np.mean(outer, axis=0))


@pytest.mark.parametrize("ties", [False, True])
def test_best_threshold_is_the_best_of_all(ties: bool) -> None:
    values = np.round(X[:, 0], 0 if ties else 9)

    def cost(threshold: float) -> float:
        apart = {True: [], False: []}
        for i, j in PAIRS:
            apart[same(i, j)].append((values[i] > threshold) != (values[j] > threshold))
        return float(np.mean(apart[True]) + 1 - np.mean(apart[False]))

    ordered = np.unique(values)
    best = min(cost(each) for each in (ordered[1:] + ordered[:-1]) / 2)
    assert cost(best_threshold(values, DATA)) == pytest.approx(best)
    assert best_threshold(np.full(len(DATA), 2.0), DATA) == 2


def test_directions_of_linear_methods_minimise_what_they_say() -> None:
    within, between = pair_covariances(DATA)
    diff = DiffHash(bits=3, alpha=0.5).fit(DATA).projection
    values = np.linalg.eigvals(0.5 * within - between).real
    assert np.trace(diff.T @ (0.5 * within - between) @ diff) == pytest.approx(
        np.sort(values)[:3].sum()
    )
    lda = LDAHash(bits=3).fit(DATA).projection
    quotients = [(v @ within @ v) / (v @ between @ v) for v in lda.T]
    dense = np.sort(np.linalg.eigvals(np.linalg.solve(between, within)).real)
    assert quotients == pytest.approx(dense[:3], rel=1e-4)


def test_first_stump_is_the_best_of_all_stumps() -> None:
    hasher = SSH(bits=1, form="stumps").fit(DATA)
    kinds = [same(i, j) for i, j in PAIRS]

    def correlation(bits: np.ndarray) -> float:
        agree = np.array([1.0 if bits[i] == bits[j] else -1.0 for i, j in PAIRS])
        signs = np.where(kinds, 1.0, -1.0)
        return float((agree * signs)[kinds].mean() + (agree * signs)[np.logical_not(kinds)].mean())

    best = max(
        correlation(X[:, axis] > np.quantile(X[:, axis], k / 13))
        for axis in range(8)
        for k in range(1, 13)
    )
    assert correlation(hasher.encode(DATA.vectors).signs[:, 0]) == pytest.approx(best, abs=1e-5)


def test_agh_has_the_eigenvectors_of_the_dense_graph() -> None:
    hasher = AGH(bits=4, anchors=12, nearest=3).fit(None, DATA.vectors)
    y = hasher.values(DATA.vectors)
    squares = ((X[:, None] - hasher.places) ** 2).sum(2)
    width = np.sqrt(np.sort(squares, axis=1)[:, 2]).mean()
    kept = squares <= np.sort(squares, axis=1)[:, 2:3]
    z = np.where(kept, np.exp(-squares / width**2), 0)
    z /= z.sum(1, keepdims=True)
    graph = z @ np.diag(1 / z.sum(0)) @ z.T
    values = np.linalg.eigvalsh(graph)[::-1][1:5]
    assert graph @ y == pytest.approx(y * values, abs=1e-8)
    assert y.T @ y == pytest.approx(len(X) * np.eye(4), abs=1e-7)
    two = AGH(bits=4, layers=2, anchors=12, nearest=3).fit(None, DATA.vectors)
    second = two.values(DATA.vectors)[:, 2:]
    assert second.mean(0) == pytest.approx(np.zeros(2), abs=1e-9)
    laplacian = np.eye(len(X)) - graph
    above, _ = two.thresholds
    positive = two.values(DATA.vectors)[:, :2] > 0
    for column in range(2):  # no other pair of thresholds of mean 0 costs less
        costs = []
        for shift in (-0.05, 0.0, 0.05):
            f = second[:, column] - shift * positive[:, column]
            costs.append(float(f @ laplacian @ f))  # a constant costs nothing
        assert costs[1] == min(costs)
    assert above.shape == (2,)


def test_ksh_ascends_the_dense_objective() -> None:
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((60, 10))
    left = _Left(DATA.indicators, 6)
    dense = 6 * np.where(DATA.labels[:, None] == DATA.labels, 1.0, -1.0)
    for _ in range(2):
        bit = np.sign(rng.standard_normal(60))
        left.take(bit)
        dense -= np.outer(bit, bit)
    assert left @ kernel == pytest.approx(dense @ kernel)
    start = rng.standard_normal(10)

    def value(a: torch.Tensor) -> torch.Tensor:
        phi = torch.tanh(torch.from_numpy(kernel) @ a / 2)
        return phi @ torch.from_numpy(dense) @ phi

    found = torch.from_numpy(ascend(kernel, left, start, 300)).requires_grad_()
    reached = value(found)
    slope = torch.autograd.grad(reached, found)[0].norm()
    assert float(reached.detach()) > float(value(torch.from_numpy(start)))
    assert float(slope) < 1e-2 * float(reached.detach())
    train = clusters(300)
    mean = KSH(bits=4, anchors=20).fit(train, train.vectors).values(train.vectors).mean(0)
    assert mean == pytest.approx(np.zeros(4), abs=1e-8)  # the kernel's mean is that of the pool


@pytest.mark.parametrize("method", [DiffHash, LDAHash])
def test_bits_past_the_rank_of_the_classes_are_warned_of(method: type[DiffHash]) -> None:
    with pytest.warns(MoreBitsThanClassesWarning, match=r"classes \(5\), got 5"):
        method(bits=5).fit(DATA)


def test_random_state_is_left_alone() -> None:
    state = torch.get_rng_state()
    HASHERS["neural-2"](bits=4, passes=1).fit(DATA)
    assert torch.equal(torch.get_rng_state(), state)


NAN = np.full((4, 8), np.nan, np.float32)
BAD: dict[str, tuple[Callable[[], object], str]] = {
    "NaN": (lambda: LSH(4).fit(None, NAN), "32 entries that are NaN"),
    "NaN to encode": (lambda: LSH(4).fit(DATA).encode(NAN), "NaN"),
    "bits": (lambda: ITQ(9).fit(DATA), "1 to 8 bits"),
    "no bits": (lambda: KSH(0).fit(DATA), "0 bits for KSH"),
    "odd": (lambda: AGH(5, layers=2, anchors=20).fit(DATA), "5 bits, 2 layers"),
    "anchors": (lambda: KSH(4).fit(DATA), "1 to 60 anchors"),
    "labels": (lambda: KSH(4).fit(None, DATA.vectors), "labelled vectors for KSH"),
    "nothing": (lambda: LSH(4).fit(None), "vectors to fit on"),
    "features": (lambda: LSH(4).fit(DATA).encode(DATA.vectors[:, :5]), "vectors of 8 features"),
    "unfitted": (lambda: LSH(4).encode(DATA.vectors), "fit it first"),
    "a class": (lambda: Labelled(DATA.vectors, DATA.labels, 7), "none of 5, 6"),
    "a label": (lambda: Labelled(DATA.vectors, DATA.labels, 4), "from 0 to 3"),
    "pairs": (lambda: LDAHash(1).fit(Labelled(DATA.vectors[:5], DATA.labels[:5], 5)), "two label"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    call, said = BAD[case]
    with pytest.raises(WorkbenchError, match=said):
        call()
