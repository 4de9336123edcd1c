"""Effective rank: a number of directions, where no eigenvalue is exactly zero."""

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.linalg.precision import check_real, widened


def effective_rank(values: Float[Tensor, "*batch count"]) -> Float[Tensor, "*batch"]:
    """Effective rank exp(−Σ p log p), p = λ/Σλ (Roy and Vetterli, EUSIPCO 2007).

    r equal eigenvalues have rank r, and small ones add little: it lies between 1 and the number of
    eigenvalues, and is 0 where all are zero.

    Args:
        values: eigenvalues of a positive semidefinite matrix; negative ones count as zero.

    Raises:
        WorkbenchError: the values are not real.
    """
    check_real(values, "spectrum")
    dtype, values = values.dtype, widened(values).clamp(min=0.0)
    total = values.sum(-1, keepdim=True)
    shares = values / torch.where(total > 0, total, 1.0)
    entropy = torch.special.entr(shares).sum(-1)
    return torch.where(total[..., 0] > 0, entropy.exp(), 0.0).to(dtype)
