"""A network as a file gives the segments that its run gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.experiments import train_deep_ncuts
from workbench.experiments.scenes.model_files import best_height, export_model, read_model
from workbench.models import ArchitectureConfig, Backbone
from workbench.runs import Run
from workbench.training.building import trained_model
from workbench.training.scenes.config import DeepNCutsConfig


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with pretrained weights of the tiny backbone."""
    root = tmp_path_factory.mktemp("data")
    (root / "weights").mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        save_file(Backbone("tiny", "relu3").state_dict(), root / "weights/tiny-v1.safetensors")
    return root


def train(store: Path, root: Path, path: Path, frozen: bool, holdout: int = 2) -> Run:
    config = DeepNCutsConfig(
        store=str(store),
        weights=str(root / "weights/tiny-v1.safetensors"),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        passes=1,
        holdout=holdout,
        frozen=frozen,
        device="cpu",
    )
    return train_deep_ncuts(config, path)


@pytest.fixture(scope="module", params=[True, False], ids=["frozen", "end-to-end"])
def run(
    request: pytest.FixtureRequest, sample_store: Path, weights: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:  # fmt: skip
    path = tmp_path_factory.mktemp("run") / "run"
    return train(sample_store, weights, path, bool(request.param))


def names_in(path: Path) -> set[str]:
    with safe_open(path, "pt") as file:
        return {name.partition(".")[0] for name in file.keys()}  # noqa: SIM118


def test_the_network_comes_back(
    run: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(weights))
    stored = export_model(run, tmp_path / "model.safetensors", height=0.25)
    frozen = run.config["frozen"]
    assert stored != frozen
    assert ("backbone" in names_in(tmp_path / "model.safetensors")) == stored
    saved = read_model(tmp_path / "model.safetensors")
    assert saved.height == 0.25
    assert not saved.model.training
    expected = trained_model(run, DeepNCutsConfig).state_dict()
    for name, value in saved.model.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_half_precision_halves_the_file(
    run: Run, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_store: Path
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(weights))
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    export_model(run, whole)
    export_model(run, half, half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    image = Scenes.open(sample_store, "test")[0].image
    with torch.inference_mode():
        one, other = (read_model(path).model(image).affinity.x for path in (whole, half))
    assert one.dtype == other.dtype == torch.float32
    np.testing.assert_allclose(one, other, atol=0.01 * float(one.abs().max()))


def test_a_frozen_network_needs_the_weights_that_it_was_trained_on(
    sample_store: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(sample_store, weights, tmp_path / "run", frozen=True)
    path = tmp_path / "model.safetensors"
    export_model(run, path)
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)
    with pytest.raises(WorkbenchError, match="pretrained weights of tiny"):
        read_model(path)
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    own = tmp_path / "weights/tiny.safetensors"
    save_file(Backbone("tiny", "relu3").state_dict(), own)
    with pytest.raises(WorkbenchError, match=r"that .* was trained on"):
        read_model(path)
    pretrained = Backbone("tiny", "relu3")
    with safe_open(weights / "weights/tiny-v1.safetensors", "pt") as file:
        pretrained.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    save_file(pretrained.half().state_dict(), own)  # another precision is the same network
    assert read_model(path).model.config == DeepNCutsConfig.from_dict(run.config).architecture


def test_the_best_height_is_found_on_what_was_held_out(
    sample_store: Path, weights: Path, tmp_path: Path
) -> None:
    run = train(sample_store, weights, tmp_path / "run", frozen=True)
    height = best_height(run)
    assert height is not None
    assert height > 0
    none = replace(DeepNCutsConfig.from_dict(run.config), holdout=0)
    assert best_height(train_deep_ncuts(none, tmp_path / "none")) is None


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("weights")
    with pytest.raises(WorkbenchError, match="export it again"):
        read_model(tmp_path / "text.safetensors")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WorkbenchError, match="other tensors"):
        read_model(tmp_path / "other.safetensors")
