"""Maps of angles against 60 digits, against random layers, and against the forms that are wrong."""

from itertools import product
from math import acos, cos, pi, sin, sqrt

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.geometry.assumptions import predicted_angles, why_not
from workbench.geometry.random_layers import (
    after_convolutions,
    angle_after,
    concentration,
    cosine_after,
    distance_after,
    pair_maps,
    psi,
)

SLOPES = (0.0, 0.2, 0.5, -1.0, -0.5, 3.0)


def activated(z: np.ndarray, slope: float) -> np.ndarray:
    return np.where(z > 0, z, slope * z)


def two(alpha: float, units: int, draws: int, slope: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Outputs of layers N(0, 1/units) for unit vectors at an angle, (draws, units) each."""
    g = np.random.default_rng(0).standard_normal((2, draws, units)) / sqrt(units)
    return activated(g[0], slope), activated(cos(alpha) * g[0] + sin(alpha) * g[1], slope)


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(-1) / np.sqrt((x**2).sum(-1) * (y**2).sum(-1))


@pytest.mark.parametrize("slope", SLOPES)
def test_the_map_is_right_to_rounding_at_every_angle(slope: float) -> None:
    mpmath.mp.dps = 60
    factor = mpmath.mpf(1 - slope) ** 2 / (1 + mpmath.mpf(slope) ** 2)
    for alpha in (1e-12, 1e-8, 1e-3, 0.1, 0.99, 1.01, 1.57, 1.58, 2.5, 3.1):
        a = mpmath.mpf(alpha)
        expected = mpmath.acos(
            mpmath.cos(a) + factor * (mpmath.sin(a) - a * mpmath.cos(a)) / mpmath.pi
        )
        assert float(angle_after(alpha, slope=slope)) == pytest.approx(float(expected), rel=1e-14)
    assert float(angle_after(1e-300, 5, slope)) == pytest.approx(1e-300, rel=1e-12)


def test_reference_values() -> None:
    alphas = torch.tensor([0.1, pi / 4, 1, pi / 2, 3 * pi / 4, pi], dtype=torch.float64)
    expected = torch.tensor([0.09893, 0.71452, 0.88128, 1.24685, 1.52248, pi / 2])
    assert torch.allclose(angle_after(alphas), expected.double(), atol=5e-6)
    leaky = [float(cosine_after(cos(1.2), slope=s)) for s in (-1.0, 0.0, 0.2, 0.5)]
    assert leaky == pytest.approx([0.6789, 0.5206, 0.4598, 0.3940], abs=6e-5)
    deep = [float(angle_after(1.0, n)) for n in (1, 2, 4, 8, 16)]
    assert deep == pytest.approx([0.8813, 0.7908, 0.6600, 0.5013, 0.3429], abs=6e-5)
    assert 1000 * float(angle_after(1.0, 1000)) == pytest.approx(9.27, abs=0.005)
    # a layer keeps angles below, and halves π; squared distances keep ½, .341 and ¼
    assert [float(angle_after(a)) / a for a in (1e-9, pi / 2, pi)] == pytest.approx(
        [1, 0.794, 0.5], abs=5e-4
    )
    kept = [(float(distance_after(a)) / (2 * sin(a / 2))) ** 2 for a in (1e-6, pi / 2, pi)]
    assert kept == pytest.approx([0.5, 0.341, 0.25], abs=5e-4)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("alpha", [1.2, pi / 2, 2.8])
def test_random_layers_have_these_angles_and_distances(alpha: float, slope: float) -> None:
    x, y = two(alpha, 4000, 60, slope)
    spread = concentration(alpha, 4000, slope)
    error = 4 / sqrt(60)
    expected = float(angle_after(alpha, slope=slope))
    assert cosines(x, y).mean() == pytest.approx(cos(expected), abs=error * float(spread.cosine))
    squares = ((x - y) ** 2).sum(-1)
    assert squares.mean() == pytest.approx(
        float(distance_after(alpha, slope=slope)) ** 2, abs=error * float(spread.squared_distance)
    )


def test_deep_random_networks_follow_the_map() -> None:
    generator = np.random.default_rng(0)
    found = np.zeros((8, 16))
    for row in found:
        x = np.zeros((512, 2))
        x[:2] = [[1, cos(1)], [0, sin(1)]]
        for layer in range(16):
            x = activated(generator.standard_normal((512, 512)) @ x, 0) / sqrt(256)
            row[layer] = np.arccos(cosines(x[:, 0], x[:, 1]))
    predicted = np.array([float(angle_after(1.0, n)) for n in range(1, 17)])
    error = found.std(0, ddof=1) / sqrt(8)
    assert (np.abs(found.mean(0) - predicted) < 4 * error).all()
    assert (error < 0.05).all()


def test_the_printed_plus_is_wrong() -> None:
    """½‖u − v‖² + ‖u‖‖v‖ψ, as slides print it, is refuted by v = −u and by a right angle."""
    for alpha, measured in ((pi, 1.0), (pi / 2, 0.6817)):
        x, y = two(alpha, 2000, 40)
        found = ((x - y) ** 2).sum(-1).mean()
        plain = (2 * sin(alpha / 2)) ** 2 / 2
        assert found == pytest.approx(measured, abs=0.02)
        assert float(distance_after(alpha)) ** 2 == pytest.approx(plain - float(psi(alpha)))
        assert abs(plain + float(psi(alpha)) - found) > 0.6
    # norms that differ, by the theorem's own form
    expected = (0.25 + 9 - 3 * cos(1)) / 2 - 1.5 * float(psi(1.0))
    assert float(distance_after(1.0, 0.5, 3.0)) ** 2 == pytest.approx(expected)


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.0])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_concentration_is_that_of_random_layers(alpha: float, slope: float) -> None:
    x, y = two(alpha, 500, 4000, slope)
    found = concentration(alpha, 500, slope)
    assert cosines(x, y).std() == pytest.approx(float(found.cosine), rel=0.06)
    assert np.arccos(cosines(x, y)).std() == pytest.approx(float(found.angle), rel=0.06)
    assert ((x - y) ** 2).sum(-1).std() == pytest.approx(float(found.squared_distance), rel=0.06)


def test_concentration_has_the_design_s_constants() -> None:
    one = concentration(torch.tensor([1.0, 1e-6, pi]), 1)
    assert float(one.cosine[0]) == pytest.approx(0.70, abs=0.01)
    assert float(one.squared_distance[0]) == pytest.approx(0.72, abs=0.015)
    # near 0 it is √2 of the angle: E g⁴/4 of both, no cancellation
    assert float(one.angle[1]) == pytest.approx(sqrt(2) * 1e-6, rel=1e-3)
    assert float(one.cosine[2]) == pytest.approx(0, abs=1e-12)  # both never active at once
    worst, sizes = [], (250, 500, 1000, 2000, 4000)
    u = np.random.default_rng(3).standard_normal((10, 10))  # 45 pairs
    limit = cosine_after(cosines(u[:, None], u)).numpy()
    for units in sizes:
        draws = np.random.default_rng(units).standard_normal((60, units, 10))
        outputs = activated(draws @ u.T, 0).transpose(0, 2, 1)
        error = np.abs(cosines(outputs[:, :, None], outputs[:, None]) - limit)
        worst.append(error.max((1, 2)).mean())
    assert np.polyfit(np.log(sizes), np.log(worst), 1)[0] == pytest.approx(-0.5, abs=0.05)
    assert worst[-1] * sqrt(4000) == pytest.approx(1.79, abs=0.25)


def test_the_theorem_is_gaussian() -> None:
    """Other weights change the cosine of two vectors along two axes, not of generic ones."""
    expected = float(cosine_after(cos(1.0)))
    assert expected == pytest.approx(0.6362, abs=5e-5)
    first, second = np.array(list(product([-1.0, 1.0], repeat=2))).T  # all signs: the expectation
    x, y = activated(first, 0), activated(cos(1) * first + sin(1) * second, 0)
    assert cosines(x, y) == pytest.approx(0.690, abs=1e-3)
    grid = (np.arange(4000) + 0.5) / 2000 - 1
    x, y = activated(grid[:, None], 0), activated(cos(1) * grid[:, None] + sin(1) * grid, 0)
    uniform = (x * y).mean() / sqrt((x**2).mean() * (y**2).mean())
    assert uniform == pytest.approx(0.652, abs=2e-3)  # a Monte Carlo figure
    generic = np.linalg.qr(np.random.default_rng(0).standard_normal((200, 2)))[0]
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (100_000, 200)) @ generic
    x, y = activated(signs[:, 0], 0), activated(cos(1) * signs[:, 0] + sin(1) * signs[:, 1], 0)
    assert cosines(x, y) == pytest.approx(expected, abs=0.01)


def test_gradients() -> None:
    alpha = torch.tensor([1e-7, 0.4, 1.3, 2.9], dtype=torch.float64, requires_grad=True)
    for slope in SLOPES:
        assert torch.autograd.gradcheck(lambda a, s=slope: angle_after(a, 2, s), alpha[1:])
    (grad,) = torch.autograd.grad(angle_after(alpha, 3)[0], alpha)
    assert float(grad[0]) == pytest.approx(1, abs=1e-6)
    cosine = torch.tensor([-0.9, 0.1, 0.8], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: cosine_after(c, 2, 0.1), cosine)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(cosine_after(ends).sum(), ends)
    assert torch.equal(grad, torch.tensor([0.0, 1.0], dtype=torch.float64))
    u = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 5, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: after_convolutions(a, v, [3, 3], 1, 1)[-1].angle, u)
    (grad,) = torch.autograd.grad(after_convolutions(u, u.detach(), [3])[-1].angle, u)
    assert torch.isfinite(grad).all()


def convolutions(channels: int, layers: list[tuple[int, int, int]]) -> nn.Sequential:
    modules: list[nn.Module] = []
    inputs = 3
    for kernel, stride, padding in layers:
        layer = nn.Conv2d(inputs, channels, kernel, stride, padding, bias=False)
        nn.init.normal_(layer.weight, std=1 / sqrt(channels))
        modules += [layer, nn.ReLU()]
        inputs = channels
    return nn.Sequential(*modules)


def angle(x: Tensor, y: Tensor) -> float:
    return acos(float(torch.cosine_similarity(x.flatten().double(), y.flatten().double(), 0)))


def test_random_convolutions_have_the_recursion_s_maps() -> None:
    layers = [(3, 1, 1), (3, 2, 1), (3, 1, 0), (2, 1, 0)]
    u, v = torch.randn(2, 3, 12, 12)
    v[:, :6] = u[:, :6] + 0.3 * v[:, :6]  # half of the image is alike: positions differ
    found = after_convolutions(u, v, *([size[i] for size in layers] for i in range(3)))
    measured = []
    for _ in range(3):
        x, y, row = u[None], v[None], []
        with torch.no_grad():
            for module in convolutions(512, layers):
                x, y = module(x), module(y)
                if isinstance(module, nn.ReLU):
                    row.append(angle(x, y))
        measured.append(row)
    predicted = [float(maps.angle) for maps in found]
    assert np.mean(measured, 0) == pytest.approx(predicted, abs=0.03)
    # norms and inner products at each position, too, and not the formula of a connected layer
    for maps, product_of in ((found[-1].xx, (x, x)), (found[-1].xy, (x, y))):
        inner = (product_of[0] * product_of[1]).sum(1)[0]
        assert torch.allclose(inner.double(), maps, rtol=0.3)
    assert abs(predicted[0] - float(angle_after(angle(u, v)))) > 0.02
    pooled = nn.functional.max_pool2d(x, 2), nn.functional.max_pool2d(y, 2)
    assert abs(angle(*pooled) - predicted[-1]) > 0.03


def test_a_convolution_over_one_position_is_a_connected_layer() -> None:
    u, v = torch.randn(2, 8, 1, 1)
    (maps,) = after_convolutions(u, v, [1], slope=0.2)
    alpha = pair_maps(u, v).angle
    assert float(maps.angle) == pytest.approx(float(angle_after(alpha, slope=0.2)), rel=1e-12)
    tiny = after_convolutions(u.double(), u.double() + 1e-10 * v.double(), [1, 1])[-1].angle
    assert 0 < float(tiny) < 1e-8  # arccos would see nothing below 1e-8


def test_predictions_of_a_network_and_why_there_are_none() -> None:
    net = nn.Sequential(
        *convolutions(64, [(3, 1, 1)]), nn.Flatten(), nn.Linear(64 * 64, 30), nn.ReLU()
    )
    for parameter in net[3].parameters():
        nn.init.normal_(parameter) if parameter.ndim == 2 else nn.init.zeros_(parameter)
    u, v = torch.randn(2, 3, 8, 8)
    assert why_not(net) == ()
    found = predicted_angles(net, u, v)
    maps = after_convolutions(u, v, [3], 1, 1)[0]
    assert found["1"] == pytest.approx(float(maps.angle))
    assert found["4"] == pytest.approx(float(angle_after(maps.angle)))
    broken = nn.Sequential(
        nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.GELU(), nn.MaxPool2d(2), nn.Dropout(),
        nn.Conv2d(64, 64, 3, groups=2, bias=False),
    )  # fmt: skip
    reasons = " | ".join(why_not(broken))
    for part in (
        "0 (Conv2d): it has a bias", "excess kurtosis -1.1", "1 (BatchNorm2d): normalisation",
        "2 (GELU)", "3 (MaxPool2d): pooling mixes positions", "4 (Dropout)", "2 groups",
    ):  # fmt: skip
        assert part in reasons
    assert any("its forward is its own" in each for each in why_not(nn.MultiheadAttention(8, 2)))
    with pytest.raises(WorkbenchError, match=r"it has a bias.*measured angles without"):
        predicted_angles(broken, u, v)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: angle_after(float("nan")), "finite angles"),
        (lambda: angle_after(90.0), "in radians"),
        (lambda: angle_after(1.0, -1), "number of layers"),
        (lambda: angle_after(1.0, 1, float("inf")), "finite slope"),
        (lambda: cosine_after(1.1), r"cosines in \[−1, 1\]"),
        (lambda: distance_after(1.0, -1.0), "negative"),
        (lambda: concentration(1.0, 0), "at least one unit"),
        (lambda: after_convolutions(torch.ones(1, 4, 4), torch.ones(1, 4, 4), [5]), "fits into"),
        (lambda: after_convolutions(torch.ones(1, 4, 4), torch.ones(1, 4, 4), [3], [1, 1]), "each"),
        (lambda: pair_maps(torch.ones(3), torch.zeros(3)), "one that is zero"),
        (lambda: pair_maps(torch.ones(3), torch.ones(4)), "one shape"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call: object, said: str) -> None:
    with pytest.raises(WorkbenchError, match=said):
        call()  # type: ignore[operator]
