"""Cuts of several grids under constraints, against dense problems with the same answer."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.sparse import csr_array

from workbench.segmentation.multiscale import averaging, constrained_cuts, constraints

SHAPE = (13, 17)


def random_affinity(cells: int, seed: int) -> csr_array:
    half = np.random.default_rng(seed).random((cells, cells)) ** 4
    return csr_array(half + half.T)


@pytest.fixture
def grids() -> tuple[list[csr_array], list[csr_array]]:
    """Affinities of three grids, and the means between them."""
    one, coarse = averaging(SHAPE, 3)
    two, _ = averaging(coarse, 3)
    sizes = (one.shape[1], one.shape[0], two.shape[0])
    return [random_affinity(size, seed) for seed, size in enumerate(sizes)], [one, two]


def test_means_are_those_of_the_cells_inside() -> None:
    mean, coarse = averaging(SHAPE, 3)
    values = np.random.default_rng(0).random(SHAPE)
    found = (mean @ values.ravel()).reshape(coarse)
    assert coarse == (5, 6)
    for i, j in np.ndindex(coarse):
        inside = values[3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        assert found[i, j] == pytest.approx(inside.mean())


def test_a_large_cell_has_the_mean_of_its_small_ones(
    grids: tuple[list[csr_array], list[csr_array]],
) -> None:
    affinities, means = grids
    found = constrained_cuts(affinities, means, 5, tolerance=1e-12)
    x = found.vectors / np.sqrt(found.degrees)[:, None]
    first, second = means[0].shape[1], sum(means[0].shape)
    np.testing.assert_allclose(x[first:second], means[0] @ x[:first], atol=1e-12)
    np.testing.assert_allclose(x[second:], means[1] @ x[first:second], atol=1e-12)
    assert abs(constraints(means) @ x).max() < 1e-12
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(5), atol=1e-12)


def test_the_constraint_put_in_gives_the_same_cut(
    grids: tuple[list[csr_array], list[csr_array]],
) -> None:
    """With X_s = P_s X_1 the problem is Σ P_sᵀW_sP_s x = λ Σ P_sᵀD_sP_s x, of the finest grid."""
    affinities, means = grids
    lifts = [np.eye(means[0].shape[1]), means[0].toarray()]
    lifts.append(means[1] @ lifts[1])
    w = sum(p.T @ a.toarray() @ p for p, a in zip(lifts, affinities, strict=True))
    d = sum(p.T @ np.diag(a.toarray().sum(1)) @ p for p, a in zip(lifts, affinities, strict=True))
    values, vectors = eigh(w, d)
    found = constrained_cuts(affinities, means, 6, tolerance=1e-12)
    np.testing.assert_allclose(found.values, values[::-1][:6], rtol=1e-10)
    x = (found.vectors / np.sqrt(found.degrees)[:, None])[: len(w)]
    expected = vectors[:, ::-1][:, :6]
    x, expected = (v * np.sign(v[0]) for v in (x, expected))  # D-orthonormal both, but for the sign
    np.testing.assert_allclose(x, expected, atol=1e-8)


def test_the_first_vector_is_the_trivial_one(
    grids: tuple[list[csr_array], list[csr_array]],
) -> None:
    found = constrained_cuts(*grids, 3, tolerance=1e-12)
    assert found.values[0] == pytest.approx(1.0, abs=1e-12)
    x = found.vectors[:, 0] / np.sqrt(found.degrees)
    assert np.ptp(x) < 1e-10 * abs(x[0])


def test_one_grid_is_plain_normalized_cuts() -> None:
    w = random_affinity(60, 0)
    found = constrained_cuts([w], [], 4, tolerance=1e-12)
    values = eigh(w.toarray(), np.diag(w.sum(1)), eigvals_only=True)
    np.testing.assert_allclose(found.values, values[::-1][:4], rtol=1e-10)


def test_few_cells_and_cells_without_neighbours() -> None:
    w = csr_array(np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 0]]))
    found = constrained_cuts([w], [], 9)
    np.testing.assert_allclose(found.values, [1, 0, -1], atol=1e-12)
    assert np.isfinite(found.vectors).all()
