"""J1 and J2 against dense m×m oracles: values, gradients, invariances, and the hard cases."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import one_hot

from workbench.errors import WorkbenchError
from workbench.linalg import Affinity
from workbench.linalg.outcomes import RankCollapseWarning, UncertainRankWarning
from workbench.objectives import j1, j2

Objective = Callable[..., Tensor]


def projector(a: Tensor) -> Tensor:
    return a @ torch.linalg.pinv(a)


def dense_j1(x: Tensor, labels: Tensor, coupling: Tensor | None = None) -> Tensor:
    """Straight from equation (18): every matrix is m×m."""
    w = x @ x.T if coupling is None else x @ coupling @ x.T
    degrees = w.sum(1)
    e = one_hot(labels).double()
    m = w / degrees.sqrt() / degrees.sqrt()[:, None]
    return (projector(m) - projector(degrees.sqrt()[:, None] * e)).square().sum() / 2


def dense_j2(x: Tensor, labels: Tensor, coupling: Tensor | None = None) -> Tensor:
    """Straight from equation (20)."""
    w = x @ x.T if coupling is None else x @ coupling @ x.T
    return (projector(w) - projector(one_hot(labels).double())).square().sum() / 2


PAIRS = [pytest.param(j1, dense_j1, id="J1"), pytest.param(j2, dense_j2, id="J2")]


def features(pixels: int, dimensions: int) -> Tensor:
    return torch.rand(pixels, dimensions, dtype=torch.float64)


@pytest.mark.parametrize(("objective", "oracle"), PAIRS)
def test_value_is_the_distance_of_the_projectors(objective, oracle) -> None:
    x, labels = features(40, 6), torch.arange(40) % 5
    found = objective(Affinity(x), labels)
    torch.testing.assert_close(found.value, oracle(x, labels))
    assert found.rank == 6


@pytest.mark.parametrize(("objective", "oracle"), PAIRS)
def test_gradient_is_that_of_the_oracle(objective, oracle) -> None:
    x, labels = features(40, 6).requires_grad_(), torch.arange(40) % 5
    (ours,) = torch.autograd.grad(objective(Affinity(x), labels).value, x)
    # the projector of X itself: pinv of the m×m matrix differentiates badly at rank 6
    if oracle is dense_j2:
        range_of = projector(x)
        target = projector(one_hot(labels).double())
    else:
        degrees = x @ x.sum(0)
        range_of = projector(x / degrees.sqrt()[:, None])
        target = projector(degrees.sqrt()[:, None] * one_hot(labels))
    (theirs,) = torch.autograd.grad((range_of - target).square().sum() / 2, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("objective", [j1, j2])
def test_gradcheck(objective, ridge: float) -> None:
    x, labels = features(20, 4).requires_grad_(), torch.randint(3, (2, 20))
    assert torch.autograd.gradcheck(lambda x: objective(Affinity(x), labels, ridge=ridge).value, x)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("objective", [j1, j2])
def test_gradgradcheck(objective, ridge: float) -> None:
    x, labels = features(12, 3).requires_grad_(), torch.randint(3, (2, 12))
    root = torch.rand(3, 3, dtype=torch.float64)
    coupling = (root @ root.T).requires_grad_(objective is j1)

    def value(x: Tensor, coupling: Tensor) -> Tensor:
        return objective(Affinity(x, coupling), labels, ridge=ridge).value

    assert torch.autograd.gradgradcheck(value, (x, coupling))


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("objective", [j1, j2])
def test_second_derivatives_at_constant_rank(objective, ridge: float) -> None:
    """X = ABᵀ of rank 2 in 4 features: along the factors the rank stays, and so do derivatives."""
    a, labels = features(12, 2), torch.randint(3, (12,))
    b = (torch.rand(4, 2, dtype=torch.float64) + 0.1).requires_grad_()

    def value(b: Tensor) -> Tensor:
        return objective(Affinity(a @ b.T), labels, ridge=ridge).value

    assert torch.autograd.gradgradcheck(value, b)


@pytest.mark.parametrize("objective", [j1, j2])
def test_both_ways_to_the_gradient_agree(objective) -> None:
    x, labels = features(60, 5).float().requires_grad_(), torch.randint(3, (2, 60))
    value = objective(Affinity(x), labels, ridge=1e-3).value
    (fast,) = torch.autograd.grad(value, x, retain_graph=True)
    (smooth,) = torch.autograd.grad(value, x, create_graph=True)
    assert smooth.requires_grad
    assert fast.dtype == smooth.dtype == torch.float32
    torch.testing.assert_close(smooth.detach(), fast)


def test_compiled_or_not_is_the_same() -> None:
    """In a process of its own: dynamo does not trace the checks of shapes that tests install."""
    program = """
