"""The derivative of the leading subspace: against dense oracles, and at ties."""

import pytest
import torch
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg import Affinity
from workbench.linalg.outcomes import ClosedGapWarning


def dense_projector(x: Tensor, coupling: Tensor | None, count: int) -> Tensor:
    """UUᵀ by eigh of the m×m matrix; its derivative is right where all gaps are wide."""
    w = x @ x.T if coupling is None else x @ coupling @ x.T
    scale = w.sum(1).rsqrt()
    _, vectors = torch.linalg.eigh(scale[:, None] * w * scale)
    u = vectors[:, -count:]
    return u @ u.T


def angles(x: Tensor, coupling: Tensor | None, target: Tensor, count: int) -> Tensor:
    """‖UᵀY‖² and ‖U‖⁴ by columns of Y: free of the basis."""
    return (Affinity(x, coupling).spectrum(count).vectors.T @ target).square().sum(0)


@pytest.fixture
def x() -> Tensor:
    return torch.rand(14, 5, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("count", [1, 3, 5])
def test_gradient_of_the_projector(x: Tensor, count: int) -> None:
    target = torch.rand(14, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: angles(x, None, target, count), x)


def test_gradient_of_the_coupling(x: Tensor) -> None:
    target = torch.rand(14, 2, dtype=torch.float64)
    root = torch.rand(5, 5, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, r: angles(x, r @ r.T, target, 2), (x, root))


def test_gradient_of_the_eigenvalues(x: Tensor) -> None:
    assert torch.autograd.gradcheck(lambda x: Affinity(x).spectrum(3).values, x)


def test_dense_oracle(x: Tensor) -> None:
    y = torch.rand(14, 14, dtype=torch.float64)
    u = Affinity(x).spectrum(3).vectors
    (ours,) = torch.autograd.grad((u @ u.T * y).sum(), x)
    # the dense matrix has nine eigenvalues of zero: a shift of X X^T moves none of the first
    (theirs,) = torch.autograd.grad(_by_gram(x, 3, y), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(u @ u.T, dense_projector(x, None, 3), rtol=0, atol=1e-12)


def _by_gram(x: Tensor, count: int, y: Tensor) -> Tensor:
    """The same loss by torch's svd of D^-½X and autograd, with all gaps wide."""
    left, _, _ = torch.linalg.svd(x / (x @ x.sum(0)).sqrt()[:, None], full_matrices=False)
    u = left[:, :count]
    return (u @ u.T * y).sum()


def blocks(offset: float) -> Tensor:
    """Three segments that do not touch, four pixels each: the eigenvalue 1 is threefold."""
    x = torch.zeros(12, 4, dtype=torch.float64)
    for segment in range(3):
        x[4 * segment : 4 * segment + 4, segment] = torch.tensor([1.0, 2.0, 1.5, 0.5])
    x[:, 3] = offset * torch.linspace(0, 1, 12)
    return x


@pytest.mark.parametrize("offset", [0.0, 1e-8, 1e-4, 0.3])
def test_ties_within_the_subspace_do_no_harm(offset: float) -> None:
    """At offset 0 the first three eigenvalues are 1 to the last digit, and the rank is three."""
    x, target = blocks(offset).requires_grad_(), torch.rand(12, 2, dtype=torch.float64)
    (ours,) = torch.autograd.grad(angles(x, None, target, 3).sum(), x)
    direction = torch.zeros_like(x)
    direction[:, :3] = torch.rand(12, 3, dtype=torch.float64)  # along which the rank stays
    if offset == 0.3:
        direction = torch.rand_like(x)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (
            angles(x + sign * step * direction, None, target, 3).sum() for sign in (1, -1)
        )
    expected = float(ahead - behind) / (2 * step)
    assert float((ours * direction).sum()) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_a_closed_gap_is_warned_of_and_finite() -> None:
    x = blocks(0.0).requires_grad_()
    with pytest.warns(ClosedGapWarning, match="eigenvalues 2 and 3"):
        found = Affinity(x).spectrum(2)
    assert found.gap == pytest.approx(0, abs=1e-12)
    (gradient,) = torch.autograd.grad(found.vectors.square().sum(), x)
    assert gradient.isfinite().all()


def test_no_gradient_no_warning() -> None:
    assert Affinity(blocks(0.0)).spectrum(2).rank == 3


def test_float32_features_get_float32_gradients_of_full_quality() -> None:
    single = torch.rand(50, 6).requires_grad_()
    double = single.detach().double().requires_grad_()
    target = torch.rand(50, 2, dtype=torch.float64)
    gradients = [
        torch.autograd.grad(angles(x, None, target, 3).sum(), x)[0] for x in (single, double)
    ]
    assert gradients[0].dtype == torch.float32
    assert (gradients[0].double() - gradients[1]).norm() / gradients[1].norm() < 1e-7


def test_chunks_of_pixels_change_nothing(x: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    root = torch.rand(5, 5, dtype=torch.float64).requires_grad_()
    target = torch.rand(14, 2, dtype=torch.float64)

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(angles(x, root @ root.T, target, 2).sum(), (x, root))

    whole = gradients()
    monkeypatch.setattr("workbench.linalg.gram.CHUNK", 15)
    torch.testing.assert_close(gradients(), whole)


def test_a_second_derivative_is_refused_and_not_silently_incomplete() -> None:
    x = torch.rand(12, 4, dtype=torch.float64, requires_grad=True)
    vectors = Affinity(x).spectrum(2).vectors
    loss = (vectors @ vectors.T)[:5, :5].square().sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(WorkbenchError, match="one derivative of a spectrum"):
        torch.autograd.grad(gradient.square().sum(), x)
