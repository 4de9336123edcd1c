"""Symmetric matrices as vectors: the upper triangle, off-diagonal entries times √2.

The √2 makes it an isometry, ⟨vec A, vec B⟩ = Tr(AB): a linear classifier on the vector is one on
the matrix, and distances stay what they were.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.precision import check_real, widened


def vectorise(a: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch entries"]:
    """Vectors (batch…, n(n+1)/2): the upper triangle of symmetric matrices, row by row.

    Raises:
        WorkbenchError: the matrices are not real.
    """
    check_real(a, "matrix")
    row, column = _upper(a.shape[-1], a.device)
    entries = widened(a)[..., row, column]
    return (entries * _scale(row, column).to(entries.dtype)).to(a.dtype)


def unvectorise(v: Float[Tensor, "*batch entries"]) -> Float[Tensor, "*batch n n"]:
    """Symmetric matrices of which these are the vectors.

    Raises:
        WorkbenchError: the number of entries is not n(n+1)/2 for any n, or they are not real.
    """
    check_real(v, "vector")
    entries = v.shape[-1]
    n = (math.isqrt(8 * entries + 1) - 1) // 2
    if n * (n + 1) // 2 != entries:
        raise WorkbenchError(
            "n(n+1)/2 entries: 1, 3, 6, 10, …", f"{entries}", "pass what `vectorise` gave"
        )
    row, column = _upper(n, v.device)
    place = torch.zeros(n, n, dtype=torch.long, device=v.device)
    place[row, column] = place[column, row] = torch.arange(entries, device=v.device)
    wide = widened(v)
    return (wide / _scale(row, column).to(wide.dtype)).to(v.dtype)[..., place]


def _upper(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    row, column = torch.triu_indices(n, n, device=device)
    return row, column


def _scale(row: Tensor, column: Tensor) -> Tensor:
    twice = 1 + (row != column).double()
    return twice.sqrt()
