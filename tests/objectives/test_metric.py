"""Metric criteria against loops over pairs, against a library's, and what they refuse."""

from collections.abc import Callable
from math import exp, log

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from workbench.errors import WorkbenchError
from workbench.objectives.metric import (
    CRITERIA,
    Criterion,
    batch_hard,
    contrastive,
    criterion_named,
    supervised_contrastive,
)

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])  # the last one is alone in its class


def embedding() -> Tensor:
    drawn = torch.randn(9, 5, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    return normalize(drawn).requires_grad_()


def distance(x: Tensor, i: int, j: int) -> float:
    return float((x[i] - x[j]).norm())


def pairs_of(x: Tensor) -> float:
    same, others = [], []
    for i in range(9):
        for j in range(i):
            d = distance(x, i, j)
            if LABELS[i] == LABELS[j]:
                same.append(d**2)
            else:
                others.append(max(0.0, 1.3 - d) ** 2)
    return float(np.mean(same) / 2 + np.mean(others) / 2)


def triplets_of(x: Tensor) -> float:
    hinges = []
    for i in range(8):
        near = min(distance(x, i, j) for j in range(9) if LABELS[j] != LABELS[i])
        far = max(distance(x, i, j) for j in range(9) if j != i and LABELS[j] == LABELS[i])
        hinges.append(max(0.0, 0.3 + far - near))
    return float(np.mean(hinges))


def softmaxes_of(x: Tensor) -> float:
    anchors = []
    for i in range(8):
        similar = {j: exp(float(x[i] @ x[j]) / 0.1) for j in range(9) if j != i}
        total = sum(similar.values())
        own = [-log(s / total) for j, s in similar.items() if LABELS[j] == LABELS[i]]
        anchors.append(np.mean(own))
    return float(np.mean(anchors))


@pytest.mark.parametrize(
    ("criterion", "loop"),
    [
        (lambda x, y: contrastive(x, y, margin=1.3), pairs_of),
        (batch_hard, triplets_of),
        (supervised_contrastive, softmaxes_of),
    ],
)
def test_criteria_are_those_of_loops(criterion: Criterion, loop: Callable) -> None:
    x = embedding()
    found = criterion(x.detach(), LABELS)
    assert float(found) == pytest.approx(loop(x.detach()), rel=1e-6)
    assert torch.autograd.gradcheck(lambda each: criterion(each, LABELS), (x,), atol=1e-5)


@pytest.mark.parametrize("name", ["triplet", "supcon"])
def test_criteria_are_those_of_pytorch_metric_learning(name: str) -> None:
    pml = pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning import distances, losses, miners, reducers

    assert pml
    x = embedding().detach()
    if name == "supcon":
        theirs = losses.SupConLoss(temperature=0.1)(x, LABELS)
    else:
        euclidean = distances.LpDistance(normalize_embeddings=False)
        loss = losses.TripletMarginLoss(0.3, distance=euclidean, reducer=reducers.MeanReducer())
        theirs = loss(x, LABELS, miners.BatchHardMiner(distance=euclidean)(x, LABELS))
    assert float(CRITERIA[name](x, LABELS)) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize("name", CRITERIA)
def test_batches_without_pairs_or_in_half_precision_have_a_finite_gradient(name: str) -> None:
    alone = torch.ones(3, 4, requires_grad=True)  # equal vectors of three classes
    CRITERIA[name](alone, torch.arange(3)).backward()
    assert alone.grad is not None
    assert torch.isfinite(alone.grad).all()
    half = embedding().detach().bfloat16()
    exact = CRITERIA[name](half.double(), LABELS)
    assert float(CRITERIA[name](half, LABELS)) == pytest.approx(float(exact), rel=1e-4)


def test_bad_criteria_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="out of contrastive, triplet, supcon, found 'margin'"):
        criterion_named("margin")
    for criterion in CRITERIA.values():
        with pytest.raises(WorkbenchError, match="a positive"):
            criterion(embedding(), LABELS, 0.0)
