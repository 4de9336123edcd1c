"""Gram matrices accumulated in float64, and the root of their pseudo-inverse.

A Gram matrix squares the condition number κ of X: in float32 at κ = 1e5 it is wrong in every digit.
So everything d×d is summed in float64, in chunks of pixels (there is never a whole float64 copy of
X), and where κ² would still cost digits the Gram matrix is taken a second time, of the features
that the first one has nearly orthonormalised. That is the idea of CholeskyQR2 (Yamamoto et al.,
ETNA 44, 2015) with an eigendecomposition, which finds the rank as well: the error falls from κ²ε to
κε, at twice the cost and only where it is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError

CHUNK = 2**18
"""Entries of X converted to float64 at a time on a CPU: 2 MiB, the size of a core's cache."""

DEVICE_CHUNK = 2**25
"""Entries converted at a time on an accelerator, where launches take the time: 256 MiB."""

REFINE_ABOVE = 1e8
"""Condition number of a Gram matrix past which it is taken twice: there κ²ε is 1e-8."""


Visit = Callable[[slice, Tensor], None]
"""Function that is called with a slice and its rows of X, float64."""


def pixel_chunks(x: Float[Tensor, "pixels features"]) -> Iterator[slice]:
    """Slices of at most `CHUNK` entries, at least a row each, that cover the rows of X in order."""
    entries = CHUNK if x.device.type == "cpu" else DEVICE_CHUNK
    rows = max(entries // max(x.shape[1], 1), 1)
    for start in range(0, len(x), rows):
        yield slice(start, min(start + rows, len(x)))


def rows(x: Float[Tensor, "pixels *rest"], part: slice) -> Float[Tensor, "chunk *rest"]:
    """Rows of one of the `pixel_chunks`; unlike x[part], also in a batched backward pass."""
    return x.narrow(0, part.start, part.stop - part.start)


def gram(
    x: Float[Tensor, "pixels features"],
    weight: Float64[Tensor, "pixels"] | None = None,
    mix: Float64[Tensor, "features mixed"] | None = None,
    visit: Visit | None = None,
) -> Float64[Tensor, "mixed mixed"]:
    """Gram matrix (X mix)ᵀ diag(weight) (X mix), float64; O(md²) time, O(d²) memory and a chunk.

    `visit` is called with each chunk of X in float64 while it is in the cache.
    """
    size = x.shape[1] if mix is None else mix.shape[1]
    total = x.new_zeros(size, size, dtype=torch.float64)
    for part in pixel_chunks(x):
        block = x[part].double()
        if visit is not None:
            visit(part, block)
        if mix is not None:
            block = block @ mix
        weighted = block if weight is None else block * weight[part, None]
        total.addmm_(block.T, weighted)
    return total


@dataclass(frozen=True)
class InverseRoot:
    """Root R with RRᵀ = G⁺ for a Gram matrix G, with the rank, tolerance and condition found.

    Do not form RRᵀ: S ↦ (SR)Rᵀ keeps digits that S ↦ S(RRᵀ) loses.

    Attributes:
        root: (features, rank) float64, R; with a ridge ρ, RRᵀ = (G + ρI)⁻¹ on the range of G.
        rank: number of eigenvalues of G that exceed `tolerance`.
        tolerance: the threshold used, in the units of G.
        condition: largest over smallest eigenvalue above the tolerance, the ridge included: κ² of
            the weighted features (1 at rank 0).
        gap: the smallest eigenvalue that counts less the next, as a fraction of the largest: where
            it is no more than rounding, so is the rank (0 at rank 0).
        ridge: ρ, in the units of G.
        refined: whether the Gram matrix was taken twice.
    """

    root: Float64[Tensor, "features rank"]
    rank: int
    tolerance: float
    condition: float
    gap: float
    ridge: float
    refined: bool


def inverse_root(
    x: Float[Tensor, "pixels features"],
    weight: Float64[Tensor, "pixels"] | None = None,
    *,
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
    visit: Visit | None = None,
) -> InverseRoot:
    """Root of the pseudo-inverse of G = Xᵀ diag(weight) X.

    Args:
        x: (pixels, features) float32 or float64.
        weight: (pixels,) float64, nonnegative; None: all ones.
        relative_tolerance: eigenvalues of G up to this fraction of the largest count as zero;
            default: features · 2.2e-16, the rounding error of G.
        ridge: this fraction of the mean eigenvalue, tr(G)/features, is added to those kept.
        visit: see `gram`; it gets each chunk once.

    Raises:
        WorkbenchError: X is not finite.
    """
    g = gram(x, weight, visit=visit)
    if not bool(torch.isfinite(g).all()):
        raise WorkbenchError(
            "finite features",
            "NaN or Inf in their Gram matrix",
            "lower the learning rate, or look for NaN in the input image",
        )
    values, vectors = torch.linalg.eigh(g)
    if relative_tolerance is None:
        relative_tolerance = len(g) * torch.finfo(g.dtype).eps
    found = values.clamp(min=0.0).tolist()
    largest = max(found, default=0.0)
    tolerance = relative_tolerance * largest
    lift = ridge * sum(found) / max(len(found), 1)
    rank = sum(value > tolerance for value in found)
    first = len(found) - rank
    condition = (largest + lift) / (found[first] + lift) if rank else 1.0
    following = found[first - 1] if first else 0.0
    gap = (found[first] - following) / largest if rank else 0.0
    root = vectors[:, first:] * (values[first:] + lift).rsqrt()
    refined = condition > REFINE_ABOVE
    if refined:
        again, turn = torch.linalg.eigh(gram(x, weight, root) + lift * root.T @ root)
        root = root @ (turn * again.rsqrt())
    return InverseRoot(root, rank, tolerance, condition, gap, lift, refined)
