"""The layer: its affinity, and the coupling that it can learn."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.layers import NormalizedCuts
from workbench.objectives import j1


def test_cells_are_rows_in_row_major_order() -> None:
    maps = torch.rand(5, 3, 4)
    affinity = NormalizedCuts(5)(maps)
    torch.testing.assert_close(affinity.x[6], maps[:, 1, 2])
    assert affinity.coupling is None


@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (4, 3, 4), (5, 12)])
def test_maps_that_do_not_fit_the_layer_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(WorkbenchError, match=r"of one image, of shape \(5, rows, columns\)"):
        NormalizedCuts(5)(torch.rand(shape))


def test_coupling_starts_at_the_identity_and_stays_symmetric_and_nonnegative() -> None:
    layer = NormalizedCuts(5, learn_coupling=True)
    maps, labels = torch.rand(5, 6, 6), torch.arange(36) % 3
    torch.testing.assert_close(layer(maps).coupling, torch.eye(5))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        value = j1(layer(maps), labels).value
        value.backward()
        optimizer.step()
        values.append(value.item())
    coupling = layer(maps).coupling
    assert values[-1] < values[0]
    torch.testing.assert_close(coupling, coupling.T)
    assert (coupling >= 0).all()
    assert (torch.linalg.eigvalsh(coupling) >= -1e-6).all()
