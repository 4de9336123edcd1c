"""Operators against their fake kernels; compiled functions against plain ones, in a process."""

import pytest
import torch
from torch import Tensor

from tests.processes import run_python
from workbench.linalg import factorise  # noqa: F401 - registers the operators

SHAPES = [(3, 3), (2, 3, 3), (2, 1, 4, 4), (0, 3, 3), (1, 1), (0, 0)]
TALL = [*SHAPES, (5, 3), (3, 5), (2, 5, 3), (2, 3, 5), (4, 1), (1, 4), (0, 3), (2, 0, 3), (2, 3, 0)]
OPERATORS = torch.ops.workbench


def symmetric(shape: tuple[int, ...]) -> Tensor:
    a = torch.randn(shape, dtype=torch.float64)
    return a @ a.mT


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_square_operators(shape: tuple[int, ...]) -> None:
    """`opcheck` compares shapes, dtypes and strides."""
    a = symmetric(shape)
    values = torch.linalg.eigvalsh(a)
    for operator, arguments in (
        (OPERATORS.eigh, (a,)),
        (OPERATORS.eigh, (a.mT.contiguous().mT,)),
        (OPERATORS.eigh, (a.float(),)),
        (OPERATORS.gram_eigh, (a, 0.1)),
        (OPERATORS.gram_eigh, (a, 0.0)),
        (OPERATORS.smallest_allowed, (values, False)),
        (OPERATORS.watch_gauge, (1e-9 * a, torch.ones_like(a), 1e-4)),
        (OPERATORS.finite, (a.mT, "matrix", "")),
    ):
        torch.library.opcheck(operator.default, arguments)


@pytest.mark.parametrize("shape", TALL, ids=str)
def test_svd_operator(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    for copy in (x, x.mT.contiguous().mT, x.float()):
        torch.library.opcheck(OPERATORS.svd.default, (copy,))


def test_compiled_equals_plain() -> None:
    done = run_python("-m", "tests.linalg.compiled")
    assert done.returncode == 0, done.stdout + done.stderr
