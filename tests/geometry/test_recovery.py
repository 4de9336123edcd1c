"""Recovery against its predicted errors and probabilities, by Monte Carlo."""

from math import pi, sqrt

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from workbench.errors import WorkbenchError
from workbench.geometry.recovery import (
    Function,
    Sparse,
    Subspace,
    backproject,
    depth_errors,
    exact_probability,
    invert_layers,
    invert_relu,
    moments,
    relu,
)
from workbench.geometry.sparse_recovery import descent_cone, phase_transition, recover_sparse


def gaussian(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(
    ("activation", "centred", "across", "along", "rms"),
    [
        (relu, False, 2, 5, 6.56),
        (relu, True, 2 - 2 / pi, 5 - 6 / pi, 5.38),
        (np.sign, True, pi / 2, pi / 2 - 1, 5.52),
    ],
)
def test_linear_recovery_has_the_predicted_error(
    activation: Function, centred: bool, across: float, along: float, rms: float
) -> None:
    own = moments(activation, centred)
    assert own.across / own.gain**2 == pytest.approx(across, rel=1e-9)
    assert own.along / own.gain**2 == pytest.approx(along, rel=1e-9)
    assert 40 * own.rms(20, 1600) == pytest.approx(rms, abs=0.005)
    basis = Subspace(torch.linalg.qr(torch.from_numpy(gaussian(40, 20))).Q)
    errors = {}
    for units in (400, 1600):
        squares = []
        for draw in range(60):
            u = basis(torch.from_numpy(gaussian(40, seed=draw)))
            u /= u.norm()
            weight = gaussian(units, 40, seed=1000 + draw) / sqrt(units)
            y = activation(weight @ u.numpy())
            found = backproject(weight, y, basis, activation, centred, 1 / sqrt(units))
            squares.append(float((found.value - u).norm()) ** 2)
        errors[units] = sqrt(np.mean(squares))
        assert found.rms == pytest.approx(own.rms(20, units))
        assert errors[units] == pytest.approx(found.rms, rel=0.12)
    assert np.log(errors[1600] / errors[400]) / np.log(4) == pytest.approx(-0.5, abs=0.1)


def test_moments_of_any_activation_are_those_of_samples() -> None:
    g = gaussian(2_000_000)

    def clipped(t: np.ndarray) -> np.ndarray:
        return np.clip(t, -0.3, 0.73)

    for activation, scale in ((clipped, 1.0), (np.tanh, 0.5), (relu, 0.2)):
        found, value = moments(activation, scale=scale), activation(scale * g)
        assert found.gain == pytest.approx((g * value).mean(), abs=3e-3)
        assert found.across == pytest.approx(value.var(), abs=3e-3)
        assert found.along == pytest.approx((g * (value - value.mean())).var(), abs=3e-3)
    assert moments(relu, False).rms(20, 1) / moments(relu).rms(20, 1) == pytest.approx(
        1.22, abs=0.01
    )


def test_projection_onto_sparse_vectors_helps() -> None:
    u = np.zeros(200)
    u[[3, 50, 120]] = np.array([2, -1, 2]) / 3
    weight = gaussian(1500, 200)
    plain = backproject(weight, relu(weight @ u))
    sparse = backproject(weight, relu(weight @ u), Sparse(3))
    assert sparse.rms is None
    assert plain.rms == pytest.approx(moments().rms(200, 1500))
    errors = [float((each.value - torch.from_numpy(u)).norm()) for each in (plain, sparse)]
    assert errors[0] == pytest.approx(plain.rms, rel=0.15)
    assert errors[1] < errors[0] / 3
    assert int((sparse.value != 0).sum()) == 3


@pytest.mark.parametrize(
    ("units", "predicted"), [(90, 0.171), (100, 0.540), (110, 0.853), (120, 0.973)]
)
def test_a_relu_layer_is_inverted_exactly(units: int, predicted: float) -> None:
    assert exact_probability(units, 50) == pytest.approx(predicted, abs=5e-4)
    exact, errors = [], []
    for draw in range(150):
        weight, u = gaussian(units, 50, seed=draw), gaussian(50, seed=500 + draw)
        found = invert_relu(weight, relu(weight @ u))
        exact.append(found.exact)
        if found.exact:
            errors.append(np.linalg.norm(found.value.numpy() - u) / np.linalg.norm(u))
        else:
            assert f"{int(found.active.sum())} equations for 50 unknowns" in found.reason
    assert np.mean(exact) == pytest.approx(
        predicted, abs=3.5 * sqrt(predicted * (1 - predicted) / 150)
    )
    assert np.median(errors) < 1e-14
    assert max(errors) < 1e-10  # square and ill-conditioned, once in a while


def test_inversion_says_why_it_is_not_exact() -> None:
    weight, u = gaussian(60, 20), gaussian(20)
    bias = gaussian(60, seed=2)
    biased = invert_relu(weight, relu(weight @ u + bias), bias)
    assert biased.exact
    assert biased.value.numpy() == pytest.approx(u)
    leaky = invert_relu(
        weight[:20], np.where(weight @ u > 0, 1, 0.1)[:20] * (weight @ u)[:20], slope=0.1
    )
    assert leaky.exact  # as many units as unknowns are enough
    assert leaky.value.numpy() == pytest.approx(u)
    doubled = np.hstack([weight, weight[:, :1]])
    assert "rank 20, for 21 unknowns" in invert_relu(doubled, relu(weight @ u)).reason
    assert "no input has this output" in invert_relu(weight, np.abs(bias)).reason
    dead = invert_relu(weight, np.zeros(60))
    assert "0 active units" in dead.reason
    assert not dead.value.any()


def test_several_layers_are_inverted() -> None:
    sizes = [int(10 * 2.5**i) for i in range(6)]
    pairs = zip(sizes[1:], sizes[:-1], strict=True)
    weights = [gaussian(a, b, seed=a) * sqrt(2 / b) for a, b in pairs]
    u = y = gaussian(10, seed=4)
    for weight in weights:
        y = relu(weight @ y)
    found = invert_layers(weights, y)
    assert all(each.exact for each in found)
    assert np.linalg.norm(found[-1].value.numpy() - u) < 1e-11 * np.linalg.norm(u)


def test_depth_adds_to_the_error() -> None:
    rms = np.sqrt((depth_errors(draws=8, layers=6, units=400) ** 2).mean(0))
    assert rms[0] == pytest.approx(2 * sqrt(4 * (0.5 - 0.5 / pi) / 400), rel=0.4)
    steps = np.diff(rms)
    assert (steps > 0).all()
    assert steps.mean() == pytest.approx(rms[0], rel=0.5)  # as O(Nδ³), and not √N
    assert rms[-1] > 1.5 * sqrt(6) * rms[0]


@pytest.mark.parametrize(("sparsity", "half"), [(4, 35), (8, 57)])
def test_sparse_inputs_need_few_units(sparsity: int, half: int) -> None:
    few, some, many = phase_transition(128, sparsity, [half // 2, half, 3 * half // 2], draws=40)
    assert some.recovered == pytest.approx(0.5, abs=0.25)
    for each in (few, some, many):
        error = sqrt(max(each.predicted * (1 - each.predicted), 0.01) / 40)
        assert each.recovered == pytest.approx(each.predicted, abs=4 * error)
    cone = descent_cone(128, sparsity)
    assert 2 * cone.dimension == pytest.approx(half, rel=0.08)
    # the closed form inf k(1 + τ²) + (n − k) E(|g| − τ)₊², from the same Gaussians
    g = np.abs(gaussian(200_000))
    closed = min(
        sparsity * (1 + t * t) + (128 - sparsity) * (np.maximum(g - t, 0) ** 2).mean()
        for t in np.linspace(0, 3, 61)
    )
    assert 0 < closed - cone.dimension < 2 * sqrt(128 / sparsity)


def test_sparse_recovery_knows_whether_it_is_right() -> None:
    weight, u = gaussian(60, 128), np.zeros(128)
    u[:4] = 1
    right = recover_sparse(weight, relu(weight @ u))
    assert right.exact
    assert right.value.numpy() == pytest.approx(u, abs=1e-10)
    assert right.residual < 1e-10
    wrong = recover_sparse(weight[:20], relu(weight[:20] @ u))
    assert not wrong.exact
    # inequalities of inactive units are slack at the solution: they change nothing
    rows, still = weight[right.active.numpy()], weight[~right.active.numpy()]
    with_them = linprog(
        np.ones(256), A_ub=np.hstack([still, -still]), b_ub=np.zeros(len(still)),
        A_eq=np.hstack([rows, -rows]), b_eq=rows @ u,
    )  # fmt: skip
    assert with_them.x[:128] - with_them.x[128:] == pytest.approx(u, abs=1e-9)
    assert (still @ u < 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda w, y: backproject(w, y[:-1]), "an output of each of the 9 units"),
        (lambda w, y: backproject(w, y, activation=np.abs), "E gρ"),
        (lambda w, y: backproject(w, y, scale=0.0), "positive standard deviation"),
        (lambda w, y: invert_relu(w, y * np.nan), "finite outputs"),
        (lambda w, y: invert_relu(w[0], y), r"shape \(4,\)"),
        (lambda w, y: invert_relu(w, y, slope=-1.0), "a slope ≥ 0"),
        (lambda w, y: invert_layers([], y), "at least one layer"),
        (lambda w, y: recover_sparse(w, 0 * y), "an active unit"),
        (lambda w, y: recover_sparse(w, np.abs(y) + 1), "without a solution"),
        (lambda w, y: descent_cone(4, 5), "1 ≤ k ≤ n"),
        (lambda w, y: Subspace(torch.ones(3, 2)), "orthonormal"),
    ],
)
def test_bad_input_is_named(call: object, said: str) -> None:
    weight = gaussian(9, 4)
    with pytest.raises(WorkbenchError, match=said):
        call(weight, relu(weight @ gaussian(4)))  # type: ignore[operator]
