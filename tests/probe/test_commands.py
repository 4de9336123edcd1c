"""`workbench probe` and `workbench segment --layer`: networks by name, and their checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.probe.networks import Tokens, convolutional, write_images
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.probe import Probe, probe
from workbench.probe.networks import load_checkpoint, network_of
from workbench.probe.predict import LayerPredictor

BUILD = "tests.probe.networks:convolutional"


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in arguments])
    return int(ended.value.code or 0)


def test_a_network_of_ones_own_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = write_images(tmp_path / "images", 2)
    save_file(convolutional(seed=3).state_dict(), tmp_path / "last.safetensors")
    assert call("probe", BUILD, "--images", images, "--list") == 0
    assert "1×12×8×6" in capsys.readouterr().out
    asked = ["probe", BUILD, "--images", images, "--layer", "4", "--run", tmp_path / "run"]
    assert call(*asked, "--checkpoint", tmp_path / "last.safetensors") == 0
    assert "effective rank" in capsys.readouterr().out
    expected = probe(convolutional(3), images, "4", path=tmp_path / "other", progress=False)
    assert np.array_equal(
        Probe(tmp_path / "run").features("photo0", "4"), expected.features("photo0", "4")
    )
    assert call(*asked) == 2
    assert "no run" in capsys.readouterr().err


def test_a_photograph_is_cut_by_a_layer_of_it(tmp_path: Path) -> None:
    photo = write_images(tmp_path / "images", 1) / "photo0.png"
    asked = ["segment", photo, "--model", BUILD, "--layer", "4", "--segments", "2"]
    assert call(*asked, "--out", tmp_path / "out") == 0
    labels = np.array(Image.open(tmp_path / "out" / "photo0" / "labels.png"))
    assert labels.shape == (64, 48)
    left, right = labels[:, :16].ravel(), labels[:, -16:].ravel()
    assert np.bincount(left).argmax() != np.bincount(right).argmax()
    contours = np.array(Image.open(tmp_path / "out" / "photo0" / "contours.png"))
    assert contours[:, 20:28].max() == contours.max() > 0, "a hierarchy, highest in the middle"
    for more, segments in ((["--height", "9"], 1), (["--flat", "--segments", "2"], 2)):
        out = tmp_path / more[0]
        assert call(*asked[:-2], *more, "--out", out) == 0
        assert np.array(Image.open(out / "photo0" / "labels.png")).max() >= segments
        assert (out / "photo0" / "contours.png").is_file() == (more[0] == "--height")


def test_a_prediction_is_that_of_the_probe(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", 1)
    recorded = probe(convolutional(), images, "4", path=tmp_path / "run", progress=False)
    found = LayerPredictor(convolutional(), "4")(recorded.image("photo0"))
    expected = recorded.prediction("photo0", "4")
    assert (found.shape, found.image, found.grid) == (
        expected.shape, expected.image, expected.grid,
    )  # fmt: skip
    torch.testing.assert_close(found.affinity.x, expected.affinity.x, atol=1e-3, rtol=1e-3)


def test_what_builds_no_network_is_refused_by_name(tmp_path: Path) -> None:
    for spec, message in (
        ("tests.probe.networks", "package.module:function"),
        ("tests.probe.nothing:build", "nothing"),
        ("tests.probe.networks:nothing", "nothing"),
        ("builtins:dict", "torch.nn.Module from builtins:dict, found dict"),
    ):
        with pytest.raises(WorkbenchError, match=message):
            network_of(spec)
    torch.save({"state_dict": Tokens().state_dict()}, tmp_path / "other.pt")
    with pytest.raises(WorkbenchError, match=r"missing \(0.weight.*unknown"):
        load_checkpoint(convolutional(), tmp_path / "other.pt")
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(WorkbenchError, match=r"a state dict in .*broken.pt"):
        load_checkpoint(convolutional(), tmp_path / "broken.pt")
    torch.save({"anything": [1, 2]}, tmp_path / "list.pt")
    with pytest.raises(WorkbenchError, match="a state dict"):
        load_checkpoint(convolutional(), tmp_path / "list.pt")
    wrapped = {f"module.{n}": v for n, v in convolutional(5).state_dict().items()}
    torch.save({"state_dict": wrapped}, tmp_path / "wrapped.pt")
    network = network_of(BUILD, tmp_path / "wrapped.pt")
    assert torch.equal(network[0].weight, convolutional(5)[0].weight)  # type: ignore[index]
