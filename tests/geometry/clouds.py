"""Clouds of the design, drawn with seeds of their own."""

import torch
from torch import Tensor


def units(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)


def sphere(count: int, dimension: int, seed: int = 0) -> Tensor:
    """Uniform on the unit sphere, float64."""
    generator = torch.Generator().manual_seed(seed)
    return units(torch.randn(count, dimension, generator=generator, dtype=torch.float64))


def of_subspace(count: int, rank: int, dimension: int, seed: int = 0) -> Tensor:
    """Uniform on the unit sphere of a subspace."""
    return sphere(count, rank, seed) @ torch.linalg.qr(sphere(dimension, rank, seed + 1)).Q.T
