"""Probes of networks that the project does not know: what is recorded, refused, resumed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from pipelines.jobs import run
from tests.probe.networks import Tokens, convolutional, write_images
from workbench.errors import WorkbenchError
from workbench.models import Backbone
from workbench.probe import LayerStatistics, Preprocessing, Probe, layers, probe
from workbench.probe.capture import Capture, named_layers
from workbench.probe.places import measured_places


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_images(tmp_path_factory.mktemp("images"))
    write_images(folder / "below", 2, (48, 64))
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 not a photograph")
    return folder


@pytest.fixture(scope="module")
def recorded(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    path = tmp_path_factory.mktemp("runs") / "probe"
    return probe(convolutional(), images, ["1", "4"], path=path, progress=False)


def test_features_are_those_of_the_network(recorded: Probe, images: Path) -> None:
    network = convolutional()
    pixels = np.array(Image.open(images / "photo2.png"))
    inputs = Preprocessing().tensor(pixels)[None]
    with torch.no_grad():
        expected = network[:5](inputs)[0]
    assert recorded.layers == ["1", "4"]
    assert np.array_equal(recorded.image("photo2"), pixels)
    assert np.allclose(recorded.features("photo2", "4"), expected.numpy(), atol=2e-3)


def test_what_cannot_be_read_is_named_and_the_rest_done(recorded: Probe) -> None:
    assert list(recorded.left_out) == ["broken"]
    assert "broken.jpg" in recorded.left_out["broken"]
    assert len(recorded.images) == 6
    assert "left out" in repr(recorded)
    assert "broken" in recorded._repr_html_()


def test_a_store_of_the_folder_gives_the_same(
    recorded: Probe, images: Path, tmp_path: Path
) -> None:
    store = tmp_path / "images.zarr"
    run("images", images, store, workers=1, progress=False)
    found = probe(convolutional(), str(store), ["1", "4"], path=tmp_path / "run", progress=False)
    assert found.images == recorded.images
    for id in recorded.images:
        assert np.array_equal(found.image(id), recorded.image(id))
        for layer in recorded.layers:
            assert np.array_equal(found.features(id, layer), recorded.features(id, layer))
    for layer in recorded.layers:
        ranks = (each.statistics[layer].eigenvalues().numpy() for each in (found, recorded))
        assert np.array_equal(*ranks)


def test_cells_lie_where_strides_and_paddings_put_them(recorded: Probe) -> None:
    # 7 px, stride 2, padding 3; pooling 3, 2, 1; 3, 2, 1: offsets stay 0
    for layer, stride in (("1", 2.0), ("4", 8.0)):
        grid = recorded.grid("photo0", layer)
        assert grid.stride == stride
        assert abs(grid.offset) <= stride / 8


@pytest.mark.parametrize(
    ("backbone", "tap", "stride", "offset"),
    [("alexnet", "relu2", 8, 7), ("alexnet", "relu5", 16, 15), ("vgg16", "relu3_3", 4, 1.5)],
)
def test_cells_of_known_networks(backbone: str, tap: str, stride: int, offset: float) -> None:
    network = Backbone(backbone, tap).eval()
    layer = f"features.{network.ends[0]}"
    with Capture(network, (layer,), None, None) as capture:
        found = measured_places(network, capture, layer, (180, 240), lambda maps: maps)
    assert (found.how, found.grid.stride) == ("measured", stride)
    assert abs(found.grid.offset - offset) <= stride / 16


def test_statistics_are_those_of_all_cells(recorded: Probe) -> None:
    rows = recorded.to_xarray("4").features.values.astype(np.float64)
    found = recorded.statistics["4"]
    assert found.cells == len(rows)
    assert found.images == 6
    expected = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    assert np.allclose(found.eigenvalues().numpy(), expected, atol=2e-3 * expected[0])
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert found.mean_cosine == pytest.approx((unit @ unit.T).mean(), abs=2e-3)


def test_statistics_merge() -> None:
    random = torch.Generator().manual_seed(0)
    one, other, whole = (LayerStatistics.empty(5) for _ in range(3))
    values = torch.randn(40, 5, generator=random)
    one.add(values[:15])
    other.add(values[15:])
    whole.add(values)
    merged = LayerStatistics.from_arrays(one.merged(other).to_arrays())
    assert torch.allclose(merged.gram, whole.gram)
    assert merged.stable_rank == pytest.approx(whole.stable_rank)


def test_predictions_have_the_affinity_of_the_features(recorded: Probe) -> None:
    found = recorded.prediction("photo0", "4")
    assert found.image == (64, 48)
    assert found.shape == (8, 6)
    assert float(found.affinity.spectrum(1).values) == pytest.approx(1.0)
    flat = torch.from_numpy(recorded.features("photo0", "4")).flatten(1).T
    cosine = nn.functional.cosine_similarity(flat[3], flat[20], dim=0)
    x = found.affinity.x
    assert float(x[3] @ x[20]) == pytest.approx(float(1 + cosine) / 2, abs=1e-5)


def test_tokens_become_a_grid_without_the_class_token(images: Path, tmp_path: Path) -> None:
    found = probe(
        Tokens().eval(), images, "blocks.*", path=tmp_path / "probe", progress=False,
        preprocessing=Preprocessing(size=(48, 64)),
    )  # fmt: skip
    assert found.layers == ["blocks.0", "blocks.1"]
    said = found.described["blocks.0"]
    assert said["shape"] == [6, 8]
    assert said["left_out_tokens"] == 1
    assert found.grid("photo0", "blocks.0").stride == 8


def test_datasets_and_loaders_are_taken(tmp_path: Path) -> None:
    dataset = TensorDataset(torch.randn(3, 3, 32, 40))
    found = probe(
        convolutional(), DataLoader(dataset), ["1"], path=tmp_path / "probe", progress=False
    )
    assert found.images == ["000000", "000001", "000002"]
    assert found.image("000000").shape == (32, 40, 3)


def test_memory_on_disk_is_bounded(images: Path, tmp_path: Path) -> None:
    found = probe(
        convolutional(), images, ["1"], path=tmp_path / "probe", progress=False, keep=30_000
    )
    assert 0 < len(found.images) < 6
    assert found.statistics["1"].images == 6


def test_an_interrupted_probe_goes_on_to_the_same_figures(
    images: Path, recorded: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "probe", []

    def interrupt(module: nn.Module, inputs: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    network = convolutional()
    handle = network.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        probe(network, images, ["1", "4"], path=path, progress=False, batch=1)
    handle.remove()
    assert Probe(path).run.status == "interrupted"
    found = probe(network, images, ["1", "4"], path=path, progress=False, batch=1, resume=True)
    assert found.run.status == "finished"
    assert found.images == recorded.images
    grams = [each.statistics["4"].gram for each in (found, recorded)]
    assert torch.allclose(*grams, rtol=1e-4, atol=1e-4)  # batches of another size round otherwise
    with pytest.raises(WorkbenchError, match="another digest"):
        probe(convolutional(1), images, ["1", "4"], path=path, resume=True, batch=1)


class _Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shared, self.pair = nn.Conv2d(3, 3, 3, padding=1), _Pair()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, _ = self.pair(x)
        return self.shared(self.shared(first))


class _Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x.relu()


def test_what_cannot_be_probed_is_one_sentence(images: Path, tmp_path: Path) -> None:
    def asked(network: nn.Module, layers: Any, **more: Any) -> Probe:
        place = tmp_path / f"probe{len(list(tmp_path.iterdir()))}"
        return probe(
            network, more.pop("images", images), layers, path=place, progress=False, **more
        )

    with pytest.raises(WorkbenchError, match=r"none called '11'; name one of: 1"):
        asked(convolutional(), ["11"])
    with pytest.raises(WorkbenchError, match="evaluation mode"):
        asked(convolutional().train(), ["1"])
    with pytest.raises(WorkbenchError, match="runs 2 times; say which run counts"):
        asked(_Twice().eval(), ["shared"])
    assert asked(_Twice().eval(), ["shared"], call=1).images
    with pytest.raises(WorkbenchError, match=r"tuple\(0: 2×3×48×64, 1: 2×3×48×64\); give output"):
        asked(_Twice().eval(), ["pair"])
    assert asked(_Twice().eval(), ["pair"], output=lambda out: out[1]).images
    with pytest.raises(WorkbenchError, match="none among 0 files"):
        asked(convolutional(), ["1"], images=_empty(tmp_path))
    with pytest.raises(WorkbenchError, match=r"tokens of blocks.0 .* tokens=\(rows, columns\)"):
        asked(Tokens().eval(), ["blocks.0"], tokens=(30, 30))
    broken = convolutional()
    nn.init.constant_(broken[0].weight, float("nan"))
    with pytest.raises(WorkbenchError, match="none of 7"):
        asked(broken, ["1"])


def _empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_layers_are_listed_with_shapes_and_found_by_wildcards() -> None:
    found = layers(Tokens().eval(), torch.zeros(1, 3, 32, 32))
    by_name = {layer.name: layer for layer in found}
    assert by_name["patches"].layout == "maps"
    assert by_name["blocks.1"].output == "1×17×16"
    assert "blocks.0.linear1" in repr(found)
    assert named_layers(Tokens(), "blocks.?") == ["blocks.0", "blocks.1"]
