"""The main job in small: it learns, resumes exactly, and says what is wrong."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipelines.datasets import prepare
from pipelines.errors import PipelineError
from pipelines.execute import store_digest
from pipelines.jobs import begin
from pipelines.ledger import Ledger
from pipelines.store import layout
from pipelines.task import write_unit
from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.experiments import evaluate_deep_ncuts, train_deep_ncuts
from workbench.experiments.other_store import OtherStore, is_own_store
from workbench.experiments.scenes.choose_cuts import choose_cuts
from workbench.experiments.scenes.elsewhere import evaluate_scenes_elsewhere
from workbench.experiments.scenes.ranks import follow_ranks
from workbench.experiments.scenes.training import middles
from workbench.models import ArchitectureConfig, Backbone, DeepNCuts
from workbench.runs import Run, Status
from workbench.segmentation import HierarchyConfig, PoolConfig, Price
from workbench.training.building import fresh_model, trained_model
from workbench.training.scenes.config import DeepNCutsConfig
from workbench.training.scenes.task import SegmentationTask
from workbench.views.scenes.ranks import rank_rows, write_ranks


@pytest.fixture
def config(sample_store: Path) -> DeepNCutsConfig:
    return DeepNCutsConfig(
        store=str(sample_store),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        optimizer="adamw",
        learning_rate=3e-3,
        head_multiplier=1.0,
        passes=2,
        holdout=2,
        device="cpu",
    )


def test_training_raises_the_covering_of_scenes_never_seen(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    run = train_deep_ncuts(replace(config, passes=20), tmp_path / "run")
    assert run.status is Status.FINISHED
    metrics = run.metrics()
    assert metrics["covering_average"].notna().sum() == 21  # before the first pass, after each
    assert metrics["alignment"].iloc[-10:].mean() > metrics["alignment"].iloc[1:11].mean() + 0.1
    table = evaluate_deep_ncuts(tmp_path / "run", "test", device="cpu")
    lead = table.differences()["trained"]["average"]
    assert lead.mean > 0.1
    assert lead.low > 0
    kept = tmp_path / "run/evaluations/test.json"
    assert kept.is_file()
    scene = table.methods[0].images.keys()
    for method in ("untrained", "trained"):
        snapshot = run.load_snapshot(200, f"test-{method}-{next(iter(scene))}")
        assert snapshot["segmentations"].shape == (8, *snapshot["image"].shape[:2])
        assert snapshot["counts"].tolist() == [2, 3, 4, 5, 6, 8, 12, 20]
        assert snapshot["maps"].shape[0] == {"untrained": 48, "trained": 20}[method]


def test_an_interrupted_training_resumes_to_the_same_network(
    config: DeepNCutsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_deep_ncuts(config, tmp_path / "whole")
    with monkeypatch.context() as patch:  # killed in the second pass, without a word
        look = "workbench.evaluation.scenes.monitor.CoveringMonitor.__call__"

        def dies_late(self: object, step: int) -> dict[str, float]:
            if step == 20:
                raise KeyboardInterrupt
            return {}

        patch.setattr(look, dies_late)
        with pytest.raises(KeyboardInterrupt):
            train_deep_ncuts(config, tmp_path / "parts")
    assert Run.open(tmp_path / "parts").status is Status.FAILED
    train_deep_ncuts(config, tmp_path / "parts", resume=True)
    whole, parts = (
        trained_model(Run.open(tmp_path / name), DeepNCutsConfig).state_dict()
        for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_that_exists_is_kept_unless_overwritten(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    train_deep_ncuts(config, path)
    before = (path / "events.jsonl").read_bytes()
    with pytest.raises(WorkbenchError, match="--overwrite"):
        train_deep_ncuts(config, path)
    with pytest.raises(WorkbenchError, match="another passes"):
        train_deep_ncuts(replace(config, passes=3), path, resume=True)
    assert (path / "events.jsonl").read_bytes() == before
    train_deep_ncuts(replace(config, passes=1), path, overwrite=True)
    assert Run.open(path).config["passes"] == 1


def test_overwriting_spares_a_folder_that_is_no_run(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(WorkbenchError, match="a run folder"):
        train_deep_ncuts(config, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_what_is_missing_is_said_before_a_run_is_made(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    with pytest.raises(PipelineError, match=r"none\.zarr"):
        train_deep_ncuts(replace(config, store=str(tmp_path / "none.zarr")), path)
    with pytest.raises(WorkbenchError, match="a file of weights"):
        train_deep_ncuts(replace(config, weights=str(tmp_path / "none.pth")), path)
    torch.save(Backbone("alexnet", "relu1").state_dict(), tmp_path / "alexnet.pth")
    with pytest.raises(WorkbenchError, match="give the weights of tiny"):
        train_deep_ncuts(replace(config, weights=str(tmp_path / "alexnet.pth")), path)
    with pytest.raises(WorkbenchError, match="a run folder at"):
        evaluate_deep_ncuts(path, "test")
    assert not path.exists()


def test_a_hypercolumn_is_trained_through_its_eigenvectors_and_cut_by_a_hierarchy(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    several = ArchitectureConfig(
        backbone="tiny", taps=("relu1", "relu2", "relu3"), head="hypercolumn", enlarge=1.0
    )
    config = replace(
        config,
        architecture=several,
        objective_weight=0.05,
        agreement_weight=1.0,
        scales=(0.8, 1.2),
        passes=6,
        holdout=4,
    )
    run = train_deep_ncuts(config, tmp_path / "run")
    metrics = run.metrics()
    for name in ("contour", "agreement", "j2"):
        assert metrics[name].iloc[-8:].mean() < metrics[name].iloc[1:9].mean(), name
    table = evaluate_deep_ncuts(tmp_path / "run", "test", device="cpu", limit=2)
    scene = next(iter(table.methods[0].images))
    snapshot = run.load_snapshot(run.step, f"test-trained-{scene}")
    height, width, _ = snapshot["image"].shape
    assert snapshot["contour"].shape == (height // 2, width // 2)
    assert snapshot["segmentations"].shape == (8, height, width)
    assert (np.diff(snapshot["counts"]) <= 0).all()  # higher cuts leave fewer segments

    on = replace(config, start=str(run.path), frozen=True, scales=(1.0, 1.0), passes=1)
    before = trained_model(run, DeepNCutsConfig).state_dict()
    after = trained_model(train_deep_ncuts(on, tmp_path / "on"), DeepNCutsConfig).state_dict()
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("backbone."), name


def test_training_sees_a_part_of_every_image_anew_at_every_visit(config: DeepNCutsConfig) -> None:
    scenes = Scenes.open(config.store, "train")
    task = SegmentationTask(fresh_model(config), scenes, replace(config, crop=0.5))
    sizes = []
    for visit in range(8):
        image, truths = task.inputs(visit, torch.device("cpu"))
        again, _ = task.inputs(visit, torch.device("cpu"))
        assert torch.equal(image, again)  # which makes a resume exact
        position, mirrored = task.order[visit]
        whole = scenes[position].flipped() if mirrored else scenes[position]
        fractions = [image.shape[1] / whole.size[0], image.shape[2] / whole.size[1]]
        assert 0.48 <= min(fractions) <= max(fractions) <= 1
        assert truths.shape[1:] == image.shape[1:]
        windows = whole.image.unfold(1, image.shape[1], 1).unfold(2, image.shape[2], 1)
        found = (windows == image[:, None, None]).flatten(3).all(3).all(0)
        assert found.any(), "no part of the scene"
        sizes.append(tuple(image.shape[1:]))
    assert len(set(sizes)) > 4
    outcome = task.network(*task.inputs(0, torch.device("cpu")))
    assert outcome["loss"].isfinite()
    with pytest.raises(WorkbenchError, match="fraction of the sides"):
        replace(config, crop=0.0)
    with pytest.raises(WorkbenchError, match=r"crop 0\.5"):
        replace(config, crop=0.5, frozen=True, cache="features.zarr")


def test_cuts_are_chosen_on_what_runs_held_out(config: DeepNCutsConfig, tmp_path: Path) -> None:
    for seed in (0, 1):
        train_deep_ncuts(replace(config, seed=seed, holdout=5), tmp_path / f"{seed}")
    ways = {
        "embedding": (HierarchyConfig(), True),
        "gradient alone": (HierarchyConfig(price=Price(coherence=0.0)), True),
        "flat": (PoolConfig(), True),
    }
    choices = choose_cuts([tmp_path / "0", tmp_path / "1"], ways, count=3)
    assert {choice.name for choice in choices} == set(ways)
    assert choices[0].value >= choices[1].value >= choices[2].value
    for choice in choices:
        if isinstance(choice.config, HierarchyConfig):
            assert len(choice.config.heights) == 3
            assert list(choice.config.heights) == sorted(choice.config.heights)
        assert 0 < choice.average <= choice.best <= 1
    train_deep_ncuts(replace(config, holdout=0), tmp_path / "none")
    with pytest.raises(WorkbenchError, match="held-out scenes"):
        choose_cuts([tmp_path / "none"], ways)


@pytest.mark.parametrize("head", ["convolutions", "hypercolumn"])
def test_training_on_kept_features_is_training_on_images(
    config: DeepNCutsConfig, tmp_path: Path, head: Literal["convolutions", "hypercolumn"]
) -> None:
    taps = ("relu3",) if head == "convolutions" else ("relu1", "relu3")
    shape = replace(config.architecture, head=head, taps=taps)
    weights = tmp_path / "tiny.safetensors"
    save_file(Backbone("tiny", "relu3").state_dict(), weights)
    config = replace(
        config, architecture=shape, frozen=True, weights=str(weights), learning_rate=1e-4, passes=1
    )
    plan = Ledger(config.store).plan()
    asked = {"features": f"tiny:{'+'.join(taps)}", "weights": str(weights)}
    made = prepare("bsds", Path(plan.root), enlarge=1.0, mirrored=True, **asked)
    begin(made, tmp_path / "features.zarr")
    for unit in made.plan.units:
        write_unit(
            unit.index, str(tmp_path / "features.zarr"), made.plan.fingerprint, made.plan.root
        )
    layout.finish(
        made.plan,
        tmp_path / "features.zarr",
        store_digest(Ledger(tmp_path / "features.zarr").marks()),
    )
    cached = replace(config, cache=str(tmp_path / "features.zarr"))
    of_images = train_deep_ncuts(config, tmp_path / "images").metrics()["j2"]
    of_features = train_deep_ncuts(cached, tmp_path / "kept").metrics()["j2"]
    # Half precision, and float32 sums from there on.
    np.testing.assert_allclose(of_features, of_images, rtol=0.02)
    other = replace(cached, architecture=replace(shape, enlarge=2.0))
    with pytest.raises(WorkbenchError, match="features with enlarge"):
        train_deep_ncuts(other, tmp_path / "enlarged")
    save_file(Backbone("tiny", "relu3").state_dict(), weights)
    with pytest.raises(WorkbenchError, match="features with weights_sha256"):
        train_deep_ncuts(cached, tmp_path / "other")


def test_ranks_are_followed_through_passes_and_scenes(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    train_deep_ncuts(config, tmp_path / "j2")
    learned = replace(config.architecture, learn_coupling=True)
    train_deep_ncuts(replace(config, objective="j1", architecture=learned), tmp_path / "j1")
    j2, j1 = follow_ranks([tmp_path / "j2", tmp_path / "j1"])
    assert (j2.objective, j1.objective) == ("J2", "J1, Λ learned")
    assert j2.passes.shape == (config.passes + 1, 3)
    assert j2.scenes.shape == (config.holdout, 3)
    # what the passes say in the mean over scenes is what the scenes say
    assert j2.scenes.mean(axis=0) == pytest.approx(j2.passes[-1] - j2.passes[0], abs=1e-6)
    rows = rank_rows([j2, j1])
    assert [row[0] for row in rows[1:]] == ["J2", "J1, Λ learned"]
    text, picture = write_ranks([j2, j1], tmp_path / "out")
    assert f"{j2.passes[0, 0]:.1f} → {j2.passes[-1, 0]:.1f}" in text.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WorkbenchError, match="watched rank and covering"):
        follow_ranks([train_deep_ncuts(replace(config, holdout=0), tmp_path / "none").path])


def test_the_geometry_of_layers_is_measured_on_scenes_of_any_shape(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    run = train_deep_ncuts(replace(config, passes=1, geometry=("head.*",)), tmp_path / "run")
    table = run.metrics()
    for layer in ("head.1", "head.4"):
        steps = table[f"{layer} stable dimension"].dropna()
        assert (steps.index[0], steps.index[-1]) == (0, run.step)
        assert (steps > 0.6).all()
    portrait, landscape = torch.zeros(3, 9, 4), torch.arange(30.0).view(1, 5, 6).expand(3, 5, 6)
    assert middles([portrait, landscape]).shape == (2, 3, 5, 4)
    assert middles([portrait, landscape])[1, 0, 0, 0] == 1


def test_runs_are_scored_on_another_store_together(
    config: DeepNCutsConfig, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another store of the same scenes; runs of one backbone compute its features once a scene."""
    other = tmp_path / "other.zarr"
    shutil.copytree(sample_store, other)
    paths = [tmp_path / "seed0", tmp_path / "seed1"]
    for seed, path in enumerate(paths):
        frozen = replace(config, frozen=True, passes=1, seed=seed, start=None)
        train_deep_ncuts(replace(frozen, weights=_tiny(tmp_path)), path, progress=False)
    own = evaluate_deep_ncuts(paths[0], "test", device="cpu")
    kept = (paths[0] / "evaluations/test.json").read_bytes()
    assert is_own_store(Run.open(paths[0]), str(other))
    seen: list[int] = []
    features = DeepNCuts.features
    monkeypatch.setattr(
        DeepNCuts, "features", lambda self, image: seen.append(1) or features(self, image)
    )
    table = evaluate_scenes_elsewhere(paths, OtherStore(str(other), "all", device="cpu"))
    assert [each.method for each in table.methods] == ["untrained", *map(str, paths)]
    assert len(seen) == len(Scenes.open(other))
    ids = own.methods[1].images.keys()
    assert {id: table.methods[1].images[id].best for id in ids} == {
        id: scores.best for id, scores in own.methods[1].images.items()
    }
    assert (paths[0] / "evaluations/test.json").read_bytes() == kept
    assert len(list((paths[1] / "evaluations").glob("other-*/all.json"))) == 1


def _tiny(folder: Path) -> str:
    path = folder / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        save_file(Backbone("tiny", "relu3").state_dict(), path)
    return str(path)
