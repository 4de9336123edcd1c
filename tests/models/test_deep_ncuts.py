"""DeepNCuts from image to affinity, and through the objective back to the first convolution."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.models import ArchitectureConfig, DeepNCuts
from workbench.objectives import j1, j2

TINY = ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0)


def test_paper_widths() -> None:
    alexnet = DeepNCuts(ArchitectureConfig())
    assert [m.out_channels for m in alexnet.head if hasattr(m, "out_channels")] == [256, 20]
    assert alexnet.head[2].p == 0.25
    vgg = DeepNCuts(ArchitectureConfig(backbone="vgg16", taps=("relu4",)))
    assert [m.out_channels for m in vgg.head if hasattr(m, "out_channels")] == [1024, 20]


@pytest.mark.parametrize("enlarge", [1.0, 2.0, 0.5])
def test_affinity_is_nonnegative_and_its_cells_are_the_maps(enlarge: float) -> None:
    model = DeepNCuts(ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=enlarge)).eval()
    found = model(torch.rand(3, 64, 96))
    affinity, (rows, columns) = found.affinity, found.shape
    assert affinity.x.shape == (rows * columns, 20)
    assert (affinity.dense() >= 0).all()
    assert model.grid.stride == pytest.approx(4 / enlarge)
    assert rows == pytest.approx(64 * enlarge / 4, abs=1)


@pytest.mark.parametrize("objective", [j1, j2])
def test_gradients_reach_every_parameter(objective) -> None:
    model = DeepNCuts(
        ArchitectureConfig(
            backbone="tiny", taps=("relu3",), enlarge=1.0, learn_coupling=objective is j1
        )
    )
    found = model(torch.rand(3, 48, 48))
    labels = model.grid.sample_labels(torch.arange(48 * 48).view(1, 48, 48) // 1200, *found.shape)
    objective(found.affinity, labels).value.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_a_head_the_features_are_the_backbones() -> None:
    model = DeepNCuts(
        ArchitectureConfig(backbone="tiny", taps=("relu2",), enlarge=1.0, head="none")
    )
    image = torch.rand(3, 40, 40)
    found = model(image).affinity.x.T.unflatten(1, model(image).shape)
    torch.testing.assert_close(found, model.backbone(image[None])[0][0])


def test_enlargement_must_be_positive() -> None:
    with pytest.raises(WorkbenchError, match="a positive enlargement"):
        DeepNCuts(ArchitectureConfig(enlarge=0.0))
