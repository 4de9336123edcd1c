"""Symmetries that several layers share."""

import torch
from torch import Tensor

from workbench.testing.case import Symmetry
from workbench.testing.draw import orthogonal


def conjugation() -> Symmetry:
    """f(QAQᵀ) = Q f(A) Qᵀ, for the first input and every output."""

    def turn(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        first, size = tensors[0], tensors[0].shape[-1]
        q = orthogonal(size, size, generator=generator).to(first)
        return (q @ first @ q.mT, *tensors[1:])

    return Symmetry("conjugation", turn, turn)


def permutation(dim: int, *, follows: bool) -> Symmetry:
    """The first input's entries along a dimension in another order.

    Args:
        dim: negative, of the first input.
        follows: whether the first output's entries follow, or the outputs stay as they are.
    """

    def shuffle(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        order = torch.randperm(tensors[0].shape[dim], generator=generator)
        if torch.equal(order, order.sort().values):  # of few entries chance may leave all in place
            order = order.flip(0)
        return (tensors[0].index_select(dim, order.to(tensors[0].device)), *tensors[1:])

    def stay(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        return tensors

    return Symmetry(f"permutation of dimension {dim}", shuffle, shuffle if follows else stay)


def rotation_of_rows() -> Symmetry:
    """f(QX) = f(X): only the Gram matrix of the first input matters."""

    def turn(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        first, size = tensors[0], tensors[0].shape[-2]
        return (orthogonal(size, size, generator=generator).to(first) @ first, *tensors[1:])

    def stay(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        return tensors

    return Symmetry("rotation of rows", turn, stay)
