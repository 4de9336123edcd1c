"""Π_A and A⁺ where the conformance suite does not look: what is reported, and constant rank."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.linalg.outcomes import UncertainRankWarning
from workbench.linalg.projector import projector, pseudo_inverse


def low_rank(rows: int, columns: int, rank: int) -> torch.Tensor:
    left = torch.rand(rows, rank, dtype=torch.float64)
    return left @ torch.rand(rank, columns, dtype=torch.float64)


@pytest.mark.parametrize(("rows", "columns"), [(6, 4), (4, 4), (4, 6)])
@pytest.mark.parametrize("rank", [0, 1, 3, 4])
def test_conditions_of_moore_and_penrose(rows: int, columns: int, rank: int) -> None:
    a = low_rank(rows, columns, rank)
    found = pseudo_inverse(a)
    plus = found.value
    assert int(found.rank) == rank
    for product, expected in [
        (a @ plus @ a, a),
        (plus @ a @ plus, plus),
        ((a @ plus).T, a @ plus),
        ((plus @ a).T, plus @ a),
        (projector(a).value, a @ plus),
    ]:
        torch.testing.assert_close(product, expected, rtol=0, atol=1e-9)


def test_what_was_found_comes_with_the_value() -> None:
    a = torch.diag(torch.tensor([4.0, 2.0, 1e-3, 0.0], dtype=torch.float64))
    stack = torch.stack([a, 0 * a])
    found = projector(stack)
    assert found.rank.tolist() == [3, 0]
    assert found.condition.tolist() == pytest.approx([4e3, 1])
    assert found.gap.tolist() == pytest.approx([2.5e-4, 0])
    assert found.tolerance.tolist() == pytest.approx([16 * 2.0**-52, 0])
    assert not found.value[1].any()
    coarse = projector(a, relative_tolerance=1e-2)
    assert int(coarse.rank) == 2
    assert float(coarse.gap) == pytest.approx((2 - 1e-3) / 4)


@pytest.mark.parametrize("function", [projector, pseudo_inverse])
@pytest.mark.parametrize(("rows", "columns"), [(5, 4), (4, 4), (4, 5)])
def test_derivatives_along_constant_rank(function, rows: int, columns: int) -> None:
    left = torch.rand(rows, 2, dtype=torch.float64).requires_grad_()
    right = torch.rand(2, columns, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda p, q: function(p @ q).value, (left, right))
    assert torch.autograd.gradgradcheck(lambda p, q: function(p @ q).value, (left, right))


def test_a_rank_that_rounding_decides_is_warned_of() -> None:
    a = torch.diag(torch.tensor([1.0, 1.0, 2e-15], dtype=torch.float64))
    with pytest.warns(UncertainRankWarning, match="relative_tolerance"):
        found = projector(a)
    assert int(found.rank) == 3
    assert int(projector(a, relative_tolerance=1e-12).rank) == 2


def test_bad_input_is_named() -> None:
    with pytest.raises(WorkbenchError, match="one column"):
        projector(torch.rand(3))
    with pytest.raises(WorkbenchError, match="NaN or Inf"):
        pseudo_inverse(torch.tensor([[1.0, torch.inf]]))
