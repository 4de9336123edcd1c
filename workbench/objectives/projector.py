"""J1 and J2: how far the subspace of an affinity lies from human segmentations (paper §5).

    J1 = ½‖Π_M − Π_Ω‖²_F,   M = D^-½WD^-½,  Ω = D^½E   (equations 18 and 19)
    J2 = ½‖Π_W − Π_Ψ‖²_F,   Ψ = E(EᵀE)^-½               (equations 20 and 21)

E is the one-hot assignment of pixels to segments. Both are one function of X and a weight δ > 0 of
each pixel,

    J(X, δ) = ½(r + k) − Tr(ẐᵀSv^-½),  G = Xᵀdiag(δ)⁻¹X,  S = XᵀE,  v = Eᵀδ,  Ẑ = G⁺Sv^-½,

J2 at δ = 1 and J1 at the degrees δ = XΛXᵀ1, through which autograd then reaches X and Λ. Value and
adjoint cost O(md²) time and O(md) memory; products with E are segment sums. Everything d×d is
accumulated in float64 whatever the dtype of X: rank collapse is the normal end of training, and
condition numbers grow with it.

Several human segmentations of one image share all but E, so with labels of shape
(annotators, pixels) the mean over the annotators comes at the price of one.

The rank r is an integer: it is part of the value and has no gradient.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from workbench.errors import WorkbenchError
from workbench.linalg.affinity import Affinity, checked_degrees
from workbench.linalg.gram import InverseRoot, inverse_root, pixel_chunks


@dataclass(frozen=True)
class ProjectorObjective:
    """An objective's value and what was found while computing it.

    Attributes:
        value: scalar float64, differentiable in X (and in Λ, for J1), in [0, (r + k)/2].
        alignment: Tr(Π Π_target)/k in [0, 1], the mean over annotators: 1 where the segmentations
            lie in the range of W.
        rank: numerical rank of W.
        tolerance: eigenvalues of the Gram matrix G up to it counted as zero.
        condition: ratio of the extreme eigenvalues of G that count: κ² of the features.
    """

    value: Float64[Tensor, ""]
    alignment: float
    rank: int
    tolerance: float
    condition: float


@dataclass(frozen=True)
class Assignment:
    """Human segmentations of the same pixels: their one-hot matrices E, side by side.

    Attributes:
        columns: (annotators, pixels) int64, for each pixel the column that holds its one. Different
            annotators have different columns; no column is empty.
        segments: number of columns, over all annotators.
    """

    columns: Int[Tensor, "annotators pixels"]
    segments: int

    @classmethod
    def of(cls, labels: Int[Tensor, "*annotators pixels"]) -> "Assignment":
        """From label maps of any values, (pixels,) or (annotators, pixels)."""
        rows, offset = [], 0
        for row in torch.atleast_2d(labels):
            names, column = torch.unique(row, return_inverse=True)
            rows.append(column + offset)
            offset += len(names)
        return cls(torch.stack(rows), offset)

    @property
    def annotators(self) -> int:
        """How many segmentations there are."""
        return len(self.columns)

    def gather(self, x: Float[Tensor, "pixels features"]) -> Float64[Tensor, "segments features"]:
        """EᵀX, summed in float64."""
        total = x.new_zeros(self.segments, x.shape[1], dtype=torch.float64)
        for part in pixel_chunks(len(x)):
            block = x[part].double()
            for column in self.columns:
                total.index_add_(0, column[part], block)
        return total

    def scatter(
        self, rows: Float64[Tensor, "segments features"], part: slice
    ) -> Float64[Tensor, "chunk features"]:
        """E · rows, for a chunk of the pixels: to each the sum of its segments' rows."""
        total = rows[self.columns[0, part]]
        for column in self.columns[1:, part]:
            total += rows[column]
        return total


