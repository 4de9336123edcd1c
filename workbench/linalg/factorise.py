"""Factorisations that check their input, as operators of torch: opaque to `torch.compile`.

To refuse NaN and to warn of a small eigenvalue one must read numbers, which a traced graph cannot.
Behind an operator the tracer sees shapes and strides alone, so a layer compiles into one graph. The
operators have no derivative of their own: each is called in a `torch.autograd.Function`.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.outcomes import (
    GaugeWarning,
    IllConditionedWarning,
    check_finite,
    rounding_tolerance,
)
from workbench.linalg.transforms import batch_in_front, constant

INDEFINITE = 1e-4
"""Fraction of the largest eigenvalue beyond which a negative one is no rounding of float32."""


class EpsilonWarning(IllConditionedWarning):
    """Warning of an ε so small that float64 cannot tell the smallest eigenvalues from zero."""


LARGEST_GRAM = 1e80
"""Eigenvalue past which divided differences of log(ε + t) and (ε + t)^p leave float64's range."""

CHOSEN = (
    "the gradient depends on which vectors were chosen in the space of a repeated value, "
    "so it is not defined: that part of it is taken as zero. Use a function of the whole "
    "space (its projector), or linalg.matrix_function"
)
PAIRED = (
    "the gradient reaches both a repeated value and the vectors of its space: it is right for a "
    "sum of a symmetric function of the values and a function of the whole space, and not for a "
    "function that pairs values with vectors, as U f(Λ) Uᵀ does. Use linalg.matrix_function for "
    "that, or linalg.gram_log and gram_power for singular values"
)

_LIBRARY = torch.library.Library("workbench", "DEF")
_LIBRARY.define("eigh(Tensor a) -> (Tensor, Tensor)")
_LIBRARY.define("svd(Tensor x) -> (Tensor, Tensor, Tensor)")
_LIBRARY.define("smallest_allowed(Tensor values, bool positive) -> Tensor")
_LIBRARY.define("gram_eigh(Tensor a, float shift) -> (Tensor, Tensor)")
_LIBRARY.define("watch_gauge(Tensor turning, Tensor scale, float tolerance, bool paired) -> Tensor")
_LIBRARY.define("finite(Tensor x, str what, str remedy) -> Tensor")


