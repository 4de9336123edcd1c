"""log, sqrt, inverse sqrt, power, exp, and a function of the user's own."""

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.linalg.matrix_function import (
    MatrixFunction,
    exp,
    inverse_sqrt,
    log,
    matrix_function,
    power,
    sqrt,
)
from workbench.linalg.outcomes import IllConditionedWarning
from workbench.testing import DEFICIENT, SMALL, TIES, Case, conjugation


def by_eigh(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The textbook: eigh and autograd, right where the eigenvalues lie apart."""

    def oracle(a: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh((a + a.mT) / 2)
        return (vectors * f(values)[..., None, :]) @ vectors.mT

    return oracle


def tanh_difference(a: Tensor, b: Tensor) -> Tensor:
    """tanh a − tanh b = sinh(a − b) / (cosh a cosh b)."""
    gap = a - b
    quotient = torch.where(gap == 0, 1.0, torch.sinh(gap) / torch.where(gap == 0, 1.0, gap))
    return quotient / (torch.cosh(a) * torch.cosh(b))


def case(name: str, function: Callable[..., MatrixFunction], f: Callable, **options) -> Case:
    return Case(
        name=name,
        function=lambda a: function(a).value,
        inputs=lambda draw: (draw.symmetric(),),
        oracle=by_eigh(f),
        sizes=((4,), (0,), (1,)),
        spectra=TIES + SMALL + DEFICIENT,
        symmetries=(conjugation(),),
        one_graph=True,
        warns=(IllConditionedWarning,),
        **options,
    )


CASES = [
    case("log", log, torch.log),
    case("sqrt", sqrt, torch.sqrt),
    case("inverse sqrt", inverse_sqrt, torch.rsqrt),
    case("exp", exp, torch.exp),
    case("power 0.3", lambda a: power(a, 0.3), lambda t: t**0.3),
    case("power -1.5", lambda a: power(a, -1.5), lambda t: t**-1.5),
    case("power 3", lambda a: power(a, 3), lambda t: t**3),
    case("log with a floor", lambda a: log(a, floor=0.3), lambda t: t.clamp(min=0.3).log()),
    case("tanh", lambda a: matrix_function(a, torch.tanh, tanh_difference), torch.tanh),
]
