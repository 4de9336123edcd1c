"""Derivatives of f(max(λ, τ)), or of f with eigenvalues up to τ taken for zero, in the eigenbasis.

See `matrix_function` for what that is and why.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from workbench.linalg.scalar_function import ScalarFunction

BLOCK = 1 << 22
"""Entries of the n×n×n second differences that are held at a time: 32 MiB."""


class Levels(NamedTuple):
    """Eigenvalues, and what f is given in their place.

    Attributes:
        at: where they lie: as found, or zero where they are taken for zero.
        used: the arguments of f.
        kept: which of them lie above τ.
    """

    at: Float64[Tensor, "*shape"]
    used: Float64[Tensor, "*shape"]
    kept: Bool[Tensor, "*shape"]

    @classmethod
    def of(
        cls,
        values: Float64[Tensor, "*batch n"],
        tau: Float64[Tensor, "*batch"],
        *,
        raise_to_tau: bool,
    ) -> "Levels":
        """Eigenvalues up to τ raised to it, or else taken for zero."""
        kept = values > tau[..., None]
        if raise_to_tau:
            return cls(values, torch.where(kept, values, tau[..., None]), kept)
        zeroed = torch.where(kept, values, 0.0)
        return cls(zeroed, zeroed, kept)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Levels":
        """The same change of shape for all three."""
        return Levels(change(self.at), change(self.used), change(self.kept))


def first_differences(f: ScalarFunction, levels: Levels) -> Float64[Tensor, "*batch n n"]:
    """L of the Daleckii–Krein adjoint."""
    return _first(f, levels.each(lambda t: t[..., :, None]), levels.each(lambda t: t[..., None, :]))


def second_derivative(
    f: ScalarFunction,
    levels: Levels,
    h: Float64[Tensor, "*batch n n"],
    g: Float64[Tensor, "*batch n n"],
) -> Float64[Tensor, "*batch n n"]:
    """Σ_k f[λ_i, λ_k, λ_j] (H_ik G_kj + G_ik H_kj), k taken in blocks."""
    n = h.shape[-1]
    step = max(1, BLOCK // max(1, h.numel()))
    total = torch.zeros_like(h)
    rows = levels.each(lambda t: t[..., :, None, None])
    columns = levels.each(lambda t: t[..., None, None, :])
    for start in range(0, n, step):
        part = slice(start, start + step)
        between = levels.each(lambda t, part=part: t[..., None, part, None])  # type: ignore[misc]
        differences = _second(f, rows, between, columns)
        for left, right in ((h, g), (g, h)):
            total += torch.einsum(
                "...ikj,...ik,...kj->...ij", differences, left[..., part], right[..., part, :]
            )
    return total


def _first(f: ScalarFunction, x: Levels, y: Levels) -> Tensor:
    """f[x, y] where both are kept, 0 where none is, by the chain rule through max(·, τ) between."""
    mixed = x.kept != y.kept
    slope = torch.where(mixed, x.used - y.used, 1.0) / torch.where(mixed, x.at - y.at, 1.0)
    return torch.where(x.kept | y.kept, f.difference(x.used, y.used) * slope, 0.0)


def _second(f: ScalarFunction, x: Levels, y: Levels, z: Levels) -> Tensor:
    """f[x, y, z] where all are kept, 0 where none is, the quotient of first differences between."""
    all_kept = x.kept & y.kept & z.kept
    some_kept = x.kept | y.kept | z.kept
    smooth = f.second_difference(x.used, y.used, z.used)
    x, y = _swap(x, y)
    y, z = _swap(y, z)
    x, y = _swap(x, y)
    width = torch.where(all_kept | ~some_kept, 1.0, x.at - z.at)
    quotient = (_first(f, x, y) - _first(f, y, z)) / width
    return torch.where(all_kept, smooth, torch.where(some_kept, quotient, 0.0))


def _swap(x: Levels, y: Levels) -> tuple[Levels, Levels]:
    """The larger and the smaller, entry by entry."""
    right = x.at >= y.at

    def pick(one: Levels, other: Levels) -> Levels:
        return Levels(*(torch.where(right, s, t) for s, t in zip(one, other, strict=True)))

    return pick(x, y), pick(y, x)
