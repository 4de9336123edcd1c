"""Second-order pooling: log(XᵀX + εI) and powers, as a function and as the layer; convolution."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from workbench.layers import SecondOrderPooling
from workbench.linalg.convolution import PatchOperator
from workbench.linalg.gram_log import gram_log, gram_power
from workbench.testing import (
    DEFICIENT,
    SMALL,
    TIES,
    Case,
    Draw,
    Symmetry,
    orthogonal,
    permutation,
    rotation_of_rows,
)


def rotation_of_features() -> Symmetry:
    """f(XQ) = Qᵀ f(X) Q."""

    def before(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        size = tensors[0].shape[-1]
        return (tensors[0] @ orthogonal(size, size, generator=generator),)

    def after(tensors: tuple[Tensor, ...], generator: torch.Generator) -> tuple[Tensor, ...]:
        size = tensors[0].shape[-1]
        q = orthogonal(size, size, generator=generator)
        return (q.mT @ tensors[0] @ q,)

    return Symmetry("rotation of features", before, after)


def dense_power(x: Tensor, p: float | None, epsilon: float) -> Tensor:
    """log (p None) or power of XᵀX + εI by eigh and autograd: right at generic spectra."""
    a = x.mT @ x + epsilon * torch.eye(x.shape[-1], dtype=x.dtype)
    values, vectors = torch.linalg.eigh(a)
    f = values.log() if p is None else values.pow(p)
    return (vectors * f[..., None, :]) @ vectors.mT


def dense_root_by_svd(x: Tensor) -> Tensor:
    """(XᵀX)^½ = V Σ Vᵀ; eigh has no gradient in the null space of a wide X."""
    _, values, right = torch.linalg.svd(x, full_matrices=False)
    return right.mT @ (values[..., None] * right)


SIZES = ((3, 5), (5, 3), (4, 4), (0, 3), (3, 0), (0, 0), (1, 1))
SYMMETRIES = (rotation_of_rows(), permutation(-2, follows=False), rotation_of_features())


def gram_case(name: str, function, oracle) -> Case:
    return Case(
        name=name,
        function=function,
        inputs=lambda draw: (draw.rectangular(),),
        oracle=oracle,
        sizes=SIZES,
        spectra=TIES + SMALL + DEFICIENT,
        symmetries=SYMMETRIES,
    )


def images(draw: Draw) -> tuple[Tensor]:
    return (draw.positive(2, *draw.sizes),)


def image_case(name: str, function, inputs) -> Case:
    """Of a batch of images, whose dimensions are not free."""
    return Case(name, function, inputs, sizes=((3, 2, 3), (4, 1, 2)), batched=False, vmap=False)


def masked(maps: Tensor) -> Tensor:
    """The first row and column of the first image, and nothing of the second."""
    masks = torch.zeros(2, *maps.shape[-2:], dtype=torch.bool, device=maps.device)
    masks[0, 0, :] = masks[0, :, 0] = True
    return SecondOrderPooling(epsilon=0.1)(maps, masks)


def ragged(maps: Tensor) -> Tensor:
    """Regions of 1, 0 and the other pixels of the batch, in one list."""
    x = maps.movedim(1, -1).flatten(0, 2)
    return SecondOrderPooling("power", 0.1, centre=True).regions(x, [1, 0, len(x) - 1])


PHI = PatchOperator(2, 5, 4, kernel=(3, 2), stride=(2, 1), padding=(1, 1), dilation=(1, 2))
WEIGHT = torch.linspace(-1, 1, 3 * 12, dtype=torch.float64).reshape(3, 12)


def matrix_convolution(maps: Tensor) -> Tensor:
    s = WEIGHT.to(maps) @ PHI(maps)
    return s.reshape(*s.shape[:-1], *PHI.output_size)


CASES = [
    gram_case("gram log", lambda x: gram_log(x, 0.1).value, lambda x: dense_power(x, None, 0.1)),
    gram_case(
        "gram log, mean",
        lambda x: gram_log(x, 0.1, "mean").value,
        lambda x: dense_power(x / x.shape[-2] ** 0.5, None, 0.1),
    ),
    gram_case("gram sqrt", lambda x: gram_power(x).value, dense_root_by_svd),
    gram_case(
        "gram power 0.3",
        lambda x: gram_power(x, 0.3, 0.1).value,
        lambda x: dense_power(x, 0.3, 0.1),
    ),
    image_case(
        "second-order pooling",
        SecondOrderPooling(epsilon=0.1, vectorised=True),
        images,
    ),
    image_case("pooling, masked", masked, images),
    image_case("pooling, ragged", ragged, images).but(sizes=((3, 1, 3),)),
    Case(
        "matrix convolution",
        matrix_convolution,
        lambda draw: (draw.positive(2, 5, 4),),
        oracle=lambda maps: conv2d(
            maps, WEIGHT.reshape(3, 2, 3, 2), None, PHI.stride, PHI.padding, PHI.dilation
        ),
        sizes=((2, 5, 4),),
        refuses=None,
    ),
]
