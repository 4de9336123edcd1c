"""Poolings of a backbone's maps to the vector that a linear classifier sees, by all methods.

All but average pooling give the d(d+1)/2 entries of `linalg.vectorise`, so that only the layer
differs between the models that are compared.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bench.layers.logarithms import by_eigh, newton_schulz
from workbench.layers import SecondOrderPooling
from workbench.linalg import vectorise

EPSILON = 1e-3
"""ε of the paper's log layer, log(XᵀX + εI)."""

OURS = "workbench log"
ROOT = "workbench square root"
EIGH, EIGH_DOUBLE = "torch eigh + autograd", "torch eigh + autograd, float64"
NEWTON_SCHULZ = "Newton–Schulz square root, 5 steps"
AVERAGE = "average pooling"

Pooling = Callable[[Tensor], Tensor]


def poolings() -> dict[str, Pooling]:
    """Poolings by name, ours first."""
    return {
        OURS: SecondOrderPooling("log", EPSILON, vectorised=True),
        ROOT: SecondOrderPooling("power", centre=True, vectorised=True),
        EIGH: partial(log_by_eigh, dtype=torch.float32),
        EIGH_DOUBLE: partial(log_by_eigh, dtype=torch.float64),
        NEWTON_SCHULZ: root_by_newton_schulz,
        AVERAGE: average,
    }


def log_by_eigh(
    maps: Float[Tensor, "batch features height width"], dtype: torch.dtype
) -> Float[Tensor, "batch entries"]:
    """log(XᵀX/pixels + εI) in plain torch: eigh, differentiated by autograd."""
    x = maps.flatten(2).mT.to(dtype)
    identity = torch.eye(x.shape[2], dtype=dtype, device=x.device)
    return vectorise(by_eigh(x.mT @ x / x.shape[1] + EPSILON * identity)).to(maps.dtype)


def root_by_newton_schulz(
    maps: Float[Tensor, "batch features height width"],
) -> Float[Tensor, "batch entries"]:
    """The covariance's square root as in fast-MPN-COV (Li, Xie, Wang, Gao, CVPR 2018).

    Our implementation of the algorithm: covariance, scaling by the trace, five coupled
    Newton–Schulz steps, scaling back; differentiated by torch.
    """
    x = maps.flatten(2)
    x = x - x.mean(2, keepdim=True)
    return vectorise(newton_schulz(x @ x.mT / x.shape[2]))


def average(maps: Float[Tensor, "batch features height width"]) -> Float[Tensor, "batch features"]:
    """First-order pooling: the mean feature."""
    return maps.mean((2, 3))
