"""φ, P_φ and its adjoint against torch's convolution, in whole numbers where it must be exact."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, unfold

from workbench.errors import WorkbenchError
from workbench.linalg.convolution import PatchOperator

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
operators = st.builds(
    dict,
    channels=st.integers(1, 3),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    kernel=pairs,
    stride=pairs,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=pairs,
)


def whole_numbers(*shape: int) -> Tensor:
    """Sums and products of these are exact in any order."""
    return torch.randint(-9, 10, shape, dtype=torch.float64)


def make(options: dict) -> PatchOperator:
    try:
        return PatchOperator(**options)
    except WorkbenchError:
        assume(False)
        raise


@given(options=operators)
@settings(max_examples=60, deadline=None)
def test_equals_conv2d_exactly(options: dict) -> None:
    phi = make(options)
    z = whole_numbers(2, phi.channels, phi.height, phi.width)
    w, b = whole_numbers(4, phi.patch), whole_numbers(4)
    s = w @ phi(z) + b[:, None]
    kernel = w.reshape(4, phi.channels, *phi.kernel)
    expected = conv2d(z, kernel, b, phi.stride, phi.padding, phi.dilation)
    assert torch.equal(s.reshape(expected.shape), expected)
    assert torch.equal(phi(z), unfold(z, phi.kernel, phi.dilation, phi.padding, phi.stride))


@given(options=operators)
@settings(max_examples=60, deadline=None)
def test_is_its_matrix_and_the_adjoint_its_transpose(options: dict) -> None:
    phi = make(options)
    p = phi.dense()
    assert p.shape == phi.shape
    assert ((p == 0) | (p == 1)).all()
    assert (p.sum(1) <= 1).all()
    z = whole_numbers(phi.channels, phi.height, phi.width)
    columns = z.flatten(1).T.flatten()  # vec stacks the columns of Z
    patches = phi(z)
    assert torch.equal(p @ columns, patches.T.flatten())
    assert torch.equal(torch.mv(phi.sparse(), columns), patches.T.flatten())
    y = whole_numbers(*patches.shape)
    back = phi.adjoint(y)
    assert torch.equal(p.T @ y.T.flatten(), back.flatten(1).T.flatten())
    assert (patches * y).sum() == (z * back).sum()


def test_the_adjoint_is_the_transposed_convolution() -> None:
    phi = PatchOperator(2, 7, 6, (3, 2), (2, 1), (1, 0), (1, 2))
    w, s = whole_numbers(4, phi.patch), whole_numbers(5, 4, *phi.output_size)
    found = phi.adjoint(w.T @ s.flatten(2))
    expected = conv_transpose2d(
        s, w.reshape(4, 2, *phi.kernel), None, phi.stride, phi.padding, (0, 0), 1, phi.dilation
    )
    assert torch.equal(found, expected)


def test_gradients_of_both_directions() -> None:
    phi = PatchOperator(2, 4, 3, (2, 2), padding=(1, 0))
    z = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(phi, z)
    y = torch.randn(phi.patch, phi.places, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(phi.adjoint, y)


def test_it_says_what_it_is() -> None:
    phi = PatchOperator(3, 8, 8, (3, 3), padding=(1, 1))
    ones = int(phi.dense().sum())
    assert repr(phi) == (
        "PatchOperator(3×8×8 → 27×64; kernel 3×3, stride 1×1, padding 1×1, dilation 1×1; "
        f"P_φ is 1,728×192 with {ones:,} ones)"
    )
    assert hash(phi) == hash(PatchOperator(3, 8, 8, (3, 3), padding=(1, 1)))


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(WorkbenchError, match="fits into"):
        PatchOperator(1, 2, 5, (3, 3))
    with pytest.raises(WorkbenchError, match="maps of 1×4×4"):
        PatchOperator(1, 4, 4, (3, 3))(torch.zeros(1, 4, 5))
    with pytest.raises(WorkbenchError, match="10,000,000 entries"):
        PatchOperator(3, 64, 64, (3, 3)).dense()
