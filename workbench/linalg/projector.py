"""Orthogonal projector Π_A on the range of a matrix, and A⁺ (paper §4.2, Lemma 1).

Lemma 1 differentiates Π_A through A⁺. On matrices of constant rank both are smooth (Golub and
Pereyra, SIAM J. Numer. Anal. 10, 1973, eq. 4.11 and 4.12):

    dΠ = N dA A⁺ + (N dA A⁺)ᵀ,                          N = I − AA⁺,
    dA⁺ = −A⁺ dA A⁺ + A⁺A⁺ᵀ dAᵀ N + N' dAᵀ A⁺ᵀA⁺,       N' = I − A⁺A.

At a rank-deficient matrix that is what "the gradient" means here: the derivative along changes of A
that keep its rank; there is none along the others, since the projector jumps. It is finite. The
adjoints are made of A, A⁺ and Π_A themselves, so derivatives of any order come out.

Factors come from an SVD in float64 whatever the dtype of A, so that the condition number is never
squared; for X of many pixels use `objectives` or `linalg.gram`, which need no pixels² memory.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.outcomes import UncertainRankWarning, check_finite
from workbench.linalg.precision import check_real, rounding_unit, unit_of
from workbench.linalg.transforms import BothModes, applied, batch_in_front

UNCERTAIN = 10.0
"""Factor above the tolerance within which a singular value makes the rank uncertain."""


@dataclass(frozen=True)
class RangeResult:
    """Function of the range of A, with rank, tolerance and condition from its factorisation.

    Attributes:
        value: Π_A, (*batch, rows, rows), or A⁺, (*batch, columns, rows), in the dtype of A.
        rank: (*batch,) number of singular values that exceed the tolerance.
        tolerance: (*batch,) in the units of A.
        condition: (*batch,) largest over smallest singular value that counts; 1 at rank 0.
        gap: (*batch,) the smallest singular value that counts less the next, as a fraction of the
            largest; 0 at rank 0.
    """

    value: Float[Tensor, "*batch out rows"]
    rank: Int[Tensor, "*batch"]
    tolerance: Float64[Tensor, "*batch"]
    condition: Float64[Tensor, "*batch"]
    gap: Float64[Tensor, "*batch"]


def projector(
    a: Float[Tensor, "*shape"], *, relative_tolerance: float | None = None
) -> RangeResult:
    """Orthogonal projector Π_A = AA⁺ on the range of A, differentiable to any order.

    Args:
        a: (*batch, rows, columns) real floating, of any shape and rank.
        relative_tolerance: singular values up to this fraction of the largest count as zero;
            default: max(rows, columns) times the rounding error of A's dtype, of float32 for the
            halves.

    Raises:
        WorkbenchError: A is not real, has fewer than two dimensions, or NaN or Inf among its
            entries.

    Warns:
        UncertainRankWarning: a singular value barely exceeds the tolerance.
    """
    wide, factors = _factors(a, relative_tolerance)
    inverse = _inverse(wide, factors)
    value: Tensor = applied(_Projector, wide, inverse, factors.left)
    return factors.result(value.to(a.dtype))


def pseudo_inverse(
    a: Float[Tensor, "*shape"], *, relative_tolerance: float | None = None
) -> RangeResult:
    """Pseudo-inverse A⁺ of Moore and Penrose, differentiable to any order.

    Arguments, errors and warnings are those of `projector`.
    """
    wide, factors = _factors(a, relative_tolerance)
    inverse = _inverse(wide, factors) / factors.unit[..., None, None]
    return factors.result(inverse.to(a.dtype))


@dataclass(frozen=True)
class _Factors:
    """Factors A/unit = left diag(values) rightᵀ on its range: columns beyond the rank are zero.

    The unit is 1 but for matrices of extreme scale, whose cubes would leave float64's range.
    """

    left: Float64[Tensor, "*batch rows least"]
    values: Float64[Tensor, "*batch least"]
    right: Float64[Tensor, "*batch columns least"]
    rank: Int[Tensor, "*batch"]
    tolerance: Float64[Tensor, "*batch"]
    unit: Float64[Tensor, "*batch"]

    def result(self, value: Float[Tensor, "*batch out rows"]) -> RangeResult:
        """Result with a value, and the figures of the factorisation."""
        padded = torch.nn.functional.pad(self.values, (1, 1))  # 0, σ_1, …, σ_least, 0

        def at(index: Tensor) -> Tensor:
            return padded.gather(-1, index[..., None])[..., 0]

        largest, last = at(self.rank.clamp(max=1)), at(self.rank)
        found = self.rank > 0
        condition = torch.where(found, largest / last, 1.0)
        following = torch.where(found, at(self.rank + 1), 0.0)
        gap = torch.where(found, (last - following) / torch.where(found, largest, 1.0), 0.0)
        return RangeResult(value, self.rank, self.tolerance * self.unit, condition, gap)


def _factors(
    a: Float[Tensor, "*shape"], relative_tolerance: float | None
) -> tuple[Float64[Tensor, "*batch rows columns"], _Factors]:
    if a.ndim < 2:
        raise WorkbenchError(
            "matrices, (*batch, rows, columns)",
            f"a tensor of shape {tuple(a.shape)}",
            "make a vector a matrix of one column, a[:, None]",
        )
    check_real(a, "matrix")
    check_finite(a, "matrix")
    if relative_tolerance is None:
        relative_tolerance = max(a.shape[-2:]) * rounding_unit(a.dtype)
    wide = a.double()
    unit = unit_of(wide)
    wide = wide / unit[..., None, None]
    with torch.no_grad():
        left, values, right = torch.linalg.svd(wide.detach(), full_matrices=False)
        tolerance = relative_tolerance * torch.nn.functional.pad(values, (0, 1))[..., 0]
        kept = values > tolerance[..., None]
        rank = kept.sum(-1)
        if bool((kept & (values <= UNCERTAIN * tolerance[..., None])).any()):
            warnings.warn(
                f"a singular value exceeds the tolerance, {relative_tolerance:.1e} of the largest, "
                f"by less than {UNCERTAIN:.0f} times: rounding may decide the rank; give a "
                "relative_tolerance that lies in a gap of the spectrum",
                UncertainRankWarning,
                stacklevel=3,
            )
        mask = kept[..., None, :].double()
    return wide, _Factors(left * mask, values, right.mT * mask, rank, tolerance, unit)


def _inverse(
    a: Float64[Tensor, "*batch rows columns"], factors: _Factors
) -> Float64[Tensor, "*batch columns rows"]:
    kept = factors.values > factors.tolerance[..., None]
    inverse_values = torch.where(kept, 1 / torch.where(kept, factors.values, 1.0), 0.0)
    value = (factors.right * inverse_values[..., None, :]) @ factors.left.mT
    ranks = factors.rank
    full = tuple(bool((ranks == size).all()) for size in a.shape[-2:])
    if a.shape[-2] >= a.shape[-1]:
        inverse: Tensor = applied(_PseudoInverse, a, value, full)
        return inverse
    transposed: Tensor = applied(_PseudoInverse, a.mT, value.mT, full[::-1])
    return transposed.mT


class _PseudoInverse(BothModes):
    """A ↦ A⁺ for rows ≥ columns; `full` says whether all rows, all columns are independent."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "*batch rows columns"],
        value: Float64[Tensor, "*batch columns rows"],
        full: tuple[bool, bool],
    ) -> Float64[Tensor, "*batch columns rows"]:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.full = inputs[2]
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "*batch columns rows"]
    ) -> tuple[Tensor, None, None]:
        a, inverse = ctx.saved_tensors
        full_rows, full_columns = ctx.full
        gradient = -inverse.mT @ (upstream @ inverse.mT)
        if not full_rows:  # else N = 0
            outer = upstream.mT @ (inverse @ inverse.mT)
            gradient = gradient + outer - a @ (inverse @ outer)
        if not full_columns:  # else N' = 0
            outer = inverse.mT @ (inverse @ upstream.mT)
            gradient = gradient + outer - outer @ (inverse @ a)
        return gradient, None, None

    @staticmethod
    def tangents(ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any) -> Tensor:
        a, inverse = saved
        full_rows, full_columns = ctx.full
        tangent = -inverse @ (along @ inverse)
        if not full_rows:
            outer = (inverse @ inverse.mT) @ along.mT
            tangent = tangent + outer - (outer @ a) @ inverse
        if not full_columns:
            outer = (along.mT @ inverse.mT) @ inverse
            tangent = tangent + outer - inverse @ (a @ outer)
        return tangent

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return applied(_PseudoInverse, *batch_in_front(info, in_dims, args)), 0


class _Projector(BothModes):
    """A ↦ Π_A, given A⁺ (whose own graph serves the second derivative) and a basis."""

    @staticmethod
    def forward(
        a: Float64[Tensor, "*batch rows columns"],
        inverse: Float64[Tensor, "*batch columns rows"],
        basis: Float64[Tensor, "*batch rows least"],
    ) -> Float64[Tensor, "*batch rows rows"]:
        return basis @ basis.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1], output)
        ctx.save_for_forward(inputs[1], output)

    @staticmethod
    def backward(
        ctx: Any, upstream: Float64[Tensor, "*batch rows rows"]
    ) -> tuple[Tensor, None, None]:
        inverse, value = ctx.saved_tensors
        pulled = (upstream + upstream.mT) @ inverse.mT
        return pulled - value @ pulled, None, None

    @staticmethod
    def tangents(ctx: Any, saved: tuple[Tensor, ...], along: Tensor, *_: Any) -> Tensor:
        inverse, value = saved
        moved = along @ inverse
        moved = moved - value @ moved
        return moved + moved.mT

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
        return applied(_Projector, *batch_in_front(info, in_dims, args)), 0
