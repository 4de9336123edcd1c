"""The factored affinity against the matrix that it stands for."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.linalg import Affinity


@pytest.fixture(params=[False, True], ids=["identity", "coupled"])
def affinity(request: pytest.FixtureRequest) -> Affinity:
    x = torch.rand(40, 6, dtype=torch.float64)
    root = torch.rand(6, 6, dtype=torch.float64)
    return Affinity(x, root @ root.T if request.param else None)


def test_products_degrees_and_rows(affinity: Affinity) -> None:
    w = affinity.dense()
    v = torch.randn(40, 3, dtype=torch.float64)
    torch.testing.assert_close(w, w.T)
    torch.testing.assert_close(affinity @ v, w @ v)
    torch.testing.assert_close(affinity.degrees, w.sum(1))
    torch.testing.assert_close(affinity.rows(torch.tensor([3, 5])), w[[3, 5]])


def test_spectrum_is_that_of_the_dense_matrix(affinity: Affinity) -> None:
    w = affinity.dense()
    scale = w.sum(1).rsqrt()
    values, vectors = torch.linalg.eigh(scale[:, None] * w * scale)
    found = affinity.spectrum(4)
    torch.testing.assert_close(found.values, values.flip(0)[:4])
    assert found.values[0] == pytest.approx(1)
    theirs = vectors.flip(1)[:, :4]
    torch.testing.assert_close(
        found.vectors @ found.vectors.T, theirs @ theirs.T, rtol=0, atol=1e-11
    )
    assert found.rank == 6
    assert found.gap == pytest.approx(float(values[-4] - values[-5]), abs=1e-12)


def test_rank_deficiency_gives_fewer_orthonormal_vectors() -> None:
    x = torch.rand(30, 2, dtype=torch.float64) @ torch.rand(2, 7, dtype=torch.float64)
    found = Affinity(x).spectrum(5)
    assert found.rank == 2
    assert found.vectors.shape == (30, 2)
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(2, dtype=torch.float64))


def test_pixels_without_features_have_zero_rows() -> None:
    x = torch.rand(10, 3)
    x[4] = 0
    found = Affinity(x).spectrum(3)
    assert not found.vectors[4].any()
    assert found.vectors.isfinite().all()


def test_all_features_off_is_rank_zero() -> None:
    found = Affinity(torch.zeros(10, 3)).spectrum(3)
    assert found.rank == 0
    assert found.vectors.shape == (10, 0)


def test_effective_rank_counts_equal_directions() -> None:
    q = torch.linalg.qr(torch.randn(50, 6, dtype=torch.float64)).Q
    assert Affinity(q[:, :4]).effective_rank() == pytest.approx(4)
    assert Affinity(q @ torch.randn(6, 1, dtype=torch.float64)).effective_rank() == pytest.approx(1)
    assert Affinity(torch.zeros(10, 3)).effective_rank() == 0


def test_effective_rank_is_the_dense_matrix_s(affinity: Affinity) -> None:
    values = torch.linalg.svdvals(affinity.dense())
    p = (values / values.sum()).clamp(min=1e-300)
    assert affinity.effective_rank() == pytest.approx(float((-(p * p.log()).sum()).exp()))


def test_errors_are_named() -> None:
    with pytest.raises(WorkbenchError, match="nonnegative degrees"):
        Affinity(torch.tensor([[1.0], [-2.0]])).spectrum(1)
    with pytest.raises(WorkbenchError, match="NaN or Inf"):
        Affinity(torch.tensor([[1.0], [torch.inf]])).spectrum(1)
    with pytest.raises(WorkbenchError, match="positive semidefinite coupling"):
        Affinity(torch.rand(5, 2), torch.tensor([[1.0, 0.0], [0.0, -0.1]])).spectrum(1)
