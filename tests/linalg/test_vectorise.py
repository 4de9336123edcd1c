"""The upper triangle with √2: an isometry, and its inverse."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.linalg.vectorise import unvectorise, vectorise


@given(n=st.integers(0, 9), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_isometry_and_inverse(n: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 3, n, n, dtype=torch.float64, generator=generator)
    a, b = a + a.mT, b + b.mT
    va, vb = vectorise(a), vectorise(b)
    assert va.shape == (3, n * (n + 1) // 2)
    torch.testing.assert_close((va * vb).sum(-1), (a * b).sum((-1, -2)))
    torch.testing.assert_close(unvectorise(va), a)


def test_the_entries_are_the_upper_triangle_row_by_row() -> None:
    a = torch.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    root = 2**0.5
    expected = torch.tensor([1, 2 * root, 3 * root, 4, 5 * root, 6])
    torch.testing.assert_close(vectorise(a), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_stays(dtype: torch.dtype) -> None:
    v = vectorise(torch.eye(3, dtype=dtype))
    assert v.dtype == unvectorise(v).dtype == dtype


def test_gradients() -> None:
    a = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(vectorise, a)
    v = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unvectorise, v)


def test_a_length_that_is_no_triangle_is_named() -> None:
    with pytest.raises(WorkbenchError, match="1, 3, 6, 10"):
        unvectorise(torch.zeros(2, 5))
