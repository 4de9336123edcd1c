"""Gradient of J1 and J2 as a differentiable function, for second derivatives.

The formulas are those of `objectives.projector`, whose first-order pass is written for speed, in
chunks and outside of autograd. Here the same gradient is written in float64 with Ẑ a differentiable
function of X and δ. It needs the memory of a few float64 copies of X.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.linalg.gram import inverse_root
from workbench.linalg.gram_solve import gram_solve
from workbench.linalg.outcomes import reciprocal, rsqrt
from workbench.objectives.assignment import Assignment


@dataclass(frozen=True)
class Inversion:
    """Inversion of the Gram matrix: see `linalg.gram.inverse_root`."""

    relative_tolerance: float | None = None
    ridge: float = 0.0


def misalignment_gradient(
    x: Float[Tensor, "pixels features"],
    delta: Float64[Tensor, "pixels"] | None,
    assignment: Assignment,
    inversion: Inversion,
) -> tuple[Float64[Tensor, "pixels features"], Float64[Tensor, "pixels"] | None]:
    """Gradient of −Tr(ẐᵀSv^-½), summed over annotators: ∂/∂X and ∂/∂δ (None for δ = None).

    Differentiable to any order at constant rank: see `linalg.gram_solve`.
    """
    with torch.no_grad():
        weight = None if delta is None else reciprocal(delta.detach())
        root = inverse_root(
            x.detach(), weight, relative_tolerance=inversion.relative_tolerance
        ).root
    share = inversion.ridge / x.shape[1]
    wide = x.double()
    half = wide if delta is None else wide * rsqrt(delta)[:, None]  # diag(δ)^-½X
    whole = wide if delta is None else half * rsqrt(delta)[:, None]
    scale = rsqrt(assignment.volumes(delta))
    s = assignment.gather(wide) * scale
    z = gram_solve(half, s.T, root, share * half.square().sum()).T
    pulled = (whole @ z.T) @ z + share * z.square().sum() * whole
    of_x = 2 * (pulled - assignment.scatter(scale * z))
    if delta is None:
        return of_x, None
    c = (z * s).sum(1, keepdim=True) * scale**2
    return of_x, assignment.scatter(c)[:, 0] - (whole * pulled).sum(1)