class _Misalignment(torch.autograd.Function):
    """−Tr(ẐᵀSv^-½), averaged over annotators, as a function of X and δ.

    Adjoints (Y = diag(δ)⁻¹XẐ, c_j = (SᵀẐ)_jj v_j^(-3/2)):
        ∂/∂X = −2(Ev^-½ − Y)Ẑᵀ,   ∂/∂δ_i = c_label(i) − ‖Y_i‖².
    With a ridge ρ·tr(G)/d·I added to G, ẐẐᵀ becomes ẐẐᵀ + (ρ/d)‖Ẑ‖²I in both.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "pixels features"],
        delta: Float64[Tensor, "pixels"],
        assignment: Assignment,
        inverse: InverseRoot,
        ridge: float,
    ) -> Float64[Tensor, ""]:
        volume = assignment.gather(delta[:, None])  # v
        scale = torch.where(volume > 0, volume, 1.0).rsqrt()  # a segment of volume 0 has S = 0
        s = assignment.gather(x) * scale  # v^-½Sᵀ
        p = s @ inverse.root  # Ẑᵀ = PRᵀ
        power = p.square().sum(1, keepdim=True)  # the diagonal of v^-½SᵀẐ
        ctx.save_for_backward(x, delta, p, scale, power * scale**2)
        ctx.assignment, ctx.inverse, ctx.ridge = assignment, inverse, ridge
        return -power.sum() / assignment.annotators

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, upstream: Float64[Tensor, ""]
    ) -> tuple[Tensor, Tensor, None, None, None]:
        x, delta, p, scale, c = ctx.saved_tensors
        assignment: Assignment = ctx.assignment
        root = ctx.inverse.root
        z = p @ root.T
        core = p.T @ p  # ẐẐᵀ = R core Rᵀ
        lift = ctx.ridge / len(root) * z.square().sum()
        factor = upstream / assignment.annotators
        x_gradient, delta_gradient = torch.empty_like(x), torch.empty_like(delta)
        for part in pixel_chunks(len(x)):
            block = x[part].double() * _reciprocal(delta[part])[:, None]  # diag(δ)⁻¹X
            pulled = torch.add(((block @ root) @ core) @ root.T, block, alpha=float(lift))  # YẐᵀ
            x_gradient[part] = -2 * factor * (assignment.scatter(scale * z, part) - pulled)
            delta_gradient[part] = factor * (
                assignment.scatter(c, part)[:, 0] - (block * pulled).sum(1)
            )
        return x_gradient, delta_gradient, None, None, None


def j1(
    affinity: Affinity,
    labels: Int[Tensor, "*annotators pixels"],
    *,
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
) -> ProjectorObjective:
    """J1 = ½‖Π_M − Π_Ω‖²_F, differentiable in X and Λ (equations 18, 19; Λ invertible).

    Args:
        affinity: the factors of W; its degrees must not be negative. A pixel of degree zero, where
            every feature is off, belongs to no cut and contributes nothing.
        labels: integers of any values, (pixels,) or, for the mean over annotators,
            (annotators, pixels).
        relative_tolerance: see `linalg.gram.inverse_root`.
        ridge: ρ adds ρ·tr(G)/d to the eigenvalues of G; it bounds the gradient, which without it
            grows like 1/σ_min(X).

    Raises:
        WorkbenchError: the shapes do not fit, X or Λ is not finite, or a degree is negative.
    """
    return _objective(affinity, checked_degrees(affinity), labels, relative_tolerance, ridge)


def j2(
    affinity: Affinity,
    labels: Int[Tensor, "*annotators pixels"],
    *,
    relative_tolerance: float | None = None,
    ridge: float = 0.0,
) -> ProjectorObjective:
    """J2 = ½‖Π_W − Π_Ψ‖²_F, differentiable in X (equations 20, 21; Λ invertible).

    The range of W is that of X, so Λ does not enter and cannot be trained by J2.
    Arguments and errors are those of `j1`.
    """
    ones = torch.ones(affinity.pixels, dtype=torch.float64, device=affinity.x.device)
    return _objective(affinity, ones, labels, relative_tolerance, ridge)


def _objective(
    affinity: Affinity,
    delta: Float64[Tensor, "pixels"],
    labels: Int[Tensor, "..."],
    relative_tolerance: float | None,
    ridge: float,
) -> ProjectorObjective:
    if labels.shape[-1] != affinity.pixels:
        raise WorkbenchError(
            f"a label for each of the affinity's {affinity.pixels} pixels",
            f"labels of shape {tuple(labels.shape)}",
            "sample the label maps at the affinity's grid first",
        )
    x = affinity.x
    with torch.no_grad():
        inverse = inverse_root(
            x, _reciprocal(delta), relative_tolerance=relative_tolerance, ridge=ridge
        )
    assignment = Assignment.of(labels)
    misalignment: Tensor = _Misalignment.apply(x, delta, assignment, inverse, ridge)
    segments = assignment.segments / assignment.annotators
    return ProjectorObjective(
        value=(inverse.rank + segments) / 2 + misalignment,
        alignment=-float(misalignment.detach()) / segments,
        rank=inverse.rank,
        tolerance=inverse.tolerance,
        condition=inverse.condition,
    )


def _reciprocal(delta: Float64[Tensor, "pixels"]) -> Float64[Tensor, "pixels"]:
    return torch.where(delta > 0, 1.0 / torch.where(delta > 0, delta, 1.0), 0.0)
