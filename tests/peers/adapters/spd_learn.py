"""Functions of symmetric matrices for spd_learn's: logarithm, exponential, roots, powers, vectors.

A complex Hermitian A + iB goes through the real [[A, −B], [B, A]].
"""

from collections.abc import Callable

import spd_learn.functional as functional
import torch
from spd_learn.functional import core
from torch import Tensor

from tests.peers.counting import counted, stand_in
from workbench import linalg


def real(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function, for complex Hermitian matrices too."""

    def call(x: Tensor, *args: object) -> Tensor:
        if not x.is_complex():
            return function(x, *args)
        n = x.shape[-1]
        upper, lower = torch.cat([x.real, -x.imag], -1), torch.cat([x.imag, x.real], -1)
        y = function(torch.cat([upper, lower], -2), *args)
        return torch.complex(y[..., :n, :n], y[..., n:, :n]).to(x.dtype)

    return call


def raised(x: Tensor, floor: float) -> Tensor:
    """Eigenvalues raised to the floor."""
    identity = linalg.ScalarFunction(
        lambda a: a,
        lambda a, b: torch.ones_like(a + b),
        lambda a, b, c: torch.zeros_like(a + b + c),
    )
    return linalg.matrix_function(x, identity, floor=float(floor)).value


FUNCTIONS = {
    "matrix_log": lambda x: linalg.log(x).value,
    "matrix_exp": lambda x: linalg.exp(x).value,
    "matrix_sqrt": lambda x: linalg.sqrt(x).value,
    "matrix_inv_sqrt": lambda x: linalg.inverse_sqrt(x).value,
    "matrix_power": lambda x, p: linalg.power(x, float(p)).value,
    "clamp_eigvals": raised,
}
their_power = core.matrix_power.apply
for name, function in FUNCTIONS.items():
    getattr(core, name).apply = staticmethod(counted(real(function)))


@counted
def both_roots(x: Tensor) -> tuple[Tensor, Tensor]:
    """Square root and its inverse."""
    return tuple(real(FUNCTIONS[name])(x) for name in ("matrix_sqrt", "matrix_inv_sqrt"))


core.matrix_sqrt_inv.apply = staticmethod(both_roots)
our_power = core.matrix_power.apply


def power(x: Tensor, exponent: float | Tensor) -> Tensor:
    """Exponents that are trained, or several at a time, are the peer's own."""
    if isinstance(exponent, Tensor) and (exponent.requires_grad or exponent.numel() > 1):
        return their_power(x, exponent)
    return our_power(x, exponent)


core.matrix_power.apply = staticmethod(power)
vectorise, unvectorise = counted(linalg.vectorise), counted(linalg.unvectorise)
to_upper, to_symmetric = functional.sym_to_upper, functional.vec_to_sym


def sym_to_upper(x: Tensor, preserve_norm: bool = True, upper: bool = True) -> Tensor:
    """Ours is the isometry of the upper triangle of real matrices; others are the peer's own."""
    if preserve_norm and upper and not x.is_complex():
        return vectorise(x)
    return to_upper(x, preserve_norm=preserve_norm, upper=upper)


def vec_to_sym(v: Tensor, preserve_norm: bool = True, upper: bool = True) -> Tensor:
    """As `sym_to_upper`."""
    if preserve_norm and upper and not v.is_complex():
        return unvectorise(v)
    return to_symmetric(v, preserve_norm=preserve_norm, upper=upper)


stand_in(to_upper, sym_to_upper, "")
stand_in(to_symmetric, vec_to_sym, "")
