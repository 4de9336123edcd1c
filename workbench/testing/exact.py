"""Derivatives of matrix functions in 110-digit arithmetic.

Straight from the quotients (f(a) − f(b))/(a − b), which lose digits as a gap closes, but have them
to lose. So that none is 0/0, equal eigenvalues are moved apart by 1e-30: 80 digits are left of the
first quotients, and 50 of the second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workbench.errors import WorkbenchError

try:
    import mpmath as mp
except ImportError as error:
    raise WorkbenchError("the package mpmath", "none", "pip install mpmath") from error

DIGITS = 110


@dataclass(frozen=True)
class Exact:
    """f(A), V (L ∘ (VᵀGV)) Vᵀ, and the derivative in A of the inner product of the latter with H.

    Each rounded to float64, once, at the end.
    """

    value: Tensor
    gradient: Tensor
    second: Tensor


def exact(f: Callable[[Any], Any], a: Tensor, g: Tensor, h: Tensor) -> Exact:
    """For symmetric A, G, H of shape (n, n), whose float64 entries are taken as they are."""
    with mp.workdps(DIGITS):
        n = len(a)
        values, v = mp.eigsy(mp.matrix(a.tolist()))
        levels = [values[i] + i * mp.mpf(10) ** -30 for i in range(n)]
        image = [f(t) for t in levels]

        def quotient(i: int, j: int) -> Any:
            return (image[i] - image[j]) / (levels[i] - levels[j])

        first = mp.matrix(n, n)
        for i in range(n):
            for j in range(i):
                first[i, j] = first[j, i] = quotient(i, j)
            # f[a, a] by a neighbour as near as those of ties
            near = levels[i] + mp.mpf(10) ** -29
            first[i, i] = (f(near) - image[i]) / (near - levels[i])
        turned_g, turned_h = (v.T * mp.matrix(t.tolist()) * v for t in (g, h))
        inner = mp.matrix(n, n)
        second = mp.matrix(n, n)
        for i in range(n):
            for j in range(n):
                inner[i, j] = first[i, j] * turned_g[i, j]
                second[i, j] = mp.fsum(
                    _second(levels, first, f, i, k, j)
                    * (turned_h[i, k] * turned_g[k, j] + turned_g[i, k] * turned_h[k, j])
                    for k in range(n)
                )
        return Exact(
            _rounded(v * mp.diag(image) * v.T),
            _rounded(v * inner * v.T),
            _rounded(v * second * v.T),
        )


def _second(levels: list, first: Any, f: Callable[[Any], Any], i: int, j: int, k: int) -> Any:
    """f[a, b, c] with the two that are equal, if any, moved 1e-28 apart."""
    i, j, k = sorted((i, j, k))
    a, b, c = levels[i], levels[j], levels[k]
    if i != k and i != j and j != k:
        return (first[i, j] - first[j, k]) / (a - c)
    step = mp.mpf(10) ** -28
    points = [a, b + (step if i == j else 0), c + (2 * step if j == k else 0)]
    a, b, c = points
    return ((f(a) - f(b)) / (a - b) - (f(b) - f(c)) / (b - c)) / (a - c)


def _rounded(matrix: Any) -> Tensor:
    return torch.tensor([[float(t) for t in row] for row in matrix.tolist()], dtype=torch.float64)