def eigh(
    a: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n n"]]:
    """`torch.linalg.eigh` of a finite symmetric matrix: eigenvalues ascending, eigenvectors.

    Raises:
        WorkbenchError: an entry is NaN or Inf.
    """
    values, vectors = torch.ops.workbench.eigh(a)
    return values, vectors


def svd(
    x: Float[Tensor, "*batch m n"],
) -> tuple[Float[Tensor, "*batch m k"], Float[Tensor, "*batch k"], Float[Tensor, "*batch n k"]]:
    """Thin `torch.linalg.svd` of a finite matrix, k = min(m, n): U, σ descending, V.

    Raises:
        WorkbenchError: an entry is NaN or Inf.
    """
    u, sigma, v = torch.ops.workbench.svd(x)
    return u, sigma, v


def smallest_allowed(
    values: Float64[Tensor, "*batch n"], positive: bool
) -> Float64[Tensor, "*batch"]:
    """Tolerance τ, up to which the eigenvalues of a semidefinite matrix count as zero.

    n · 2.2e-16 · max|values|, or n · 2.2e-16 where all are zero.

    Args:
        values: eigenvalues.
        positive: whether one at or below τ brings an `IllConditionedWarning`.

    Raises:
        WorkbenchError: an eigenvalue is so negative that the matrix was not semidefinite.
    """
    tau: Tensor = torch.ops.workbench.smallest_allowed(values, positive)
    return tau


def gram_eigh(
    a: Float64[Tensor, "*batch n n"], shift: float
) -> tuple[Float64[Tensor, "*batch n"], Float64[Tensor, "*batch n n"]]:
    """Eigenvalues t ≥ 0, ascending, and vectors of a Gram matrix to which ε = shift is added.

    At ε = 0 the eigenvalues up to the tolerance are zero.

    Raises:
        WorkbenchError: an entry is NaN or Inf, or ε > 0 and an eigenvalue exceeds 1e80.

    Warns:
        EpsilonWarning: ε is lost in the rounding error of the matrix.
    """
    t, u = torch.ops.workbench.gram_eigh(a, shift)
    return t, u


def finite(x: Float[Tensor, "*shape"], what: str, remedy: str) -> Float[Tensor, "*shape"]:
    """Tensor x, after making sure that it has no NaN or Inf; no gradient.

    Raises:
        WorkbenchError: an entry is NaN or Inf.
    """
    checked: Tensor = torch.ops.workbench.finite(x.detach(), what, remedy)
    return checked


def watch_gauge(
    turning: Float[Tensor, "*batch n n"],
    scale: Float[Tensor, "*batch n n"],
    eps: float,
    paired: bool = False,
) -> Float[Tensor, "*batch n n"]:
    """Tensor `turning`, after a `GaugeWarning` where it is over 1e-4 of the largest of `scale`.

    Args:
        turning: the part of a gradient that turns vectors of one eigenspace into each other.
        scale: reference for its size: small against this, the function does not depend on them.
        eps: rounding error of the gradient; four times it must not bring a warning.
        paired: the warning is of `watch_pairs`.
    """
    tolerance = max(1e-4, 4 * eps)
    watched: Tensor = torch.ops.workbench.watch_gauge(
        constant(turning), constant(scale), tolerance, paired
    )
    return watched


def watch_pairs(
    to_values: Float[Tensor, "*batch n"],
    to_vectors: Float[Tensor, "*batch n n"],
    tied: Bool[Tensor, "*batch n n"],
    eps: float,
) -> None:
    """Warn where values and vectors of one eigenspace both carry a gradient.

    Args:
        to_values: gradient with respect to the values.
        to_vectors: gradient with respect to the vectors, in their basis.
        tied: pairs of equal values.
        eps: as `watch_gauge` has it.

    Warns:
        GaugeWarning: both parts of the gradient are above 1e-4 of their largest at a tied pair.
    """
    sizes = to_values.abs()
    between = torch.maximum(sizes[..., :, None], sizes[..., None, :])
    shares = []
    for part in (between, to_vectors.abs()):
        largest = part.amax((-2, -1), keepdim=True) if part.shape[-1] else part
        shares.append(part / torch.where(largest > 0, largest, 1.0))
    pairs = tied & ~torch.eye(tied.shape[-1], dtype=torch.bool, device=tied.device)
    both = torch.where(pairs, torch.minimum(*shares), 0.0)
    watch_gauge(both, torch.ones_like(both), eps, paired=True)


@torch.library.impl(_LIBRARY, "eigh", "CompositeExplicitAutograd")
def _eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    check_finite(a, "matrix")
    values, vectors = torch.linalg.eigh(a)
    return values, vectors


@torch.library.impl(_LIBRARY, "svd", "CompositeExplicitAutograd")
def _svd(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    check_finite(x, "matrix")
    u, sigma, vh = torch.linalg.svd(x, full_matrices=False)
    return u, sigma, vh.mT.contiguous()


@torch.library.impl(_LIBRARY, "smallest_allowed", "CompositeExplicitAutograd")
def _smallest_allowed(values: Tensor, positive: bool) -> Tensor:
    n = values.shape[-1]
    tau = rounding_tolerance(values)
    tau = torch.where(tau > 0, tau, n * torch.finfo(values.dtype).eps)
    if values.numel() == 0:
        return tau
    largest = values.abs().amax(-1)
    lowest = float((values.amin(-1) / torch.where(largest > 0, largest, 1.0)).min())
    if lowest < -INDEFINITE:
        raise WorkbenchError(
            "a positive semidefinite matrix",
            f"an eigenvalue of {lowest:.3g} times the largest in magnitude",
            "add a ridge (A + εI), or pass floor=ε to raise the eigenvalues to it",
        )
    if positive:
        below = int((values <= tau[..., None]).sum())
        if below:
            warnings.warn(
                f"{below} of {values.numel()} eigenvalues are zero up to rounding, and a floor "
                "stands in for them: add a ridge (A + εI), or choose floor=ε",
                IllConditionedWarning,
                stacklevel=1,
            )
    return tau


@torch.library.impl(_LIBRARY, "gram_eigh", "CompositeExplicitAutograd")
def _gram_eigh(a: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    check_finite(a.sum(), "Gram matrix of the features")  # one NaN or Inf reaches the sum
    t, u = torch.linalg.eigh(a)
    t = t.clamp(min=0)
    tolerance = rounding_tolerance(t)[..., None]
    if shift == 0:
        return torch.where(t > tolerance, t, 0.0), u
    if bool((tolerance > LARGEST_GRAM * torch.finfo(t.dtype).eps * max(1, t.shape[-1])).any()):
        raise WorkbenchError(
            f"eigenvalues of the Gram matrix up to {LARGEST_GRAM:.0e} beside epsilon > 0",
            f"one of {float(t.max()):.3g}",
            "scale the features down: epsilon is lost in their rounding error anyway",
        )
    if bool((t + shift <= tolerance).any()):
        warnings.warn(
            f"epsilon = {shift:.3g} is lost in the rounding error of the Gram matrix, up "
            f"to {float(tolerance.max()):.3g}, and the smallest eigenvalues with it: raise epsilon "
            "above it, or scale the features down",
            EpsilonWarning,
            stacklevel=2,
        )
    return t, u


@torch.library.impl(_LIBRARY, "finite", "CompositeExplicitAutograd")
def _finite(x: Tensor, what: str, remedy: str) -> Tensor:
    check_finite(x, what, remedy)
    return x.clone()


@torch.library.impl(_LIBRARY, "watch_gauge", "CompositeExplicitAutograd")
def _watch_gauge(turning: Tensor, scale: Tensor, tolerance: float, paired: bool) -> Tensor:
    if turning.numel() and bool(turning.abs().max() > tolerance * scale.abs().max()):
        warnings.warn(PAIRED if paired else CHOSEN, GaugeWarning, stacklevel=1)
    return turning.clone()


def _eigh_shapes(a: Tensor) -> tuple[Tensor, Tensor]:
    return a.new_empty(a.shape[:-1]), a.new_empty(a.shape).mT  # torch.linalg's: column by column


def _svd_shapes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    *batch, m, n = x.shape
    k = min(m, n)
    return x.new_empty(*batch, k, m).mT, x.new_empty(*batch, k), x.new_empty(*batch, n, k)


def _gram_eigh_shapes(a: Tensor, shift: float) -> tuple[Tensor, Tensor]:
    return _eigh_shapes(a)


def _smallest_allowed_shapes(values: Tensor, positive: bool) -> Tensor:
    return values.new_empty(values.shape[:-1])


def _watch_gauge_shapes(turning: Tensor, scale: Tensor, tolerance: float, paired: bool) -> Tensor:
    return torch.empty_like(turning)


def _finite_shapes(x: Tensor, what: str, remedy: str) -> Tensor:
    return torch.empty_like(x)


def _watch_gauge_mapped(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
    return torch.ops.workbench.watch_gauge(*batch_in_front(info, in_dims, args)), 0


def _finite_mapped(info: Any, in_dims: Any, *args: Any) -> tuple[Tensor, int]:
    return torch.ops.workbench.finite(*batch_in_front(info, in_dims, args)), 0


torch.library.register_fake("workbench::eigh", _eigh_shapes, lib=_LIBRARY)
torch.library.register_fake("workbench::svd", _svd_shapes, lib=_LIBRARY)
torch.library.register_fake("workbench::smallest_allowed", _smallest_allowed_shapes, lib=_LIBRARY)
torch.library.register_fake("workbench::gram_eigh", _gram_eigh_shapes, lib=_LIBRARY)
torch.library.register_fake("workbench::watch_gauge", _watch_gauge_shapes, lib=_LIBRARY)
torch.library.register_fake("workbench::finite", _finite_shapes, lib=_LIBRARY)
torch.library.register_vmap("workbench::watch_gauge", _watch_gauge_mapped, lib=_LIBRARY)
torch.library.register_vmap("workbench::finite", _finite_mapped, lib=_LIBRARY)
