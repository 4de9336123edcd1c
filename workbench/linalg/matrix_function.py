"""Functions of symmetric matrices, f(A) = V f(Λ) Vᵀ, with exact derivatives at every gap and tie.

The adjoint is V (L ∘ (VᵀGV)) Vᵀ with L_ij = f[λ_i, λ_j] the divided differences of f (Daleckii and
Krein 1965), for which `scalar_function` has forms without cancellation. The paper gets the same
from Proposition 2 through 1/(λ_i − λ_j), which loses digits as a gap closes and is NaN at a tie.
Double backward takes the second divided differences: with upstream H of that adjoint,

    ∂/∂A = V T Vᵀ,   T_ij = Σ_k f[λ_i, λ_k, λ_j] (H_ik G_jk + G_ki H_kj)   (in the eigenbasis).

All of it is computed in float64, whatever the dtype of input and result.

**Eigenvalues that are zero up to rounding**, λ ≤ τ. By default τ = n · 2.2e-16 · max|λ| (for A = 0,
n · 2.2e-16); `floor` sets τ as an absolute number.
  * f with f(0) finite (sqrt, aᵖ with p > 0): they are zero. Where f'(0) is infinite, the derivative
    is that along matrices of the same rank: within the null space it is zero.
  * f singular at 0 (log, inverse sqrt, aᵖ with p < 0), and any f with a `floor`: they are raised to
    τ, and the derivative is that of f(max(A, τ)) with τ held, exact: 0 among the raised ones.
    Without a `floor` an `IllConditionedWarning` says so.
  * f defined everywhere (exp, whole powers): they are left as they are, negative ones too.
"""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Float64, Int
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg.daleckii_krein import spectral_function
from workbench.linalg.named_functions import EXP, INVERSE_SQRT, LOG, SQRT, power_function
from workbench.linalg.outcomes import check_square, rounding_tolerance
from workbench.linalg.precision import check_real
from workbench.linalg.scalar_function import Domain, ScalarFunction


class MatrixFunction(NamedTuple):
    """Matrix function f(A), with the eigenvalues and the floor found.

    Attributes:
        value: (*batch, n, n) f(A), in the dtype of A, differentiable twice.
        eigenvalues: (*batch, n) float64, of A, ascending, before any floor; no gradient.
        floor: (*batch) float64, τ: eigenvalues up to it were set to τ, or to zero (see the
            module); −inf where f is defined everywhere.
    """

    value: Float[Tensor, "*batch n n"]
    eigenvalues: Float64[Tensor, "*batch n"]
    floor: Float64[Tensor, "*batch"]

    @property
    def floored(self) -> Int[Tensor, "*batch"]:
        """Number of eigenvalues that were not above the floor."""
        return (self.eigenvalues <= self.floor[..., None]).sum(-1)

    @property
    def rank(self) -> Int[Tensor, "*batch"]:
        """Number of eigenvalues that differ from zero by more than rounding."""
        return (self.eigenvalues.abs() > rounding_tolerance(self.eigenvalues)[..., None]).sum(-1)

    @property
    def condition(self) -> Float64[Tensor, "*batch"]:
        """Largest over smallest magnitude of the eigenvalues: inf where one is zero (n ≥ 1)."""
        magnitudes = self.eigenvalues.abs()
        return magnitudes.amax(-1) / magnitudes.amin(-1)


def matrix_function(
    a: Float[Tensor, "*batch n n"],
    f: Callable[[Tensor], Tensor] | ScalarFunction,
    divided_difference: Callable[[Tensor, Tensor], Tensor] | None = None,
    *,
    domain: Domain = "all",
    floor: float | None = None,
) -> MatrixFunction:
    """Matrix function of the symmetric part of A, for any scalar function f.

    Args:
        a: (*batch, n, n) real floating; its symmetric part (A + Aᵀ)/2 is used.
        f: elementwise function of a float64 tensor, or a `ScalarFunction`, which has the rest.
        divided_difference: (a, b) ↦ (f(a) − f(b))/(a − b) of tensors that broadcast, without
            cancellation, f'(a) at a = b: the gradient is as exact as this is. Double backward
            derives the second one, to about 10 digits, from this and from f by autograd;
            a `ScalarFunction` with `second` keeps all digits.
        domain: domain of f: "all" of ℝ, "nonnegative" (f(0) is finite) or "positive".
        floor: τ, absolute; see the module. None: rounding.

    Raises:
        WorkbenchError: A is not real, not square, or not finite; f(A) leaves float64's range; f is
            not defined everywhere, there is no floor, and an eigenvalue is below −1e-4 max|λ|; f
            comes without divided differences; the floor is not positive.
    """
    if not isinstance(f, ScalarFunction):
        if divided_difference is None:
            raise WorkbenchError(
                "a divided difference for f",
                "none",
                "pass (a, b) ↦ (f(a) − f(b))/(a − b), in a form that holds at a = b",
            )
        f = ScalarFunction(f, divided_difference, domain=domain)
    if floor is not None and (floor < 0 or (floor == 0 and f.domain == "positive")):
        raise WorkbenchError(
            "a positive floor",
            f"floor={floor}",
            "pass the smallest eigenvalue to let through, or None for rounding",
        )
    check_real(a, "matrix")
    check_square(a)
    symmetric = (a.double() + a.double().mT) / 2
    result, values, tau = spectral_function(symmetric, f, floor)
    return MatrixFunction(result.to(a.dtype), values, tau)


def log(a: Float[Tensor, "*batch n n"], *, floor: float | None = None) -> MatrixFunction:
    """Matrix logarithm of a positive definite A; arguments and errors: `matrix_function`."""
    return matrix_function(a, LOG, floor=floor)


def sqrt(a: Float[Tensor, "*batch n n"], *, floor: float | None = None) -> MatrixFunction:
    """Square root of a positive semidefinite A; arguments and errors: `matrix_function`."""
    return matrix_function(a, SQRT, floor=floor)


def inverse_sqrt(a: Float[Tensor, "*batch n n"], *, floor: float | None = None) -> MatrixFunction:
    """A^-½ of a positive definite A; arguments and errors: `matrix_function`."""
    return matrix_function(a, INVERSE_SQRT, floor=floor)


def power(
    a: Float[Tensor, "*batch n n"], p: float | int, *, floor: float | None = None
) -> MatrixFunction:
    """Aᵖ: any symmetric A for p = 0, 1, 2, …; positive semidefinite for other p > 0, definite for
    p < 0. Arguments and errors: `matrix_function`.
    """
    return matrix_function(a, power_function(p), floor=floor)


def exp(a: Float[Tensor, "*batch n n"]) -> MatrixFunction:
    """Matrix exponential of any symmetric A; arguments and errors: `matrix_function`."""
    return matrix_function(a, EXP)