import torch
from workbench.linalg import Affinity
from workbench.objectives import j1, j2
x, labels = torch.rand(40, 4, dtype=torch.float64, requires_grad=True), torch.arange(40) % 3
for objective in (j1, j2):
    value = lambda x: 2 * objective(Affinity(x.square()), labels).value
    compiled = torch.compile(value, backend="aot_eager")
    torch.testing.assert_close(
        torch.autograd.grad(compiled(x), x), torch.autograd.grad(value(x), x)
    )
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_j1_trains_the_coupling_and_j2_does_not() -> None:
    x, labels = features(20, 4), torch.arange(20) % 3
    root = torch.rand(4, 4, dtype=torch.float64)
    coupling = (root @ root.T + torch.eye(4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda c: j1(Affinity(x, c), labels).value, coupling)
    torch.testing.assert_close(
        j1(Affinity(x, coupling), labels).value, dense_j1(x, labels, coupling)
    )
    assert not j2(Affinity(x, coupling), labels).value.requires_grad


@pytest.mark.parametrize("objective", [j1, j2])
def test_several_annotators_are_the_mean_over_them(objective) -> None:
    x = features(60, 5).requires_grad_()
    labels = torch.stack([torch.randint(k, (60,)) for k in (2, 4, 9)])
    together = objective(Affinity(x), labels)
    alone = torch.stack([objective(Affinity(x), row).value for row in labels]).mean()
    torch.testing.assert_close(together.value, alone)
    torch.testing.assert_close(
        *(torch.autograd.grad(value, x)[0] for value in (together.value, alone))
    )


@pytest.mark.parametrize("objective", [j1, j2])
def test_perfect_features_have_distance_zero(objective) -> None:
    labels = torch.arange(30) % 4
    found = objective(Affinity(one_hot(labels).double().requires_grad_()), labels)
    assert found.value.item() == pytest.approx(0, abs=1e-12)
    assert found.alignment == pytest.approx(1)


@given(
    pixels=st.integers(1, 40),
    dimensions=st.integers(1, 8),
    k=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=50, deadline=None)
def test_values_are_distances(pixels: int, dimensions: int, k: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(pixels, dimensions, dtype=torch.float64, generator=generator)
    labels = torch.randint(k, (pixels,), generator=generator)
    segments = len(labels.unique())
    for objective in (j1, j2):
        found = objective(Affinity(x), labels)
        assert -1e-9 <= found.value.item() <= (found.rank + segments) / 2 + 1e-9
        assert found.rank <= min(pixels, dimensions)


@pytest.mark.parametrize("objective", [j1, j2])
def test_depends_on_the_subspace_and_not_on_the_order_of_pixels(objective) -> None:
    x, labels = features(50, 4), torch.randint(5, (50,))
    value = objective(Affinity(x), labels).value
    order = torch.randperm(50)
    torch.testing.assert_close(objective(Affinity(x[order]), labels[order]).value, value)
    torch.testing.assert_close(objective(Affinity(x), (labels * 7 - 3) % 11).value, value)
    if objective is j2:
        mixing = torch.rand(4, 4, dtype=torch.float64) + torch.eye(4)
        torch.testing.assert_close(objective(Affinity(x @ mixing), labels).value, value)


@pytest.mark.parametrize("objective", [j1, j2])
@pytest.mark.parametrize("dead", [1, 3, 4])
def test_dead_and_repeated_channels_leave_the_objective_as_it_was(objective, dead: int) -> None:
    x, labels = features(50, 5), torch.randint(4, (50,))
    x[:, :dead] = 0
    wide = torch.cat([x, x[:, -1:]], 1).requires_grad_()
    found = objective(Affinity(wide), labels)
    kept = x[:, dead:]
    assert found.rank == 5 - dead
    if found.rank and objective is j2:
        torch.testing.assert_close(found.value, objective(Affinity(kept), labels).value)
    (gradient,) = torch.autograd.grad(found.value, wide)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("objective", [j1, j2])
def test_all_features_off_is_a_rank_collapse(objective) -> None:
    x = torch.zeros(12, 3).requires_grad_()
    with pytest.warns(RankCollapseWarning, match="rank 0"):
        found = objective(Affinity(x), torch.arange(12) % 4)
    assert (found.rank, found.gap, found.value.item()) == (0, 0, pytest.approx(2))
    assert not torch.autograd.grad(found.value, x)[0].any()


def test_a_rank_that_rounding_decides_is_warned_of() -> None:
    x = features(60, 3)
    copied = x[:, :1] * 0.7 + x[:, 1:2] * 0.1
    x = torch.cat([x, copied + 1e-6 * features(60, 1)], 1)  # rank 3 but for a millionth
    with pytest.warns(UncertainRankWarning, match="set a ridge"):
        found = j2(Affinity(x), torch.arange(60) % 4)
    assert found.refined
    assert found.gap == pytest.approx(1 / found.condition)
    tolerant = j2(Affinity(x), torch.arange(60) % 4, relative_tolerance=1e-11)
    assert tolerant.rank == 3
    assert not tolerant.refined
    assert tolerant.gap == pytest.approx(1 / tolerant.condition)
    lifted = j2(Affinity(x), torch.arange(60) % 4, ridge=1e-6)
    assert lifted.condition < 1e8


def test_a_pixel_whose_features_are_all_off_contributes_nothing_to_j1() -> None:
    x, labels = features(30, 4), torch.arange(30) % 3
    with_dead = torch.cat([x, torch.zeros(2, 4, dtype=torch.float64)]).requires_grad_()
    found = j1(Affinity(with_dead), torch.cat([labels, torch.tensor([0, 9])]))
    # the segment that has only the dead pixel counts as a missed one: half a unit of distance
    torch.testing.assert_close(found.value, j1(Affinity(x), labels).value + 0.5)
    (gradient,) = torch.autograd.grad(found.value, with_dead)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("objective", [j1, j2])
def test_float32_features_lose_nothing_at_condition_1e5(objective) -> None:
    x = features(400, 8)
    x[:, 0] = x[:, 1] + 4e-5 * x[:, 0]
    x = x.float()
    assert 0.5e5 < torch.linalg.cond(x.double()) < 5e5
    labels = torch.randint(6, (400,))
    single, double = x.clone().requires_grad_(), x.double().requires_grad_()
    (ours,) = torch.autograd.grad(objective(Affinity(single), labels).value, single)
    # the oracle: a QR factorisation in float64, which does not square the condition number
    delta = torch.ones(400, dtype=torch.float64)
    if objective is j1:
        delta = double @ double.sum(0)
    q, _ = torch.linalg.qr(double / delta.sqrt()[:, None])
    e = delta.sqrt()[:, None] * one_hot(labels).double()
    e = e / e.norm(dim=0)
    (theirs,) = torch.autograd.grad(-(q.T @ e).square().sum(), double)
    assert ours.dtype == torch.float32
    assert (ours.double() - theirs).norm() / theirs.norm() < 1e-6


@pytest.mark.parametrize("objective", [j1, j2])
def test_chunks_of_pixels_change_nothing(objective, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = features(101, 5).requires_grad_(), torch.randint(4, (2, 101))
    whole = objective(Affinity(x), labels).value
    (gradient,) = torch.autograd.grad(whole, x)
    monkeypatch.setattr("workbench.linalg.gram.CHUNK", 10)
    parts = objective(Affinity(x), labels).value
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(torch.autograd.grad(parts, x)[0], gradient)


@pytest.mark.parametrize("objective", [j1, j2])
def test_bad_input_is_named(objective) -> None:
    with pytest.raises(WorkbenchError, match="a label for each of the affinity's 10 pixels"):
        objective(Affinity(features(10, 3)), torch.zeros(9, dtype=torch.long))
    for pixels, annotators in ((0, 1), (0, 2), (10, 0)):
        empty = torch.zeros(annotators, pixels, dtype=torch.long)
        with pytest.raises(WorkbenchError, match="at least one pixel, by at least one annotator"):
            objective(Affinity(features(pixels, 3)), empty)
    x = features(10, 3)
    x[4, 1] = torch.nan
    with pytest.raises(WorkbenchError, match="NaN or Inf"):
        objective(Affinity(x), torch.zeros(10, dtype=torch.long))


def test_j1_refuses_negative_degrees() -> None:
    x = features(10, 3)
    x[4] = -0.1
    with pytest.raises(WorkbenchError, match="nonnegative degrees"):
        j1(Affinity(x), torch.arange(10) % 2)
