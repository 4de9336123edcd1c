"""J1 and J2: how far the subspace of an affinity lies from human segmentations (paper §5).

    J1 = ½‖Π_M − Π_Ω‖²_F,   M = D^-½WD^-½,  Ω = D^½E   (equations 18 and 19)
    J2 = ½‖Π_W − Π_Ψ‖²_F,   Ψ = E(EᵀE)^-½               (equations 20 and 21)

E is the one-hot assignment of pixels to segments. Both are one function of X and a weight δ > 0 of
each pixel,

    J(X, δ) = ½(r + k) − Tr(ẐᵀSv^-½),  G = Xᵀdiag(δ)⁻¹X,  S = XᵀE,  v = Eᵀδ,  Ẑ = G⁺Sv^-½,

J2 at δ = 1 and J1 at the degrees δ = XΛXᵀ1, through which autograd then reaches X and Λ. Value and
adjoint cost O(md²) time and O(md) memory; products with E are segment sums. Everything d×d is
accumulated in float64 whatever the dtype of X: rank collapse is the normal end of training, and
condition numbers grow with it. `objectives.curvature` has derivatives of higher order.

Several human segmentations of one image share all but E, so with labels of shape
(annotators, pixels) the mean over the annotators costs as much as one.

The rank r is an integer: it is part of the value and has no gradient.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.affinity import Affinity, checked_degrees, within_range
from workbench.linalg.gram import inverse_root, pixel_chunks
from workbench.linalg.outcomes import reciprocal, rsqrt, warn_of_rank
from workbench.linalg.transforms import BothModes, applied, is_differentiated, one_by_one
from workbench.objectives.assignment import Assignment, check_labels
from workbench.objectives.curvature import Inversion, misalignment_gradient


@dataclass(frozen=True)
class ProjectorObjective:
    """Value of an objective, with the figures found while computing it.

    Attributes:
        value: scalar float64, differentiable in X (and in Λ, for J1), in [0, (r + k)/2].
        alignment: Tr(Π Π_target)/k in [0, 1], the mean over annotators: 1 where the segmentations
            lie in the range of W.
        rank: numerical rank of W.
        tolerance: eigenvalues of the Gram matrix G up to it counted as zero.
        condition: ratio of the extreme eigenvalues of G that count: κ² of the features.
        gap: the smallest eigenvalue of G that counts less the next, as a fraction of the largest.
        refined: whether κ was so large that G was taken a second time.
    """

    value: Float64[Tensor, ""]
    alignment: float
    rank: int
    tolerance: float
    condition: float
    gap: float
    refined: bool


class _Misalignment(BothModes):
    """Function −Tr(ẐᵀSv^-½) of X and δ (None: all ones), averaged over annotators.

    Adjoints (Y = diag(δ)⁻¹XẐ, c_j = (SᵀẐ)_jj v_j^(-3/2)):
        ∂/∂X = −2(Ev^-½ − Y)Ẑᵀ,   ∂/∂δ_i = c_label(i) − ‖Y_i‖².
    With a ridge ρ·tr(G)/d·I added to G, ẐẐᵀ becomes ẐẐᵀ + (ρ/d)‖Ẑ‖²I in both.

    What follows from X and δ comes with them, as constants: the assignment's columns, the sums Sᵀ,
    and the root of (G + ρ …)⁺.
    """

    @staticmethod
    def forward(
        x: Float[Tensor, "pixels features"],
        delta: Float64[Tensor, "pixels"] | None,
        columns: Int[Tensor, "annotators pixels"],
        sums: Float64[Tensor, "segments features"],
        root: Float64[Tensor, "features rank"],
        inversion: Inversion,
    ) -> Float64[Tensor, ""]:
        p, _ = _projected(delta, Assignment(columns, len(sums)), sums, root)
        return -p.square().sum() / len(columns)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.inversion = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, ""]
    ) -> tuple[Tensor, Tensor | None, None, None, None, None]:
        x, delta, columns, sums, root = ctx.saved_tensors
        assignment, inversion = Assignment(columns, len(sums)), ctx.inversion
        if is_differentiated(x, delta):
            of_x, of_delta = misalignment_gradient(x, delta, assignment, inversion)
        else:
            of_x, of_delta = _fast_gradient(x, delta, assignment, sums, root, inversion)
        factor = upstream / assignment.annotators
        of_delta = None if of_delta is None else factor * of_delta
        return (factor * of_x).to(x.dtype), of_delta, None, None, None, None

    @staticmethod
    def tangents(
        ctx: Any, saved: tuple[Any, ...], along_x: Tensor, along_delta: Tensor | None, *_: Any
    ) -> Tensor:
        x, delta, columns, sums, _root = saved
        assignment = Assignment(columns, len(sums))
        of_x, of_delta = misalignment_gradient(x, delta, assignment, ctx.inversion)
        tangent = (of_x * along_x.double()).sum()
        if of_delta is not None and along_delta is not None:
            tangent = tangent + (of_delta * along_delta).sum()
        return tangent / assignment.annotators

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return one_by_one(partial(applied, _Misalignment), info, in_dims, args)


def _projected(
    delta: Float64[Tensor, "pixels"] | None,
    assignment: Assignment,
    sums: Float64[Tensor, "segments features"],
    root: Float64[Tensor, "features rank"],
) -> tuple[Float64[Tensor, "segments rank"], Float64[Tensor, "segments 1"]]:
    """P = v^-½SᵀR, so that Ẑᵀ = PRᵀ, and v^-½; a segment of volume 0 has S = 0."""
    scale = rsqrt(assignment.volumes(delta))
    return (sums * scale) @ root, scale


def _fast_gradient(
    x: Float[Tensor, "pixels features"],
    delta: Float64[Tensor, "pixels"] | None,
    assignment: Assignment,
    sums: Float64[Tensor, "segments features"],
    root: Float64[Tensor, "features rank"],
    inversion: Inversion,
) -> tuple[Float[Tensor, "pixels features"], Float64[Tensor, "pixels"] | None]:
    """Gradient as `misalignment_gradient` has it, in chunks and without a graph."""
    p, scale = _projected(delta, assignment, sums, root)
    c = p.square().sum(1, keepdim=True) * scale**2  # from the diagonal of v^-½SᵀẐ
    z = p @ root.T
    # ẐẐᵀ as left · right, as thin as can be; the root's columns make diag(δ)^-½X orthonormal
    left, right = (z.T, z) if len(z) < root.shape[1] else (root, (p.T @ p) @ root.T)
    lift = 2 * (inversion.ridge / len(root)) * z.square().sum()
    right, spread = 2 * right, 2 * scale * z
    x_gradient = torch.empty_like(x)
    delta_gradient = None if delta is None else torch.empty_like(delta)
    for part in pixel_chunks(x):
        block = x[part].double()
        if delta is not None:
            block = block * reciprocal(delta[part])[:, None]  # diag(δ)⁻¹X
        pulled = (block @ left) @ right  # 2YẐᵀ
        if inversion.ridge:
            pulled += lift * block
        if delta_gradient is not None:
            squares = (block * pulled).sum(1) / 2
            delta_gradient[part] = assignment.scatter(c, part)[:, 0] - squares
        x_gradient[part] = pulled.sub_(assignment.scatter(spread, part))
    return x_gradient, delta_gradient


def j1(
    affinity: Affinity,
    labels: Int[Tensor, "*annotators pixels"],
    *,
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
) -> ProjectorObjective:
    """Objective J1 = ½‖Π_M − Π_Ω‖²_F, differentiable in X and Λ (equations 18, 19; Λ invertible).

    Args:
        affinity: factors of W; its degrees must not be negative. A pixel of degree zero, where
            every feature is zero, belongs to no cut and contributes nothing.
        labels: integers of any values, (pixels,) or, for the mean over annotators,
            (annotators, pixels).
        relative_tolerance: see `linalg.gram.inverse_root`.
        ridge: ρ adds ρ·tr(G)/d to the eigenvalues of G; it bounds the gradient, which without it
            grows like 1/σ_min(X).

    Raises:
        WorkbenchError: labels of no pixel or annotator, not integers, or of other pixels; X or Λ is
            not finite, or a degree is negative.

    Warns:
        RankCollapseWarning: every feature of every pixel is zero.
        UncertainRankWarning: see `linalg.outcomes`; a ridge helps.
    """
    affinity, inversion = within_range(affinity), Inversion(relative_tolerance, ridge)
    return _objective(affinity, checked_degrees(affinity), labels, inversion)


def j2(
    affinity: Affinity,
    labels: Int[Tensor, "*annotators pixels"],
    *,
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
) -> ProjectorObjective:
    """Objective J2 = ½‖Π_W − Π_Ψ‖²_F, differentiable in X (equations 20, 21; Λ invertible).

    The range of W is that of X, so Λ does not enter and cannot be trained by J2.
    Arguments and errors are those of `j1`.
    """
    return _objective(within_range(affinity), None, labels, Inversion(relative_tolerance, ridge))


def _objective(
    affinity: Affinity,
    delta: Float64[Tensor, "pixels"] | None,
    labels: Int[Tensor, "..."],
    inversion: Inversion,
) -> ProjectorObjective:
    check_labels(labels)
    if labels.shape[-1] != affinity.pixels:
        raise WorkbenchError(
            f"a label for each of the affinity's {affinity.pixels} pixels",
            f"labels of shape {tuple(labels.shape)}",
            "sample the label maps at the affinity's grid first",
        )
    x, assignment = affinity.single, Assignment.of(labels)
    sums = x.new_zeros(assignment.segments, x.shape[1], dtype=torch.float64)  # Sᵀ
    with torch.no_grad():
        inverse = inverse_root(
            x.detach(),
            None if delta is None else reciprocal(delta.detach()),
            relative_tolerance=inversion.relative_tolerance,
            ridge=inversion.ridge,
            visit=partial(assignment.add_chunk, sums),
        )
    warn_of_rank(inverse.rank, inverse.condition)
    misalignment: Tensor = applied(
        _Misalignment, x, delta, assignment.columns, sums, inverse.root, inversion
    )
    segments = assignment.segments / assignment.annotators
    return ProjectorObjective(
        value=(inverse.rank + segments) / 2 + misalignment,
        alignment=-float(misalignment.detach()) / segments,
        rank=inverse.rank,
        tolerance=inverse.tolerance,
        condition=inverse.condition,
        gap=inverse.gap,
        refined=inverse.refined,
    )
