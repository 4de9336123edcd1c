"""Layers in a loop of one's own: half precision, autocast, scale, export, copies."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.processes import run_python
from workbench import linalg
from workbench.errors import WorkbenchError
from workbench.layers import MatrixConvolution, NormalizedCuts, SecondOrderPooling
from workbench.linalg.effective_rank import effective_rank
from workbench.objectives import contour_loss, j1, j2

HALVES = [torch.float16, torch.bfloat16]
LABELS = torch.arange(20) % 3


def symmetric(n: int) -> Tensor:
    a = torch.randn(n, n, dtype=torch.float64)
    return a @ a.T / n + torch.eye(n)


def leading(x: Tensor) -> Tensor:
    vectors = linalg.svd(x).u[..., :2].double()
    return vectors @ vectors.mT


ENTRANCES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[], Tensor]]] = {
    "log": (lambda a: linalg.log(a).value, lambda: symmetric(5)),
    "inverse_sqrt": (lambda a: linalg.inverse_sqrt(a).value, lambda: symmetric(5)),
    "exp": (lambda a: linalg.exp(a).value, lambda: symmetric(5)),
    "eig": (lambda a: linalg.eig(a).values, lambda: symmetric(5)),
    "eig, paper": (lambda a: linalg.eig(a, method="paper").values, lambda: symmetric(5)),
    "svd": (lambda x: linalg.svd(x).sigma, lambda: torch.randn(6, 4)),
    "gram_log": (lambda x: linalg.gram_log(x).value, lambda: torch.randn(6, 4)),
    "gram_power": (lambda x: linalg.gram_power(x).value, lambda: torch.randn(3, 4)),
    "projector": (lambda x: linalg.projector(x).value, lambda: torch.randn(40, 4)),
    "pseudo_inverse": (lambda x: linalg.pseudo_inverse(x).value, lambda: torch.randn(40, 4)),
    "vectorise": (linalg.vectorise, lambda: symmetric(5)),
    "unvectorise": (linalg.unvectorise, lambda: torch.rand(10)),
    "effective_rank": (effective_rank, lambda: torch.rand(10)),
    "affinity": (lambda x: linalg.Affinity(x).dense(), lambda: torch.rand(20, 4)),
    "affinity @": (lambda x: linalg.Affinity(x) @ x, lambda: torch.rand(20, 4)),
    "pooling": (SecondOrderPooling(), lambda: torch.rand(2, 3, 4, 5)),
    "pooling, centred": (
        SecondOrderPooling(centre=True, vectorised=True),
        lambda: torch.rand(2, 3, 4, 5),
    ),
    "convolution": (
        MatrixConvolution(3, 2, (3, 3), padding=(1, 1)),
        lambda: torch.rand(2, 3, 4, 5),
    ),
    "contours": (lambda z: contour_loss(z, torch.eye(4)), lambda: torch.randn(4, 4)),
}
OBJECTIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "j1": lambda maps: j1(NormalizedCuts(3, True)(maps), LABELS).value,
    "j2": lambda maps: j2(NormalizedCuts(3)(maps), LABELS).value,
    "spectrum": lambda maps: NormalizedCuts(3)(maps).spectrum(2).values,
}


def with_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.detach().clone().requires_grad_()
    value = function(leaf)
    upstream = torch.linspace(-1, 1, value.numel()).to(value).reshape(value.shape).cos()
    return value.detach(), torch.autograd.grad(value, leaf, upstream)[0]


def off(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", ENTRANCES)
def test_half_precision_is_float64_rounded(name: str, dtype: torch.dtype) -> None:
    function, example = ENTRANCES[name]
    x = example().to(dtype)
    found = with_gradient(function, x)
    for one, other in zip(found, with_gradient(function, x.double()), strict=True):
        assert one.dtype == dtype
        assert one.isfinite().all()
        assert off(one, other) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_of_halves_are_those_of_float32(name: str, dtype: torch.dtype) -> None:
    maps = torch.rand(3, 4, 5).to(dtype)
    value, gradient = with_gradient(OBJECTIVES[name], maps)
    expected, wide = with_gradient(OBJECTIVES[name], maps.float())
    assert value.dtype == torch.float64
    assert gradient.dtype == dtype
    assert torch.equal(value, expected)
    assert off(gradient, wide) < torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_gradients_of_half_eigenvectors(dtype: torch.dtype) -> None:
    """n times the rounding error of a half is no measure of rounding: it is 1 at n = 128."""
    a, upstream = symmetric(128).to(dtype), torch.randn(128, 128, dtype=torch.float64)

    def subspace(a: Tensor) -> Tensor:
        vectors = linalg.eig(a).vectors[:, 64:].double()
        return (vectors @ vectors.mT * upstream).sum()

    assert off(with_gradient(subspace, a)[1], with_gradient(subspace, a.double())[1]) < 0.3
    for rows in (128, 1100):
        assert int(linalg.projector(torch.randn(rows, 8).to(dtype)).rank) == 8


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_ties_of_halves_bring_no_false_warning(dtype: torch.dtype) -> None:
    """The gradient of a projector on a tied pair carries the rounding error of a half."""
    a = torch.diag(torch.tensor([3.0, 3.0, 1.0, 0.5])).to(dtype)
    upstream = torch.randn(4, 4)

    def subspace(a: Tensor) -> Tensor:
        vectors = linalg.eig(a).vectors[:, 2:].float()
        return (vectors @ vectors.mT * upstream).sum()

    assert with_gradient(subspace, a)[1].isfinite().all()


def test_autocast_computes_nothing_inside_in_half() -> None:
    maps = torch.rand(2, 3, 4, 5)
    convolution, cuts = MatrixConvolution(3, 2, (3, 3)), NormalizedCuts(3, learn_coupling=True)
    cuts.root.data += 0.1 * torch.rand(3, 3)
    square = symmetric(4).float()

    def everything() -> list[Tensor]:
        affinity = cuts(maps[0])
        return [
            SecondOrderPooling(centre=True, vectorised=True)(maps),
            convolution(maps),
            affinity.dense(),
            affinity @ affinity.x,
            affinity.spectrum(2).values,
            j1(affinity, LABELS).value,
            linalg.eig(square, method="paper").values,
        ]

    plain = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = everything()
    for one, other in zip(cast, plain, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


def test_a_loop_under_autocast() -> None:
    """Gradients reach the parameters in front, float32, once per use of the layer."""
    pool = SecondOrderPooling(vectorised=True)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), pool, nn.Linear(10, 2))
    maps = torch.rand(4, 3, 5, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = (network(maps) + network(maps.flip(0))).square().sum()
    loss.backward()
    for parameter in network.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


def test_layers_that_are_half_themselves() -> None:
    cuts, maps = NormalizedCuts(3, learn_coupling=True).bfloat16(), torch.rand(3, 4, 5).bfloat16()
    j1(cuts(maps), LABELS).value.backward()
    assert cuts.root.grad.dtype == torch.bfloat16
    convolution = MatrixConvolution(3, 2, (1, 1)).half()
    convolution(maps[None].half()).sum().backward()
    assert convolution.weight.grad.dtype == torch.float16


HOMOGENEOUS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "gram_power": (lambda x: linalg.gram_power(x).value, 1),
    "svd": (lambda x: linalg.svd(x).sigma, 1),
    "projector": (lambda x: linalg.projector(x).value, 0),
    "pseudo_inverse": (lambda x: linalg.pseudo_inverse(x).value, -1),
    "spectrum": (lambda x: linalg.Affinity(x.abs()).spectrum(2).values, 0),
    "j1": (lambda x: j1(linalg.Affinity(x.abs()), LABELS[: len(x)]).value, 0),
    "j2": (lambda x: j2(linalg.Affinity(x), LABELS[: len(x)]).value, 0),
}


@pytest.mark.parametrize("scale", [2.0**-660, 2.0**-400, 2.0**-90, 2.0**90, 2.0**330])
@pytest.mark.parametrize("name", HOMOGENEOUS)
def test_scale_does_not_matter(name: str, scale: float) -> None:
    """f(sX) = s^k f(X) and f'(sX) = s^(k−1) f'(X), where float64 holds them."""
    function, degree = HOMOGENEOUS[name]
    x = torch.randn(6, 4, dtype=torch.float64)
    value, gradient = with_gradient(function, x)
    scaled, scaled_gradient = with_gradient(function, x * scale)
    assert off(scaled / scale**degree, value) < 1e-11
    if degree == 1:
        assert off(scaled_gradient, gradient) < 1e-11
    elif degree == 0:
        assert off(scaled_gradient * scale, gradient) < 1e-11


def test_what_float64_cannot_hold_is_a_sentence() -> None:
    x = torch.randn(6, 4, dtype=torch.float64)
    for call in (
        lambda: linalg.exp(1e4 * torch.eye(3)),
        lambda: linalg.power(1e200 * torch.eye(3, dtype=torch.float64), 2),
        lambda: linalg.gram_power(1e200 * x),
        lambda: linalg.gram_log(1e60 * x),
    ):
        with pytest.raises(WorkbenchError, match="expected"):
            call()


def test_a_rounded_coupling_is_semidefinite() -> None:
    """RRᵀ in float32 has eigenvalues of −1e-8: rounding of Λ, and no reason to refuse."""
    x, root = torch.rand(30, 6), torch.rand(6, 2)
    for dtype in (torch.float32, torch.bfloat16):
        spectrum = linalg.Affinity(x, (root @ root.T).to(dtype)).spectrum(2)
        assert spectrum.values.isfinite().all()


def test_exported_copied_and_refused() -> None:
    done = run_python("-m", "tests.layers.alone")
    assert done.returncode == 0, done.stdout + done.stderr
