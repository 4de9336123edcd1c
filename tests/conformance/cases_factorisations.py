"""The EIG and SVD layers, in functions that no choice of signs changes."""

from collections.abc import Callable

import torch
from torch import Tensor

from workbench.linalg.eig import eig
from workbench.linalg.outcomes import GaugeWarning
from workbench.linalg.svd import svd
from workbench.testing import DEFICIENT, SMALL, TIES, Case, Draw

LEADING_TIES = tuple(name for name in TIES if name != "all tied")


def weights(like: Tensor) -> Tensor:
    """One for each vector, all different."""
    return torch.linspace(1, 2, like.shape[-1], dtype=like.dtype, device=like.device)


def of_pairs(values: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvalues, and Σ wᵢ uᵢuᵢᵀ, which tells every eigenvector up to its sign."""
    return values, (vectors * weights(values)) @ vectors.mT


def of_triplets(u: Tensor, sigma: Tensor, v: Tensor) -> tuple[Tensor, ...]:
    """The singular values, Σ wᵢ uᵢuᵢᵀ, Σ wᵢ vᵢvᵢᵀ, Σ wᵢ uᵢvᵢᵀ."""
    w = weights(sigma)
    return sigma, (u * w) @ u.mT, (v * w) @ v.mT, (u * w) @ v.mT


def torch_svd(x: Tensor) -> tuple[Tensor, ...]:
    u, sigma, vh = torch.linalg.svd(x, full_matrices=False)
    return of_triplets(u, sigma, vh.mT)


def symmetric(draw: Draw) -> tuple[Tensor]:
    return (draw.symmetric(),)


def rectangular(draw: Draw) -> tuple[Tensor]:
    return (draw.rectangular(),)


def symmetric_oracle(a: Tensor) -> tuple[Tensor, Tensor]:
    return of_pairs(*torch.linalg.eigh((a + a.mT) / 2))


def eig_case(name: str, **options: object) -> Case:
    method = name.split()[0]
    return Case(
        name=f"EIG {name}",
        function=lambda a: of_pairs(*eig(a, method=method)[:2]),
        inputs=symmetric,
        oracle=symmetric_oracle,
        warns=(GaugeWarning,),
        one_graph=True,
        **options,
    )


def svd_case(name: str, **options: object) -> Case:
    method = name.split()[0]
    return Case(
        name=f"SVD {name}",
        function=lambda x: of_triplets(*svd(x, method=method)[:3]),
        inputs=rectangular,
        oracle=torch_svd,
        warns=(GaugeWarning,),
        one_graph=True,
        **options,
    )


def projector_case(name: str, function: Callable, inputs: Callable, **options: object) -> Case:
    """Of the two leading vectors: defined, and without a warning, where they are tied."""
    return Case(
        name=name, function=function, inputs=inputs, spectra=LEADING_TIES, one_graph=True, **options
    )


def leading_eigenspace(a: Tensor) -> Tensor:
    vectors = eig(a).vectors[..., -2:]
    return vectors @ vectors.mT


def leading_polar_factor(x: Tensor) -> Tensor:
    u, _, v = svd(x)[:3]
    return u[..., :2] @ v[..., :2].mT


SHAPES = ((5, 3), (3, 3), (3, 4), (0, 3), (3, 0), (1, 1))

CASES = [
    eig_case("stable", spectra=TIES + SMALL + DEFICIENT),
    eig_case("paper", single_tolerance=1e-5),
    svd_case("stable", sizes=SHAPES, spectra=TIES + SMALL + DEFICIENT),
    svd_case("paper", sizes=((5, 3), (3, 3), (1, 1)), single_tolerance=1e-4),
    projector_case("leading eigenspace", leading_eigenspace, symmetric),
    projector_case("leading polar factor", leading_polar_factor, rectangular, sizes=SHAPES[:3]),
]
