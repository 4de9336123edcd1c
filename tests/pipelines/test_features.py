"""Features as a product: those that DeepNCuts computes, in the slots of the scenes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines import features, jobs
from pipelines.datasets import prepare, prepare_again
from pipelines.errors import PipelineError, UserError
from pipelines.execute import store_digest
from pipelines.ledger import Ledger
from pipelines.sources.sample import write_sample
from pipelines.store import layout, open_store
from pipelines.task import write_unit
from pipelines.verify import verify
from workbench.data import Images, Scenes
from workbench.models import ArchitectureConfig, DeepNCuts


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point of pyproject.toml, as an installed package has it."""
    info = tmp_path / "installed" / "extractors-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extractors\nVersion: 1.0\n")
    text = f"[{features.GROUP}]\nbackbone = workbench.models.features:extractor\n"
    (info / "entry_points.txt").write_text(text)
    monkeypatch.syspath_prepend(info.parent)
    features.extractor.cache_clear()


@pytest.fixture
def model(tmp_path: Path) -> DeepNCuts:
    """A backbone whose weights are in tmp_path/tiny.safetensors."""
    model = DeepNCuts(ArchitectureConfig("tiny", ("relu3",), "none")).eval()
    save_file(model.backbone.state_dict(), tmp_path / "tiny.safetensors")
    return model


def write(root: Path, store: Path, dataset: str = "bsds", **request: object) -> Path:
    """In this process: workers of the tests' cluster do not see the entry point."""
    made = prepare(dataset, root, **request)  # type: ignore[arg-type]
    jobs.begin(made, store)
    for unit in made.plan.units:
        write_unit(unit.index, str(store), made.plan.fingerprint, made.plan.root)
    layout.finish(made.plan, store, store_digest(Ledger(store).marks()))
    return store


@pytest.mark.usefixtures("_installed")
def test_features_are_those_of_the_model_in_the_slots_of_the_scenes(
    root: Path, tmp_path: Path, model: DeepNCuts
) -> None:
    broken = root / "images" / "train" / "1001.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])
    weights = str(tmp_path / "tiny.safetensors")
    asked = {"features": "tiny:relu3", "weights": weights, "mirrored": True, "unit": 3}
    found = open_store(write(root, tmp_path / "features.zarr", **asked))
    scenes = open_store(write(root, tmp_path / "scenes.zarr", unit=2))
    assert found["id"].values.tolist() == scenes["id"].values.tolist()
    assert found.sizes["scene"] == 7
    assert found["relu3"].dims == ("scene", "relu3_channel", "relu3_y", "relu3_x")
    assert (found.attrs["backbone"], found.attrs["taps"]) == ("tiny", "relu3")
    for split in ("train", "test"):
        part = found.isel(scene=np.flatnonzero(found["split"].values == split))
        for index, scene in enumerate(Scenes.open(tmp_path / "scenes.zarr", split)):
            row = part.isel(scene=index)
            rows, columns = int(row["relu3_rows"]), int(row["relu3_columns"])
            cells = {"relu3_y": slice(rows), "relu3_x": slice(columns)}
            for name, image in (("relu3", scene), ("relu3_mirrored", scene.flipped())):
                with torch.no_grad():
                    expected = model.features(image.image)[0].half().numpy()
                np.testing.assert_array_equal(row[name].isel(cells).values, expected)


