"""Region classifiers in small: they learn, resume exactly, share steps, and say what is wrong."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from pipelines.datasets import prepare
from pipelines.errors import PipelineError
from pipelines.execute import store_digest
from pipelines.jobs import begin
from pipelines.ledger import Ledger
from pipelines.sources.sample import write_sample
from pipelines.store import layout, open_store
from pipelines.task import write_unit
from workbench.data import Regions, region_parts
from workbench.errors import WorkbenchError
from workbench.experiments.other_store import OtherStore
from workbench.experiments.regions.columns import REGION_COLUMNS
from workbench.experiments.regions.elsewhere import evaluate_regions_elsewhere
from workbench.experiments.regions.training import evaluate_regions, score_run, train_regions
from workbench.models import Backbone
from workbench.models.regions import RegionArchitecture, RegionNetwork
from workbench.runs import Run, Status
from workbench.training.building import trained_model
from workbench.training.regions.config import RegionConfig
from workbench.training.regions.parts import parts_of

FRAMES = {"longest": 40, "size": 48}
Write = Callable[..., str]


def write(root: Path, store: Path, **request: Any) -> str:
    """In this process: workers of a cluster need not have the entry point of features."""
    made = prepare("coco", root, **FRAMES, **request)
    begin(made, store)
    for unit in made.plan.units:
        write_unit(unit.index, str(store), made.plan.fingerprint, made.plan.root)
    layout.finish(made.plan, store, store_digest(Ledger(store).marks()))
    return str(store)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("regions") / "raw"
    write_sample(folder, train=16, test=5, seed=1, size=(60, 80), layout="coco")
    return folder


@pytest.fixture(scope="module")
def store(raw: Path) -> str:
    return write(raw, raw.parent / "regions.zarr", unit=20)


@pytest.fixture(scope="module")
def config(store: str) -> RegionConfig:
    classes = len(Regions.open(store).names)
    return RegionConfig(
        store=store,
        architecture=RegionArchitecture("tiny", "relu3", classes=classes),
        learning_rate=0.02,
        head_multiplier=1.0,
        passes=2,
        batch=10,
        holdout=0.2,
        jitter=2,
        device="cpu",
    )


@pytest.fixture(scope="module")
def weights(raw: Path) -> str:
    path = raw.parent / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        save_file(Backbone("tiny", "relu3").state_dict(), path)
    return str(path)


@pytest.mark.parametrize(
    ("pooling", "learning_rate"), [("log", 0.02), ("power", 0.01), ("none", 0.01)]
)
def test_a_classifier_learns_a_handful_of_regions_by_heart(
    pooling: Any, learning_rate: float, config: RegionConfig, tmp_path: Path
) -> None:
    config = replace(
        config,
        architecture=replace(config.architecture, pooling=pooling),
        learning_rate=learning_rate,
        passes=30,
        jitter=0,
        mirror=0.0,
    )
    run = train_regions(config, tmp_path / "run")
    assert run.status is Status.FINISHED
    metrics = run.metrics()
    assert metrics["error"].iloc[1] > 0.5
    assert metrics["held_out_error"].notna().sum() == 31  # before the first pass, after each
    assert score_run(tmp_path / "run", "train", device="cpu").error < 0.1
    scores = score_run(tmp_path / "run", "test", device="cpu")
    test = parts_of(config).test
    assert scores.logits.shape == (len(test), config.architecture.classes)
    assert scores.annotation_ids.tolist() == test.table["annotation_id"].values.tolist()
    assert scores.error == (scores.logits.argmax(1) != test.categories).mean()


def test_the_structured_layer_is_on_record(config: RegionConfig, tmp_path: Path) -> None:
    metrics = train_regions(replace(config, passes=1), tmp_path / "run").metrics().iloc[1:]
    assert (metrics["smallest_eigenvalue"] >= 1e-3).all()
    assert (metrics["condition"] >= metrics["largest_eigenvalue"] / 2e-3).all()
    assert ((metrics["effective_rank"] >= 1) & (metrics["effective_rank"] < 48)).all()
    assert (metrics["effective_rank"] < metrics["rank"]).all()
    assert (metrics["gradient_norm"] > 0).all()


def test_an_interrupted_training_resumes_to_the_same_network(
    config: RegionConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = replace(config.architecture, fully_connected=(8,), masked=True)  # with dropout
    config = replace(config, architecture=shape)
    whole = train_regions(config, tmp_path / "whole")
    with monkeypatch.context() as patch:  # killed in the second pass, without a word
        look = "workbench.evaluation.regions.scores.ErrorMonitor.__call__"

        def dies_late(self: object, step: int) -> dict[str, float]:
            if step == whole.step:
                raise KeyboardInterrupt
            return {}

        patch.setattr(look, dies_late)
        with pytest.raises(KeyboardInterrupt):
            train_regions(config, tmp_path / "parts")
    assert Run.open(tmp_path / "parts").status is Status.FAILED
    train_regions(config, tmp_path / "parts", resume=True)
    one, other = (trained_model(Run.open(tmp_path / n), RegionConfig) for n in ("whole", "parts"))
    found = other.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("shared", [{"processes": 2}, {"micro_batch": 3}])
def test_a_batch_in_parts_takes_the_step_of_the_whole(
    shared: dict[str, int], config: RegionConfig, tmp_path: Path
) -> None:
    whole = train_regions(config, tmp_path / "whole").metrics()
    parts = train_regions(replace(config, **shared), tmp_path / "parts").metrics()
    assert len(parts_of(config).train) % 2 == 1, "the last step is to be one that does not divide"
    first = whole.index <= whole.index[-1] // 2
    np.testing.assert_allclose(parts[first], whole[parts.columns][first], rtol=1e-5)
    # After a pass rounding may have pushed a ReLU over its edge.
    np.testing.assert_allclose(parts["loss"], whole["loss"], rtol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_training_on_stored_features_is_training_on_frames(
    masked: bool, config: RegionConfig, raw: Path, weights: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pipelines.features.entry_points", lambda group: [_Backbone()])
    asked = {"features": "tiny:relu3", "weights": weights, "mirrored": True, "unit": 16}
    cache = write(raw, tmp_path / "features.zarr", **asked)
    shape = replace(config.architecture, masked=masked, epsilon=0.01)
    config = replace(config, architecture=shape, weights=weights, frozen=True, jitter=0)
    frames = train_regions(config, tmp_path / "frames").metrics()
    cached = replace(config, cache=cache)
    features = train_regions(cached, tmp_path / "features").metrics()
    assert frames["rank"].iloc[1] > 0
    for name in ("loss", "held_out_loss"):  # half precision of the features
        np.testing.assert_allclose(features[name], frames[name], rtol=0.02)
    first, second = (score_run(tmp_path / n, device="cpu") for n in ("frames", "features"))
    np.testing.assert_allclose(first.logits, second.logits, atol=0.05)
    with monkeypatch.context() as without_pooling:  # what was pooled once is read
        without_pooling.delattr("workbench.training.regions.pooled_vectors._Pool.__call__")
        again = train_regions(cached, tmp_path / "again").metrics()
    pd.testing.assert_frame_equal(again, features)
    monkeypatch.setattr("workbench.training.regions.pooled_vectors.LIMIT", 0)
    pooling = train_regions(cached, tmp_path / "pooling").metrics()
    assert pooling["rank"].iloc[1] > 0
    np.testing.assert_allclose(pooling["loss"], features["loss"], rtol=1e-5)
    other = replace(cached, architecture=replace(shape, tap="relu2"))
    with pytest.raises(WorkbenchError, match="features with taps relu2"):
        train_regions(other, tmp_path / "tap")
    without = write(raw, tmp_path / "upright.zarr", **asked | {"mirrored": False})
    with pytest.raises(WorkbenchError, match="none of mirror images"):
        train_regions(replace(cached, cache=without), tmp_path / "upright")
    with pytest.raises(WorkbenchError, match="a store of regions' features"):
        train_regions(replace(cached, cache=config.store), tmp_path / "regions")


class _Backbone:
    """The entry point of pyproject.toml."""

    name = "backbone"

    def load(self) -> Any:
        from workbench.models.features import extractor

        return extractor


def test_parts_share_no_image_and_the_test_part_is_always_the_same(config: RegionConfig) -> None:
    regions = Regions.open(config.store)
    parts = region_parts(regions, holdout=0.25)
    images = [set(p.table["image_id"].values) for p in (parts.train, parts.held, parts.test)]
    assert not images[0] & images[1] | images[0] & images[2] | images[1] & images[2]
    assert len(images[2]) == round(0.2 * 21)
    assert len(parts.train) + len(parts.held) + len(parts.test) == len(regions)
    none = region_parts(regions, holdout=0.0)
    assert none.test.identity == parts.test.identity
    assert len(none.held) == 0
    official = region_parts(regions, "official")
    assert set(official.test.table["split"].values) == {"val"}
    assert set(official.train.table["split"].values) == {"train"}


def test_official_parts_need_both_splits(raw: Path, tmp_path: Path) -> None:
    store = write(raw, tmp_path / "train.zarr", splits=("train",))
    with pytest.raises(WorkbenchError, match="the splits train and val"):
        region_parts(Regions.open(store), "official")


def test_a_configuration_survives_json(config: RegionConfig, tmp_path: Path) -> None:
    config = replace(config, architecture=replace(config.architecture, fully_connected=(5, 4)))
    run = Run.create(tmp_path / "run", config.to_dict())
    assert RegionConfig.from_dict(Run.open(run.path).config) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache": "x"}, "a frozen backbone and frames that are not shifted"),
        ({"cache": "x", "frozen": True, "weights": "w"}, "found shifts of 2 pixels"),
        ({"frozen": True}, "trained weights in a backbone that is frozen"),
        ({"holdout": 1.0}, "a fraction of the images"),
        ({"micro_batch": 0}, "at least one region at once"),
        ({"processes": 3}, "3 processes can share evenly"),
    ],
)
def test_configurations_that_cannot_be(
    options: dict[str, Any], message: str, config: RegionConfig
) -> None:
    with pytest.raises(WorkbenchError, match=message):
        replace(config, **options)


def test_what_is_missing_is_said_before_a_run_is_made(
    config: RegionConfig, sample_store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    with pytest.raises(PipelineError, match=r"none\.zarr"):
        train_regions(replace(config, store=str(tmp_path / "none.zarr")), path)
    with pytest.raises(WorkbenchError, match="a store of regions"):
        train_regions(replace(config, store=str(sample_store)), path)
    other = replace(config, architecture=replace(config.architecture, classes=81))
    with pytest.raises(WorkbenchError, match="81 categories"):
        train_regions(other, path)
    with pytest.raises(WorkbenchError, match="a file of weights"):
        train_regions(replace(config, weights=str(tmp_path / "none.pth")), path)
    assert not path.exists()


def test_columns_state_what_the_paper_has() -> None:
    paper = {name: column.paper for name, column in REGION_COLUMNS.items() if column.paper}
    assert paper == {
        "sift-o2p": 36.4,
        "alexnet": 25.3,
        "alexnet-s": 27.2,
        "deep-o2p": 28.6,
        "deep-o2p-s": 32.4,
        "deep-o2p-fc": 25.2,
        "deep-o2p-fc-s": 28.9,
    }
    for name, column in REGION_COLUMNS.items():
        assert name in column.command
        assert set(column.against) <= set(REGION_COLUMNS)
        if column.training is not None:
            assert RegionConfig.from_dict(column.network.to_dict()) == column.network
            assert (column.network.batch, column.network.optimizer) == (100, "sgd")
    with pytest.raises(WorkbenchError, match="a column with a network to train"):
        _ = REGION_COLUMNS["sift-o2p"].network


def test_the_geometry_of_layers_is_measured_while_a_classifier_trains(
    config: RegionConfig, tmp_path: Path
) -> None:
    config = replace(config, geometry=("backbone.features.*", "classifier"), geometry_samples=12)
    run = train_regions(config, tmp_path / "run", progress=False)
    table = run.metrics()
    steps = table["classifier stable dimension"].dropna()
    assert steps.index[0] == 0
    assert steps.index[-1] == run.step
    assert (steps > 0.6).all()
    assert (table["geometry samples"].dropna() == 12).all()
    with pytest.raises(WorkbenchError, match="a layer of RegionNetwork"):
        train_regions(replace(config, geometry=("head.1",)), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def listed_otherwise(raw: Path, folder: Path, names: dict[str, str]) -> Path:
    """The dataset with the ids of its categories in reverse, and some of their names changed."""
    shutil.copytree(raw, folder)
    for file in (folder / "annotations").glob("instances_*.json"):
        values = json.loads(file.read_text())
        ids = [each["id"] for each in values["categories"]]
        turned = dict(zip(ids, ids[::-1], strict=True))
        for each in values["categories"]:
            each["id"] = turned[each["id"]]
            each["name"] = names.get(each["name"], each["name"])
        for each in values["annotations"]:
            each["category_id"] = turned[each["category_id"]]
        file.write_text(json.dumps(values))
    return folder


def test_another_store_is_scored_by_the_names_of_its_categories(
    config: RegionConfig, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.features.entry_points", lambda group: [_Backbone()])
    raw = tmp_path / "other"
    write_sample(raw, train=5, test=3, seed=4, size=(60, 80), layout="coco")
    other = write(raw, tmp_path / "other.zarr", unit=20)
    names = Regions.open(other).names
    rest = {name: f"x{name}" for name in names}
    stores = {
        "turned": listed_otherwise(raw, tmp_path / "raw-turned", {}),
        "strange": listed_otherwise(raw, tmp_path / "raw-strange", {names[0]: "zebra"}),
        "foreign": listed_otherwise(raw, tmp_path / "raw-foreign", rest),
    }
    stores = {n: Path(write(root, tmp_path / f"{n}.zarr", unit=20)) for n, root in stores.items()}
    config = replace(config, weights=weights, frozen=True, jitter=0)
    runs = [tmp_path / f"seed{seed}" for seed in (0, 1)]
    for seed, path in enumerate(runs):
        train_regions(replace(config, seed=seed), path, progress=False)
    evaluate_regions(runs[0], "test", device="cpu")
    own = (runs[0] / "evaluations/test-outcomes.json").read_bytes()

    pooled: list[int] = []
    pool = RegionNetwork.pool
    monkeypatch.setattr(
        RegionNetwork,
        "pool",
        lambda self, maps, *a: pooled.append(len(maps)) or pool(self, maps, *a),
    )
    found = evaluate_regions_elsewhere(runs, OtherStore(other, device="cpu"))
    (seeds,) = found.methods.values()
    count = len(Regions.open(other))
    assert [len(each) for each in seeds] == [count, count]
    assert sum(pooled) == count, "pooled once for both seeds"
    turned = evaluate_regions_elsewhere(runs, OtherStore(str(stores["turned"]), "all"))
    (again,) = turned.methods.values()
    assert [each.rank.tolist() for each in again] == [each.rank.tolist() for each in seeds]
    assert f"{len(names)} categories have other numbers" in turned.to_text()
    assert found.said == ()
    part = evaluate_regions_elsewhere(runs[:1], OtherStore(other, "val", device="cpu"))
    assert len(next(iter(part.methods.values()))[0]) < count
    strange = evaluate_regions_elsewhere(runs[:1], OtherStore(str(stores["strange"])))
    unknown = int((Regions.open(other).categories == 0).sum())
    assert f"{unknown} regions are left out" in strange.to_text()
    assert len(next(iter(strange.methods.values()))[0]) == count - unknown
    with pytest.raises(WorkbenchError, match="a category of the run, by its name"):
        evaluate_regions_elsewhere(runs, OtherStore(str(stores["foreign"])))
    with pytest.raises(WorkbenchError, match="a split out of train, val"):
        evaluate_regions_elsewhere(runs, OtherStore(other, "test"))

    asked = {"features": "tiny:relu3", "weights": weights, "mirrored": False, "unit": 16}
    cache = write(raw, tmp_path / "features.zarr", **asked)
    cached = evaluate_regions_elsewhere(runs, OtherStore(other, caches=(cache,), device="cpu"))
    (stored,) = cached.methods.values()
    for one, two in zip(stored, seeds, strict=True):  # half precision of the features
        np.testing.assert_allclose(one.surprise, two.surprise, atol=0.05)
    foreign = train_regions(replace(config, frozen=False), tmp_path / "end", progress=False)
    with pytest.raises(WorkbenchError, match="that a run's backbone computes"):
        evaluate_regions_elsewhere([foreign.path], OtherStore(other, caches=(cache,)))
    assert (runs[0] / "evaluations/test-outcomes.json").read_bytes() == own
    kept = sorted(path for path in (runs[0] / "evaluations").glob("*/*.json"))
    digests = {json.loads(path.read_text())["digest"] for path in kept}
    assert len(kept) == 4  # all and val of one store, all of two
    assert open_store(other).attrs["digest"] in digests


def test_a_store_without_a_valid_region_says_so(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    for file in (tmp_path / "raw/annotations").glob("instances_*.json"):
        values = json.loads(file.read_text())
        for each in values["annotations"]:
            each["bbox"] = [0, 0, 0, 0]
            each["segmentation"] = []
        file.write_text(json.dumps(values))
    store = write(tmp_path / "raw", tmp_path / "none.zarr")
    with pytest.raises(WorkbenchError, match="valid regions in"):
        Regions.open(store)
