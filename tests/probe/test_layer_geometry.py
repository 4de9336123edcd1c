"""Geometry of layers: measured against dense features, the theory and another gauge."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import Tensor, nn

import workbench
from workbench.cli.geometry import geometry
from workbench.errors import WorkbenchError
from workbench.models.chains import numbered_chain
from workbench.models.gauge import balanced
from workbench.models.random_weights import randomised
from workbench.probe import LayerGeometry
from workbench.probe.geometry.beside import check_same_images, matched_layers
from workbench.probe.preprocessing import Preprocessing


def network(pool: bool = True) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        middle = [nn.MaxPool2d(2)] if pool else []
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, 2), nn.ReLU(inplace=True), *middle, nn.Conv2d(6, 5, 3), nn.ReLU(),
            nn.Flatten(), nn.LazyLinear(4), nn.ReLU(),
        ).eval()  # fmt: skip


def images(count: int = 6, side: int = 20) -> list[Tensor]:
    return list(torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1)))


def ready(pool: bool = True) -> nn.Module:
    model = network(pool)
    model(torch.stack(images()))
    return model


def measured(model: nn.Module, layers: list[str], **options: object) -> LayerGeometry:
    settings = {"images": images(), "progress": False} | options
    found: LayerGeometry = workbench.layer_geometry(model, layers=layers, **settings)
    return found


def dense_angles(points: Tensor) -> np.ndarray:
    first, second = np.triu_indices(len(points), 1)
    cosines = torch.cosine_similarity(points[first].double(), points[second].double())
    return cosines.acos().numpy()


@pytest.mark.parametrize("memory", [2.0, 2e-6])
def test_the_table_is_that_of_the_features(memory: float) -> None:
    """With all features held, and with a block of two images at a time."""
    model, x = ready(), torch.stack(images())
    look = measured(model, ["1", "4"], memory=memory)
    features = model[:5](x).flatten(1).detach().double()
    cloud = look.cloud("4")
    np.testing.assert_allclose(cloud.gram, features @ features.T, rtol=1e-5)
    np.testing.assert_allclose(cloud.angles, dense_angles(features), atol=1e-5)
    row = look.table().set_index("layer").loc["4"]
    assert row.diameter == pytest.approx(float(torch.cdist(features, features).max()), rel=1e-5)
    shares = torch.linalg.eigvalsh(torch.cov(features.T)).clamp(min=0)
    entropy = torch.special.entr(shares / shares.sum()).sum()
    assert row.effective_rank == pytest.approx(float(entropy.exp()), rel=1e-4)
    g = torch.randn(20000, features.shape[1], dtype=torch.float64)
    projected = features @ g.T
    width = float((projected.amax(0) - projected.amin(0)).mean())
    assert row.width == pytest.approx(width, rel=0.05)
    assert row.width <= row.bound
    ratios = dense_angles(features) / dense_angles(x.flatten(1))
    assert row.ratio == pytest.approx(float(np.median(ratios)), abs=1e-5)
    assert "bias" in row.why_not
    assert np.isnan(row.predicted)


def test_random_layers_meet_the_prediction() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(1200, 1024, bias=False), nn.ReLU(),
            nn.Linear(1024, 1024), nn.ReLU(),
        ).eval()  # fmt: skip
    look = measured(mlp, ["4"], beside="random", draws=1)
    pairs = look.pairs().query("weights == 'random 1'")
    np.testing.assert_allclose(pairs.angle, pairs.predicted, atol=0.08)
    np.testing.assert_allclose(pairs.predicted, pairs.formula, atol=1e-9)
    own = measured(mlp, ["4"]).prediction("4")
    assert own.exact is None
    assert "kurtosis" in own.why_not


def test_convolutions_without_pooling_are_predicted_patch_by_patch() -> None:
    look = measured(ready(pool=False), ["3"], beside="random", draws=1)
    pairs = look.pairs()
    assert look.prediction("3").why_not == ""
    assert pairs.predicted.notna().all()
    assert not np.allclose(pairs.predicted, pairs.formula, atol=1e-4)
    pooled = measured(ready(), ["4"], beside="random", draws=1).prediction("4")
    assert pooled.exact is None
    assert "2 (MaxPool2d)" in pooled.why_not


def test_the_balanced_gauge_keeps_the_function_and_changes_angles() -> None:
    model = ready()
    with torch.no_grad():
        model[0].weight[0] *= 50  # one channel outweighs the others
    even, x = balanced(model), torch.stack(images())
    torch.testing.assert_close(even(x), model(x), rtol=1e-4, atol=1e-5)
    incoming = even[0].weight.flatten(1).square().sum(1)
    torch.testing.assert_close(incoming, even[3].weight.square().sum((0, 2, 3)), rtol=1e-4, atol=0)
    given = measured(model, ["1", "7"])
    same = measured(model, ["1", "7"], gauge="balanced")
    expected = dense_angles(even[:2](x).flatten(1).detach())
    np.testing.assert_allclose(same.cloud("1").angles, expected, atol=1e-5)
    assert np.abs(same.cloud("1").angles - given.cloud("1").angles).max() > 0.01
    np.testing.assert_allclose(same.cloud("7").angles, given.cloud("7").angles, atol=1e-3)


def test_random_weights_depend_on_the_seed_alone() -> None:
    model = ready()
    first, again, other = (randomised(model, seed)[0].weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, model[0].weight)


@pytest.mark.parametrize(
    ("change", "said"), [(0.0, "dead"), (float("nan"), "NaN"), (float("inf"), "NaN or infinity")]
)
def test_dead_layers_and_nan_are_outcomes(change: float, said: str) -> None:
    model = ready()
    model[3].weight.data.fill_(change)
    model[3].bias.data.zero_()
    table = measured(model, ["1", "3"]).table().set_index("layer")
    assert said in table.outcome["3"]
    assert np.isnan(table.width["3"])
    assert np.isfinite(table.ratio["1"])


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x))


def test_a_forward_of_its_own_is_measured_without_a_prediction() -> None:
    found = measured(Own().eval(), ["a"])
    assert np.isfinite(found.table().ratio).all()
    assert found.prediction("a").formula is None
    assert "forward" in found.prediction("a").why_not
    with pytest.raises(WorkbenchError, match="plain chains"):
        measured(Own().eval(), ["a"], gauge="balanced")


def test_bad_requests() -> None:
    model = ready()
    with pytest.raises(WorkbenchError, match="at least two images"):
        measured(model, ["1"], images=images(1))
    with pytest.raises(WorkbenchError, match="images of one size"):
        measured(model, ["1"], images=[*images(1), *images(1, 24)])
    with pytest.raises(WorkbenchError, match="evaluation mode"):
        measured(ready().train(), ["1"])
    with pytest.raises(WorkbenchError, match="none called"):
        measured(model, ["nowhere"])


def test_an_unreadable_image_is_left_out(tmp_path: Path) -> None:
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    small = Preprocessing(shorter=32, crop=(20, 20))
    look = measured(ready(), ["1"], images=tmp_path, preprocessing=small)
    assert len(look.images) == 2
    assert list(look.left_out) == ["c"]
    seen = small.shown(np.asarray(Image.open(tmp_path / "a.png")))
    np.testing.assert_array_equal(look.thumbnails[0], seen)  # smaller than a thumbnail may be


def test_a_saved_result_is_the_same_when_opened(tmp_path: Path) -> None:
    convolutions = ready()[:5].eval()
    look = measured(convolutions, ["1", "4"], images=images(side=300), beside="random", draws=1)
    assert look.thumbnails.shape == (6, 128, 128, 3)
    look.save(tmp_path)
    again = LayerGeometry.open(tmp_path)
    pd.testing.assert_frame_equal(again.table(), look.table())
    pd.testing.assert_frame_equal(again.pairs(), look.pairs())
    np.testing.assert_array_equal(again.thumbnails, look.thumbnails)
    assert again.prediction("4").why_not == look.prediction("4").why_not != ""
    assert (again.images, again.preprocessing) == (look.images, look.preprocessing)
    assert again.provenance == look.provenance


def test_damaged_and_foreign_records_are_a_sentence(tmp_path: Path) -> None:
    path = measured(ready(), ["1"]).save(tmp_path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        starts = [each.header_offset for each in file.infolist()]
        sizes = [each.compress_size for each in file.infolist()]
    assert len(starts) >= 5
    for start, size in zip(starts, sizes, strict=True):
        place = start + 60 + size // 2  # in the middle of an array, behind the header of its entry
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(WorkbenchError, match="damaged or foreign"):
            LayerGeometry.open(tmp_path)
    path.write_bytes(whole[:-100])
    with pytest.raises(WorkbenchError, match="damaged or foreign"):
        LayerGeometry.open(tmp_path)
    np.savez(path, weights=np.ones(3))
    with pytest.raises(WorkbenchError, match="damaged or foreign"):
        LayerGeometry.open(tmp_path)
    with pytest.raises(WorkbenchError, match="no folder"):
        LayerGeometry.open(tmp_path / "nowhere")


def test_results_beside_each_other_are_on_the_same_images() -> None:
    look = measured(ready(), ["1", "4"])
    with pytest.raises(WorkbenchError, match=r"2 only in the first \(000004, 000005\)"):
        check_same_images([look, measured(ready(), ["1"], images=images(4))])
    with pytest.raises(WorkbenchError, match="other photographs named 000000"):
        check_same_images([look, measured(ready(), ["1"], images=images()[::-1])])
    other = measured(ready(), ["4", "7"])
    check_same_images([look, other])
    assert matched_layers([look, other]) == [("4", "4")]
    assert matched_layers([look, measured(ready(), ["3", "7"])]) == [("1", "3"), ("4", "7")]


def test_the_command_writes_a_record_a_page_and_pictures(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in "ab":
        noise = np.random.default_rng(ord(name)).integers(0, 255, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{name}.png")
    other, out = tmp_path / "other", tmp_path / "out"
    workbench.layer_geometry(numbered_chain("tiny"), images, ["relu3"], progress=False).save(other)
    given = ["tiny", "--images", str(images), "--layers", "3", "--beside", "random"]
    done = CliRunner().invoke(geometry, [*given, "--against", str(other), "--out", str(out)])
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out / "layers.csv").query("layer == 'relu3'")
    assert list(found.weights) == ["given", "random 1", "random 2"]
    assert found.predicted.notna().all()
    assert "| relu3 | given |" in (out / "geometry.md").read_text()
    assert (out / "ratios.png").stat().st_size > 5000
    assert LayerGeometry.open(out).network == "tiny"
    page = (out / "geometry.html").read_text()
    assert page.count("<svg") == 6 + 3 + 2, "dimensions, angles, ratios of both results"
    assert page.count('alt="a and b"') == 2, "most contracted and most expanded"
    assert "gauge: given" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page), "nothing from elsewhere"
