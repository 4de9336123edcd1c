"""Backbones: their taps, where their cells lie, and how weights are read."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from workbench.errors import WorkbenchError
from workbench.models import Backbone, load_weights

TAPS = [
    ("alexnet", "relu1", 64),
    ("alexnet", "relu2", 192),
    ("alexnet", "relu5", 256),
    ("vgg16", "relu1_2", 64),
    ("vgg16", "relu3_3", 256),
    ("vgg16", "relu4", 512),
    ("vgg16", "relu5", 512),
    ("tiny", "relu3", 48),
]


@pytest.mark.parametrize(("name", "tap", "channels"), TAPS)
def test_cells_lie_where_the_grid_says(name: str, tap: str, channels: int) -> None:
    """The input pixels that a cell depends on are centred on the cell's place in the image."""
    backbone = Backbone(name, tap)
    for layer in backbone.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1e-3)
            nn.init.zeros_(layer.bias)
    size = 421
    image = (2 + torch.rand(1, 3, size, size)).requires_grad_()
    with torch.no_grad():
        cells = backbone(image)[0].shape
    assert cells[1] == channels
    i, j = cells[2] // 2, cells[3] // 2 + 1
    backbone(image)[0][0, 0, i, j].backward()
    rows, columns = image.grad[0, 0].nonzero().T
    (grid,) = backbone.grids
    # max pooling passes the gradient to one pixel of its window: the centre is known to a pool
    slack = grid.stride if name != "tiny" else 0.5
    assert abs((rows.min() + rows.max()) / 2 - (grid.offset + i * grid.stride)) <= slack
    assert abs((columns.min() + columns.max()) / 2 - (grid.offset + j * grid.stride)) <= slack


def test_alexnets_relu5_is_shifted_against_an_even_division() -> None:
    grid = Backbone("alexnet", "relu5").grids[0]
    assert (grid.stride, grid.offset) == (16, 15)
    grid = Backbone("vgg16", "relu5").grids[0]
    assert (grid.stride, grid.offset) == (16, 7.5)


def test_several_taps_come_back_in_the_order_asked_for() -> None:
    several = Backbone("vgg16", "relu3_3", "relu1_2")
    assert several.channels == (256, 64)
    assert [grid.stride for grid in several.grids] == [4, 1]
    image = torch.rand(1, 3, 40, 48)
    deep, fine = several(image)
    alone = Backbone("vgg16", "relu1_2")
    alone.load_state_dict(
        {k: v for k, v in several.state_dict().items() if k in alone.state_dict()}
    )
    torch.testing.assert_close(fine, alone(image)[0])
    assert deep.shape == (1, 256, 10, 12)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(WorkbenchError, match="alexnet, vgg16"):
        Backbone("resnet", "relu5")
    with pytest.raises(WorkbenchError, match="relu1, relu2"):
        Backbone("alexnet", "relu6")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_go_in_and_out(suffix: str, tmp_path: Path) -> None:
    source = Backbone("alexnet", "relu5")
    state = {name: value.clone() for name, value in source.state_dict().items()}
    assert set(state) == {f"features.{i}.{p}" for i in (0, 3, 6, 8, 10) for p in ("weight", "bias")}
    state["classifier.1.weight"] = torch.zeros(2, 2)  # what torchvision has beside them
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file({name: value.half() for name, value in state.items()}, path)
    target = Backbone("alexnet", "relu3")
    load_weights(target, path)
    assert target.features[0].weight.dtype == torch.float32
    torch.testing.assert_close(
        target.features[6].weight, source.features[6].weight, rtol=1e-3, atol=1e-4
    )


def test_bad_weights_are_named(tmp_path: Path) -> None:
    backbone = Backbone("alexnet", "relu1")
    with pytest.raises(WorkbenchError, match="nothing at"):
        load_weights(backbone, tmp_path / "none.pth")
    torch.save(Backbone("vgg16", "relu1_1").state_dict(), tmp_path / "vgg.pth")
    with pytest.raises(WorkbenchError, match="give the weights of alexnet"):
        load_weights(backbone, tmp_path / "vgg.pth")
    for name in ("broken.pth", "broken.safetensors"):
        (tmp_path / name).write_bytes(b"\x80\x02not weights")
        with pytest.raises(WorkbenchError, match="does not read as one"):
            load_weights(backbone, tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WorkbenchError, match="a state dict of tensors"):
        load_weights(backbone, tmp_path / "list.pth")


def test_pickles_with_code_are_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Path("code")}, tmp_path / "evil.pth")
    with pytest.raises(WorkbenchError, match="does not read as one"):
        load_weights(Backbone("alexnet", "relu1"), tmp_path / "evil.pth")


@pytest.mark.data
def test_alexnets_first_filters_are_gabors_and_colour_blobs(data_root: Path) -> None:
    """Read right, most filters of conv1 have no mean (Gabors), and some differ between colours."""
    backbone = Backbone("alexnet", "relu5")
    load_weights(backbone, data_root / "weights/alexnet-imagenet1k-v1-features.safetensors")
    filters = backbone.features[0].weight.detach()
    mean = filters.mean((1, 2, 3)).abs() / filters.abs().mean((1, 2, 3))
    assert (mean < 0.1).float().mean() > 0.8
    grey = filters - filters.mean(1, keepdim=True)
    colour = grey.square().sum((1, 2, 3)) / filters.square().sum((1, 2, 3))
    assert 10 < int((colour > 0.5).sum()) < 50


@pytest.mark.data
def test_vgg16_reads_from_half_precision(data_root: Path) -> None:
    backbone = Backbone("vgg16", "relu5")
    load_weights(backbone, data_root / "weights/vgg16-imagenet1k-v1-features-float16.safetensors")
    (features,) = backbone(torch.rand(1, 3, 64, 64))
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert 0.01 < (features > 0).float().mean() < 0.9
