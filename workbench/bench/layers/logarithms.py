"""The matrix logarithm by all methods, as functions of a symmetric positive definite A."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.bench.peers import GEOOPT, SPD_LEARN, TORCHSPD, Peers
from workbench.linalg import log
from workbench.linalg.eig import eig

Method = Callable[[Tensor], Tensor]

OURS = "workbench"


def logarithms(peers: Peers) -> dict[str, Method]:
    """Methods by name, ours first; peers only where they are installed."""
    found: dict[str, Method] = {
        OURS: lambda a: log(a).value,
        "torch eigh + autograd": by_eigh,
        "paper's formula": _by_paper,
    }
    if torchspd := peers.find(TORCHSPD):
        found["torchspd"] = torchspd.logm
    if spd_learn := peers.find(SPD_LEARN):
        found["spd_learn"] = spd_learn.matrix_log.apply
    if geoopt := peers.find(GEOOPT):
        found["geoopt"] = geoopt.sym_logm
    return found


def by_eigh(a: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """V log(Λ) Vᵀ, differentiated by torch."""
    values, vectors = torch.linalg.eigh(a)
    return assembled(values.log(), vectors)


def sqrt_by_eigh(a: Float[Tensor, "*batch n n"]) -> Float[Tensor, "*batch n n"]:
    """V Λ^½ Vᵀ, differentiated by torch."""
    values, vectors = torch.linalg.eigh(a)
    return assembled(values.sqrt(), vectors)


def _by_paper(a: Tensor) -> Tensor:
    values, vectors = eig(a, method="paper")[:2]
    return assembled(values.log(), vectors)


def assembled(
    values: Float[Tensor, "*batch n"], vectors: Float[Tensor, "*batch n n"]
) -> Float[Tensor, "*batch n n"]:
    """V diag(values) Vᵀ."""
    product: Tensor = (vectors * values[..., None, :]) @ vectors.mT
    return product


def newton_schulz(a: Float[Tensor, "*batch n n"], steps: int = 5) -> Float[Tensor, "*batch n n"]:
    """A^½ by the coupled iteration of iSQRT-COV (Li et al., CVPR 2018, eq. 4 to 7), trace-scaled.

    Differentiated by torch; the peers' five steps.
    """
    scale = a.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    identity = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    y, z = a / scale, identity
    for _ in range(steps):
        turn = (3 * identity - z @ y) / 2
        y, z = y @ turn, turn @ z
    return y * scale.sqrt()
