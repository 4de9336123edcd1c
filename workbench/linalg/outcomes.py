"""What a factorisation found, and what it says when that is bad: tolerances, errors, warnings."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from workbench.errors import WorkbenchError


class IllConditionedWarning(UserWarning):
    """Eigenvalues were so small that a floor stood in for them.

    `warnings.simplefilter("error", IllConditionedWarning)` makes it an error.
    """


def rounding_tolerance(values: Float64[Tensor, "*batch n"]) -> Float64[Tensor, "*batch"]:
    """n · 2.2e-16 · max|values|: what rounding leaves of a zero eigenvalue or singular value."""
    n = values.shape[-1]
    if n == 0:
        return values.new_zeros(values.shape[:-1])
    return n * torch.finfo(values.dtype).eps * values.abs().amax(-1)


def check_finite(a: Float[Tensor, "*shape"], what: str) -> None:
    """Factorisations of NaN end in an unnamed error, a hang, or (on CUDA) in silence: say it first.

    Raises:
        WorkbenchError: an entry is NaN or Inf.
    """
    if not bool(torch.isfinite(a).all()):
        raise WorkbenchError(
            f"a finite {what}",
            "NaN or Inf among its entries",
            "lower the learning rate, or look for NaN in the input",
        )


def check_square(a: Tensor) -> None:
    """A matrix function, and an eigendecomposition, need a square matrix.

    Raises:
        WorkbenchError: it is not.
    """
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise WorkbenchError(
            "square matrices, (*batch, n, n)",
            f"a tensor of shape {tuple(a.shape)}",
            "of features (m, d), pass the Gram matrix x.mT @ x, or use the SVD layer",
        )
