"""Π_A and A⁺; J1, J2 and the leading subspace of normalized cuts, from the factors."""

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.linalg import Affinity
from workbench.linalg.outcomes import RankCollapseWarning, UncertainRankWarning
from workbench.linalg.projector import projector, pseudo_inverse
from workbench.objectives import j1, j2
from workbench.testing import DEFICIENT, SMALL, TIES, Case, Draw, permutation

SHAPES = ((5, 3), (3, 3), (3, 4), (0, 3), (3, 0), (1, 1))
TALL = ((5, 3), (4, 2), (0, 3), (3, 0), (1, 1))
"""A projector on everything is constant, and its gradient nothing but rounding."""


def rectangular(draw: Draw) -> tuple[Tensor]:
    return (draw.rectangular(),)


def of_range(name: str, function: Callable, oracle: Callable, **options: object) -> Case:
    return Case(
        name=name,
        function=lambda a: function(a).value,
        inputs=rectangular,
        oracle=oracle,
        spectra=TIES + SMALL + DEFICIENT,
        vmap=False,  # the finite check and the rank are decisions on data
        warns=(UncertainRankWarning,),
        **options,
    )


def widened(a: Tensor) -> Tensor:
    """(*batch, m, 6) of the same range: rank-deficient, and for small m more columns than rows."""
    mixing = torch.linspace(0.2, 2, 6 * a.shape[-1], dtype=a.dtype, device=a.device)
    return a @ (9 * mixing.square()).cos().reshape(a.shape[-1], 6)


def pinv_of_factors(a: Tensor) -> Tensor:
    """(AB)⁺ = B⁺A⁺ for A of independent columns and B of independent rows."""
    mixing = torch.linspace(0.2, 2, 6 * a.shape[-1], dtype=a.dtype, device=a.device)
    return torch.linalg.pinv(
        (9 * mixing.square()).cos().reshape(a.shape[-1], 6)
    ) @ torch.linalg.pinv(a)


def by_pinv(a: Tensor) -> Tensor:
    return a @ torch.linalg.pinv(a)


def features(draw: Draw) -> tuple[Tensor]:
    return (draw.positive(*draw.sizes),)


def labels(x: Tensor) -> Tensor:
    return torch.arange(len(x), device=x.device) % 3


def targets(x: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(labels(x), 3).to(x)


def dense(x: Tensor, degrees: Tensor) -> Tensor:
    """½‖Π_M − Π_Ω‖² by torch's pinv of an m×d matrix and an m×m difference."""
    a = x / degrees.sqrt()[:, None]
    omega = degrees.sqrt()[:, None] * targets(x)
    difference = a @ torch.linalg.pinv(a) - omega @ torch.linalg.pinv(omega)
    return difference.square().sum() / 2


def of_features(name: str, function: Callable, **options: object) -> Case:
    return Case(
        name=name,
        function=lambda x: function(x).to(x.dtype),
        inputs=features,
        batched=False,
        vmap=False,
        **{"sizes": ((12, 3), (1, 1)), **options},
    )


def leading(x: Tensor) -> Tensor:
    u = Affinity(x).spectrum(2).vectors
    return u @ u.mT


def leading_oracle(x: Tensor) -> Tensor:
    left, _, _ = torch.linalg.svd(x / (x @ x.sum(0)).sqrt()[:, None], full_matrices=False)
    return left[:, :2] @ left[:, :2].mT


CASES = [
    of_range(
        "projector", projector, by_pinv, sizes=TALL, symmetries=(permutation(-1, follows=False),)
    ),
    of_range("pseudo-inverse", pseudo_inverse, torch.linalg.pinv, sizes=SHAPES),
    of_range(
        "projector, deficient", lambda a: projector(widened(a)), by_pinv, sizes=((5, 3), (4, 2))
    ),
    of_range(
        "pseudo-inverse, deficient",
        lambda a: pseudo_inverse(widened(a)),
        pinv_of_factors,
        sizes=((5, 3), (4, 2)),
        single=False,
    ),
    of_features(
        "J1", lambda x: j1(Affinity(x), labels(x)).value, oracle=lambda x: dense(x, x @ x.sum(0))
    ),
    of_features(
        "J2",
        lambda x: j2(Affinity(x), labels(x)).value,
        oracle=lambda x: dense(x, torch.ones_like(x[:, 0])),
        warns=(RankCollapseWarning,),
        sizes=((12, 3), (8, 5), (1, 1)),
        symmetries=(permutation(-1, follows=False),),
    ),
    of_features(
        "leading cuts",
        leading,
        oracle=leading_oracle,
        second_order=False,
        symmetries=(permutation(-1, follows=False),),
    ),
]
