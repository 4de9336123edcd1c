"""Gram matrices accumulated in float64, and their pseudo-inverse at a stated rank tolerance.

A Gram matrix squares the condition number: in float32 at κ(X) = 1e5 it is wrong in every digit, in
float64 it keeps six. Every d×d matrix of the workbench is therefore summed in float64, in chunks
of pixels so that a float64 copy of X is never held whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError

CHUNK = 65_536
"""Pixels converted to float64 at a time: 128 MiB at 256 features."""


def pixel_chunks(pixels: int) -> Iterator[slice]:
    """Slices that cover `range(pixels)` in order."""
    for start in range(0, pixels, CHUNK):
        yield slice(start, min(start + CHUNK, pixels))


def gram(
    x: Float[Tensor, "pixels features"], weight: Float64[Tensor, "pixels"] | None = None
) -> Float64[Tensor, "features features"]:
    """`Xᵀ diag(weight) X` in float64: O(md²) time, O(d²) memory beside one chunk of pixels."""
    total = x.new_zeros(x.shape[1], x.shape[1], dtype=torch.float64)
    for part in pixel_chunks(len(x)):
        block = x[part].double()
        weighted = block if weight is None else block * weight[part, None]
        total.addmm_(block.T, weighted)
    return total


@dataclass(frozen=True)
class PseudoInverse:
    """G⁺ of a positive semidefinite G, and what was found on the way.

    Attributes:
        matrix: (features, features) float64, G⁺, or (G + ridge·I)⁻¹ restricted to the range of G.
        eigenvalues: (features,) float64, of G, ascending.
        rank: how many eigenvalues exceed `tolerance`.
        tolerance: the threshold used, in the units of G.
        condition: largest over smallest eigenvalue above the tolerance, the ridge included
            (1 at rank 0).
    """

    matrix: Float64[Tensor, "features features"]
    eigenvalues: Float64[Tensor, "features"]
    rank: int
    tolerance: float
    condition: float


def pseudo_inverse(
    g: Float64[Tensor, "features features"],
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
) -> PseudoInverse:
    """Pseudo-inverse of a positive semidefinite matrix.

    Args:
        g: (features, features) float64, symmetric, positive semidefinite.
        relative_tolerance: eigenvalues up to this fraction of the largest count as zero;
            default: features · 2.2e-16, the rounding error of the matrix itself.
        ridge: this fraction of the mean eigenvalue, tr(G)/features, is added to those kept.

    Raises:
        WorkbenchError: the matrix is not finite.
    """
    if not bool(torch.isfinite(g).all()):
        raise WorkbenchError(
            "finite features",
            "NaN or Inf in their Gram matrix",
            "lower the learning rate, or look for NaN in the input image",
        )
    values, vectors = torch.linalg.eigh(g)
    if relative_tolerance is None:
        relative_tolerance = len(g) * torch.finfo(g.dtype).eps
    tolerance = relative_tolerance * float(values[-1].clamp(min=0.0))
    kept = values > tolerance
    raised = torch.where(kept, values + ridge * values.mean(), 1.0)
    inverse = torch.where(kept, 1.0 / raised, 0.0)
    rank = int(kept.sum())
    return PseudoInverse(
        matrix=(vectors * inverse) @ vectors.T,
        eigenvalues=values,
        rank=rank,
        tolerance=tolerance,
        condition=float(raised[-1] / raised[-rank]) if rank else 1.0,
    )