@pytest.mark.usefixtures("_installed", "model")
def test_moved_weights_are_the_same_and_other_weights_are_not(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"

    def fingerprint(weights: Path, **more: object) -> str:
        given = {"features": "tiny:relu3", "weights": str(weights), **more}
        return prepare("bsds", root, **given).plan.fingerprint

    first = fingerprint(path)
    moved = path.rename(tmp_path / "elsewhere.safetensors")
    assert fingerprint(moved) == first
    other = DeepNCuts(ArchitectureConfig("tiny", ("relu3",), "none")).backbone.state_dict()
    save_file(other, tmp_path / "other.safetensors")
    others = [
        fingerprint(tmp_path / "other.safetensors"),
        fingerprint(moved, enlarge=1.0),
        fingerprint(moved, mirrored=True),
    ]
    assert len({first, *others}) == 4


@pytest.mark.usefixtures("_installed", "model")
def test_features_of_cocos_scenes(coco: Path, tmp_path: Path) -> None:
    weights = str(tmp_path / "tiny.safetensors")
    asked = {"features": "backbone/tiny:relu2", "weights": weights, "enlarge": 1.0}
    store = write(coco, tmp_path / "features.zarr", "coco", product="features", **asked)
    assert open_store(store)["relu2"].shape == (12, 32, 12, 12)


@pytest.mark.usefixtures("_installed")
def test_features_of_small_images_lie_beside_them(tmp_path: Path, model: DeepNCuts) -> None:
    write_sample(tmp_path / "raw", train=10, test=10, layout="cifar10")
    weights = str(tmp_path / "tiny.safetensors")
    asked = {"features": "tiny:relu2+relu3", "weights": weights, "enlarge": 2.0, "unit": 8}
    images = Images.open(write(tmp_path / "raw", tmp_path / "a.zarr", "cifar10", **asked))
    assert images.taps == ("relu2", "relu3")
    config = ArchitectureConfig("tiny", ("relu3",), "none", enlarge=2.0)
    enlarged = DeepNCuts(config).eval()
    enlarged.backbone.load_state_dict(model.backbone.state_dict())
    for position in (0, 13):
        with torch.no_grad():
            maps = enlarged.features(images.pixels()[position].float() / 255)[0]
        (found,) = images.select(np.array([position])).vectors("relu3")
        torch.testing.assert_close(found, maps.half().float().flatten(), rtol=0, atol=0)


@pytest.mark.usefixtures("_installed")
def test_features_of_regions_are_those_of_the_frames_in_their_slots(
    coco_to_damage: Path, tmp_path: Path, model: DeepNCuts
) -> None:
    broken = next((coco_to_damage / "train2017").glob("*.jpg"))
    broken.write_bytes(broken.read_bytes()[:-300])
    frames = {"longest": 40, "size": 48}
    asked = {"features": "tiny:relu3", "weights": str(tmp_path / "tiny.safetensors"), **frames}
    path = write(coco_to_damage, tmp_path / "f.zarr", "coco", mirrored=True, unit=5, **asked)
    found = open_store(path)
    assert (found.attrs["product"], found.attrs["enlarge"]) == ("region-features", 1.0)
    assert found["relu3"].dims == ("region", "relu3_channel", "relu3_y", "relu3_x")
    regions = open_store(write(coco_to_damage, tmp_path / "r.zarr", "coco", unit=7, **frames))
    assert 0 < found.sizes["region"] < Ledger(path).plan().items
    for name in ("annotation_id", "image_id", "category", "split"):
        assert found[name].values.tolist() == regions[name].values.tolist()
    images = torch.tensor(regions["image"].values).permute(0, 3, 1, 2).float() / 255
    for name, frame in (("relu3", images), ("relu3_mirrored", images.flip(3))):
        with torch.no_grad():
            expected = [model.backbone(each[None])[0][0].half().numpy() for each in frame]
        np.testing.assert_array_equal(found[name].values, np.stack(expected))
    assert verify(path).ok
    plan = Ledger(path).plan()
    assert plan.product == "region-features"
    assert prepare_again(plan, coco_to_damage).plan == plan


@pytest.mark.usefixtures("_installed", "model")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"features": "tiny:relu3"}, "--features and --weights together"),
        ({"product": "features"}, "--features and --weights together"),
        ({"features": "tiny", "weights": "W"}, "a backbone and its taps"),
        ({"features": "resnet:relu3", "weights": "W"}, "a backbone out of alexnet"),
        ({"features": "clip/tiny:relu3", "weights": "W"}, "found backbone, not 'clip'"),
        ({"features": "tiny:relu3", "weights": "nowhere.pth"}, "a file of weights"),
        ({"features": "tiny:relu3", "weights": "W", "enlarge": 0.0}, "a positive --enlarge"),
    ],
)
def test_unusable_requests(root: Path, tmp_path: Path, asked: dict, message: str) -> None:
    weights = {"weights": str(tmp_path / "tiny.safetensors")} if asked.get("weights") == "W" else {}
    with pytest.raises(UserError, match=message):
        jobs.plan("bsds", root, **{**asked, **weights})


def test_nothing_that_extracts(
    root: Path, tmp_path: Path, model: DeepNCuts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "entry_points", lambda group: ())
    features.extractor.cache_clear()
    with pytest.raises(PipelineError, match=r"entry points pipelines\.features, found none"):
        jobs.plan("bsds", root, features="tiny:relu3", weights=str(tmp_path / "tiny.safetensors"))
