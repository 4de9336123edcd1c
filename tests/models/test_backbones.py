"""Backbones: their taps, where their cells lie, and how weights are read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from workbench.errors import WorkbenchError
from workbench.models import ArchitectureConfig, Backbone, DeepNCuts, load_weights
from workbench.models.backbones import BACKBONES
from workbench.models.weights import find_weights

TAPS = [
    (name, tap)
    for name, entry in BACKBONES.items()
    for tap in (*entry.taps, *(alias for alias, _ in entry.aliases))
]
VGG19 = "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512"
"""Torchvision's configuration E, written down apart from ours."""


@pytest.mark.parametrize(("name", "tap"), TAPS)
def test_cells_lie_where_the_grid_says(name: str, tap: str) -> None:
    """The input pixels that a cell depends on are centred on the cell's place in the image.

    Where cells lie does not depend on the channels: here is one, and means in place of maxima,
    whose gradient reaches every pixel of their window.
    """
    backbone = Backbone(name, tap)
    narrow = nn.Sequential(*map(alone, backbone.features)).double()
    image = (2 + torch.rand(1, 1, 421, 421, dtype=torch.float64)).requires_grad_()
    maps = narrow(image)
    i, j = maps.shape[2] // 2, maps.shape[3] // 2 + 1
    maps[0, 0, i, j].backward()
    rows, columns = image.grad[0, 0].nonzero().T
    (grid,) = backbone.grids
    assert rows.min() > 0
    assert (rows.min() + rows.max()) / 2 == grid.offset + i * grid.stride
    assert (columns.min() + columns.max()) / 2 == grid.offset + j * grid.stride


def alone(layer: nn.Module) -> nn.Module:
    """The layer with one channel, each output the mean of its window."""
    if isinstance(layer, nn.MaxPool2d):
        return nn.AvgPool2d(layer.kernel_size, layer.stride)
    if not isinstance(layer, nn.Conv2d):
        return layer
    mean = nn.Conv2d(1, 1, layer.kernel_size, layer.stride, layer.padding)
    nn.init.constant_(mean.weight, 1 / mean.weight.numel())
    nn.init.zeros_(mean.bias)
    return mean


@pytest.mark.parametrize("name", BACKBONES)
def test_every_tap_gives_the_maps_that_it_promises(name: str) -> None:
    entry = BACKBONES[name]
    backbone = Backbone(name, *entry.taps, *(alias for alias, _ in entry.aliases))
    with torch.no_grad():
        maps = backbone(torch.rand(1, 3, 96, 128))
    for each, grid, channels in zip(maps, backbone.grids, backbone.channels, strict=True):
        assert each.shape[1] == channels
        assert abs(each.shape[2] - 96 / grid.stride) <= 1
        assert abs(each.shape[3] - 128 / grid.stride) <= 1
    for alias, tap in entry.aliases:
        one, other = (maps[backbone.taps.index(each)] for each in (alias, tap))
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", BACKBONES)
def test_networks_are_built_on_every_entry(name: str) -> None:
    entry = BACKBONES[name]
    model = DeepNCuts(ArchitectureConfig(backbone=name, taps=(entry.taps[-1],)))
    assert model.head[0].out_channels == entry.hidden
    if not entry.pretrained:
        return
    (maps,) = model.backbone.to("meta")(torch.zeros(1, 3, 224, 224, device="meta"))
    # the frame that it was trained on gives as many cells as its fully connected layers took
    assert entry.last_pooling()(maps).shape[2:] == (entry.cells, entry.cells)


@pytest.mark.data
@pytest.mark.parametrize("name", [name for name, entry in BACKBONES.items() if entry.pretrained])
def test_known_weights_load_and_give_features(name: str, data_root: Path) -> None:
    path = find_weights(name, data_root)
    if path is None:
        pytest.skip(f"no weights of {name} in {data_root}")
    backbone = Backbone(name, BACKBONES[name].taps[-1])
    load_weights(backbone, path)
    photo = sorted((data_root / "BSDS500/data/images/val").glob("*.jpg"))[0]
    image = torch.tensor(np.asarray(Image.open(photo))[:96, :128]).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        (features,) = backbone(image)
    assert features.dtype == torch.float32
    assert features.isfinite().all()
    assert 0.01 < (features > 0).float().mean() < 0.9


@pytest.mark.data
def test_vgg19_is_the_plain_network_of_its_file(data_root: Path) -> None:
    path = find_weights("vgg19", data_root)
    if path is None:
        pytest.skip(f"no weights of vgg19 in {data_root}")
    layers: list[nn.Module] = []
    channels = 3
    for word in VGG19.split():
        if word == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, int(word), 3, padding=1), nn.ReLU()]
            channels = int(word)
    plain = nn.Sequential(*layers)
    state = {key.removeprefix("features."): each.float() for key, each in load_file(path).items()}
    plain.load_state_dict(state)  # strict: all sixteen convolutions, and nothing else
    backbone = Backbone("vgg19", "relu5")
    load_weights(backbone, path)
    image = torch.rand(1, 3, 64, 80)
    with torch.no_grad():
        expected = plain((image - backbone.mean) / backbone.deviation)
        assert torch.equal(backbone(image)[0], expected)
    assert torch.equal(backbone.features[0].weight, state["0.weight"])


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
    with pytest.raises(WorkbenchError, match="alexnet, vgg16, vgg19"):
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
