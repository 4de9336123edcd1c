"""EIG and SVD at ties and zero singular values: what is right, what is undefined, what is said."""

import warnings

import pytest
import torch
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.eig import eig
from workbench.linalg.matrix_function import log, sqrt
from workbench.linalg.outcomes import GaugeWarning
from workbench.linalg.svd import svd


def with_values(values: list[float], columns: int | None = None) -> Tensor:
    """Symmetric with these eigenvalues, or with so many columns and these singular values."""
    n = len(values)
    q, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))
    if columns is None:
        a = (q * torch.tensor(values, dtype=torch.float64)) @ q.T
        return (a + a.T) / 2
    p, _ = torch.linalg.qr(torch.randn(columns, n, dtype=torch.float64))
    return (q * torch.tensor(values, dtype=torch.float64)) @ p.T


def gradient(of: Tensor, at: Tensor, upstream: Tensor | None = None) -> Tensor:
    return torch.autograd.grad(of, at, upstream)[0]


def test_projector_on_a_tied_eigenspace() -> None:
    a = with_values([1, 2, 5, 5]).requires_grad_()
    upstream = torch.randn(4, 4, dtype=torch.float64)
    vectors = eig(a).vectors[:, 2:]
    found = gradient(vectors @ vectors.T, a, upstream)
    # perturbation theory, by the two projectors and the resolvent: no tied pair in it
    values, u = torch.linalg.eigh(a.detach())
    inside, outside = u[:, 2:], u[:, :2]
    weight = 1 / (values[2:, None] - values[None, :2])
    symmetric = (upstream + upstream.T) / 2
    expected = inside @ (weight * (inside.T @ symmetric @ outside)) @ outside.T
    torch.testing.assert_close(found, expected + expected.T, rtol=1e-11, atol=1e-12)


def test_symmetric_functions_of_tied_eigenvalues() -> None:
    a = with_values([1, 3, 3, 3]).requires_grad_()
    torch.testing.assert_close(
        gradient(eig(a).values.log().sum(), a), torch.linalg.inv(a.detach()), rtol=1e-11, atol=0
    )


def test_a_gradient_that_depends_on_the_choice_is_said_to() -> None:
    a = torch.eye(3, dtype=torch.float64).requires_grad_()
    loss = eig(a).vectors[0].sum()
    with pytest.warns(GaugeWarning, match="which vectors were chosen"):
        found = gradient(loss, a)
    assert (found == 0).all()
    x = torch.eye(3, dtype=torch.float64).requires_grad_()
    loss = svd(x).u[0].sum()
    with pytest.warns(GaugeWarning):
        assert gradient(loss, x).isfinite().all()


def test_functions_of_the_matrix_are_for_matrix_function() -> None:
    """U log(Λ) Uᵀ at a tie: EIG is finite, with a warning; right is only matrix_function."""
    a = with_values([1, 2, 5, 5]).requires_grad_()
    upstream = torch.randn(4, 4, dtype=torch.float64)
    values, vectors = eig(a)[:2]
    with pytest.warns(GaugeWarning, match="both a repeated value and the vectors"):
        from_eig = gradient((vectors * values.log()) @ vectors.T, a, upstream)
    right = gradient(log(a).value, a, upstream)
    assert from_eig.isfinite().all()
    # they differ in the one entry that couples the tied vectors
    u = torch.linalg.eigh(a.detach())[1]
    difference = u.T @ (from_eig - right) @ u
    difference[2:, 2:] = 0
    assert difference.abs().max() < 1e-9


def test_paper_is_not_finite_at_a_tie_and_stable_is() -> None:
    a = torch.diag(torch.tensor([1.0, 2.0, 2.0])).requires_grad_()
    for method, finite in (("paper", False), ("stable", True)):
        vectors = eig(a, method=method).vectors
        found = gradient(vectors[:, 1:] @ vectors[:, 1:].T, a, torch.ones(3, 3))
        assert bool(found.isfinite().all()) is finite
        u, _, v = svd(a, method=method)[:3]
        assert bool(gradient(u @ v.T, a, torch.ones(3, 3)).isfinite().all()) is finite


def test_close_values_cost_no_digits_in_what_depends_on_their_space() -> None:
    for gap in (1e-3, 1e-8, 1e-12):
        x = with_values([3, 2, 1 + gap, 1], columns=6).requires_grad_()
        upstream = torch.randn(4, 6, dtype=torch.float64)
        u, _, v = svd(x)[:3]
        # the polar factor is (XXᵀ)^-½ X
        other = torch.linalg.solve(sqrt(x @ x.T).value, x)
        torch.testing.assert_close(
            gradient(u @ v.T, x, upstream), gradient(other, x, upstream), rtol=1e-9, atol=1e-11
        )


def test_zero_singular_values_keep_the_rank() -> None:
    """The projector on the range, through X = BC of independent columns and rows."""
    b = torch.randn(6, 2, dtype=torch.float64).requires_grad_()
    c = torch.randn(2, 4, dtype=torch.float64)
    x = (b @ c).detach().requires_grad_()
    found = svd(x)
    assert found.rank.item() == 2
    u = found.u[:, :2]
    upstream = torch.randn(6, 6, dtype=torch.float64)
    through_x = gradient(u @ u.T, x, upstream) @ c.T
    other = b @ torch.linalg.solve(b.T @ b, b.T)
    torch.testing.assert_close(through_x, gradient(other, b, upstream), rtol=1e-9, atol=1e-11)


def test_outcomes() -> None:
    found = eig(torch.diag(torch.tensor([1.0, 4.0, 4.5])))
    assert found.gap.item() == pytest.approx(0.5)
    assert found.tolerance.item() == pytest.approx(3 * 4.5 * torch.finfo(torch.float64).eps)
    assert eig(torch.eye(1)).gap.item() == torch.inf
    assert eig(torch.eye(2), tolerance=0.1).tolerance.item() == pytest.approx(0.1)
    triplets = svd(torch.zeros(2, 5, 3))
    assert triplets.rank.tolist() == [0, 0]
    assert svd(torch.eye(3), tolerance=2.0).rank.item() == 0


def test_bad_arguments_are_named() -> None:
    with pytest.raises(WorkbenchError, match="as many rows as columns"):
        svd(torch.zeros(2, 3), method="paper")


def test_the_paper_agrees_where_values_lie_apart() -> None:
    x = with_values([3, 2, 1], columns=3).requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function, of in ((svd, lambda r: r[0] @ r[2].T), (eig, lambda r: r[1][:, 1:] ** 2)):
            at = x if function is svd else (x @ x.T).detach().requires_grad_()
            one, other = (
                gradient(of(function(at, method=m)).sum(), at) for m in ("stable", "paper")
            )
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
