"""Checkpoints of torchvision to files of features: the same numbers, and nothing else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from workbench.errors import WorkbenchError
from workbench.models.backbones import BACKBONES, Backbone
from workbench.models.convert import write_features
from workbench.models.weights import load_weights

DEEPEST = {name: entry.taps[-1] for name, entry in BACKBONES.items() if entry.pretrained}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """An AlexNet of random weights as torchvision saves it, classifier included."""
    state = dict(Backbone("alexnet", "relu5").state_dict())
    state["classifier.6.bias"] = torch.randn(1000)
    torch.save(state, tmp_path / "alexnet-owt.pth")
    return tmp_path / "alexnet-owt.pth"


def test_convolutions_are_kept_as_they_are(checkpoint: Path, tmp_path: Path) -> None:
    write_features(checkpoint, tmp_path / "out.safetensors", "alexnet")
    state = torch.load(checkpoint, weights_only=True)
    del state["classifier.6.bias"]
    found = load_file(tmp_path / "out.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("tap", ["relu1", "relu5"])
def test_a_backbone_reads_them(checkpoint: Path, tmp_path: Path, tap: str) -> None:
    write_features(checkpoint, tmp_path / "out.safetensors", "alexnet")
    from_checkpoint, from_features = Backbone("alexnet", tap), Backbone("alexnet", tap)
    load_weights(from_checkpoint, checkpoint)
    load_weights(from_features, tmp_path / "out.safetensors")
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(from_checkpoint(image)[0], from_features(image)[0])


def test_another_networks_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a checkpoint of vgg16, with features"):
        write_features(checkpoint, tmp_path / "out.safetensors", "vgg16")
    assert not (tmp_path / "out.safetensors").exists()


def test_an_unknown_network(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a backbone out of alexnet, vgg16"):
        write_features(checkpoint, tmp_path / "out.safetensors", "resnet")


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(WorkbenchError, match=r"a \.safetensors file or a torchvision \.pth"):
        write_features(tmp_path / "page.pth", tmp_path / "out.safetensors", "alexnet")


@pytest.mark.data
@pytest.mark.parametrize("backbone", DEEPEST)
def test_real_weights_have_the_names_and_shapes(
    data_root: Path, tmp_path: Path, backbone: str
) -> None:
    (real,) = (data_root / "weights").glob(f"{backbone}*")
    state = load_file(real)
    torch.save(state, tmp_path / "checkpoint.pth")
    write_features(tmp_path / "checkpoint.pth", tmp_path / "out.safetensors", backbone)
    found = load_file(tmp_path / "out.safetensors")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
