"""In how many directions something really lies, where no eigenvalue is exactly zero."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.linalg.precision import check_real, widened


def effective_rank(values: Float[Tensor, "*batch count"]) -> Float[Tensor, "*batch"]:
    """exp(−Σ p log p) of eigenvalues as fractions p of their sum (Roy and Vetterli, EUSIPCO 2007).

    r equal eigenvalues have r, and those that hardly carry anything hardly count: it lies between 1
    and their number, and is 0 where all are zero.

    Args:
        values: of a positive semidefinite matrix; what rounding made negative counts as zero.

    Raises:
        WorkbenchError: the values are not real.
    """
    check_real(values, "spectrum")
    dtype, values = values.dtype, widened(values).clamp(min=0.0)
    total = values.sum(-1, keepdim=True)
    shares = values / torch.where(total > 0, total, 1.0)
    entropy = torch.special.entr(shares).sum(-1)
    return torch.where(total[..., 0] > 0, entropy.exp(), 0.0).to(dtype)
