"""Few labels, end to end on synthetic images: command, choices, pairs, what is asked wrongly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.cli.main import main
from workbench.errors import WorkbenchError
from workbench.experiments.images.few_labels import (
    ALONE,
    CHOOSING,
    COMMON,
    Settings,
    few_labels,
    labels_of,
)
from workbench.models.small_cnn import SmallCNN
from workbench.objectives.metric import contrastive
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import LossOfImages, LossWithCriterion, parts_of

SMALL = {"width": 4, "passes": 1, "batch": 20}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_sample(folder / "raw", train=120, test=60, layout="cifar10")
    return run("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["few-labels", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_one_command_chooses_trains_compares_and_goes_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "few"
    ask = ["--store", store, "--out", out, "--labels", "2", "--further", "1,4", "--criteria",
           "triplet", "--weights", "0.5", "--draws", 2, "--steps", 2, "--queries", 2,
           *(word for name, value in SMALL.items() for word in (f"--{name}", value))]  # fmt: skip
    assert command(*ask) == 0
    said = capsys.readouterr().out
    assert "| + triplet: error |" in said
    cells, choices = (pd.read_csv(out / f"{name}.csv") for name in ("cells", "choices"))
    # Two draws, of cross-entropy alone at three numbers of labels and the criterion at one.
    assert sorted(zip(cells.labels, cells.criterion, cells.draw, strict=True)) == sorted(
        (labels, criterion, draw)
        for draw in (0, 1)
        for labels, criterion in ((1, ALONE), (2, ALONE), (2, "triplet"), (4, ALONE))
    )
    assert set(choices.draw) == {CHOOSING}
    assert "test_error" not in choices  # no choice has seen the test images
    own = choices[choices.criterion == ALONE]
    best = own.loc[own.held_out_error.idxmin()]
    assert cells[cells.criterion == ALONE].learning_rate.unique() == [best.learning_rate]
    record = json.loads((out / "few-labels.json").read_text())
    error = cells[cells.labels == 2].pivot_table(
        index="draw", columns="criterion", values="test_error"
    )
    assert record["differences"][0]["mean"] == pytest.approx(
        100 * (error["triplet"] - error[ALONE]).mean(), rel=1e-3
    )
    assert command(*ask) == 0
    assert "training into" not in capsys.readouterr().out
    assert command(*ask, "--weights", "0.25") == 2
    assert "weight 0.25, was 0.5" in capsys.readouterr().err
    assert command(*ask, "--batch", 10) == 2
    assert "batch 10, was 20" in capsys.readouterr().err


def test_a_loss_of_any_library_is_a_criterion(store: Path, tmp_path: Path) -> None:
    asked: list[tuple[int, ...]] = []

    def own(embedding: Tensor, labels: Tensor) -> Tensor:
        asked.append(tuple(embedding.shape))
        assert torch.allclose(embedding.norm(dim=1), torch.ones(len(labels)))
        return embedding.square().sum() * 0

    settings = Settings(ImageConfig(store=str(store), **SMALL), 2, 2, (1.0,))
    found = few_labels(
        settings, tmp_path, labels=[3], further=[], criteria={"mine": own}, draws=1, progress=False
    )
    assert set(asked) == {(20, 256), (10, 256)}
    # A criterion that asks for nothing changes nothing: its trial is that of the common settings.
    trials = found.choices.groupby("criterion", sort=False)["held_out_error"]
    assert trials.get_group("mine").tolist() == [trials.get_group(ALONE)[: len(COMMON)].min()]
    assert np.isnan(found.differences()["low"]).all()  # one draw has no interval


@torch.no_grad()
def test_the_loss_is_cross_entropy_and_the_weighted_criterion() -> None:
    model = SmallCNN(4).eval()
    images, labels = torch.randn(20, 3, 32, 32), torch.arange(20) % 10
    alone = LossOfImages(model)(images, labels)["loss"]
    both = LossWithCriterion(model, contrastive, 0.25)(images, labels)
    unit = torch.nn.functional.normalize(model.embed(images))
    assert float(both["loss"]) == pytest.approx(float(alone + 0.25 * contrastive(unit, labels)))


def test_draws_are_nested_and_apart_from_what_is_held_out(store: Path) -> None:
    config = ImageConfig(store=str(store), holdout=0.2, labelled=4, seed=3)
    parts, fewer = parts_of(config), parts_of(replace(config, labelled=2)).train
    assert parts.train.counts().tolist() == [4] * 10
    assert set(fewer.slots) < set(parts.train.slots)
    assert not set(parts.train.slots) & set(parts.held.slots)
    assert set(parts_of(replace(config, seed=4)).train.slots) != set(parts.train.slots)


def test_labels_are_read_off_the_curve_in_their_logarithm() -> None:
    curve = pd.Series({10: 60.0, 40: 40.0, 160: 30.0})
    assert labels_of(curve, 50.0) == pytest.approx(20)
    assert labels_of(curve, 35.0) == pytest.approx(80)
    assert np.isnan([labels_of(curve, 61.0), labels_of(curve, 29.0)]).all()


def test_bad_requests_are_refused(store: Path, tmp_path: Path) -> None:
    config = ImageConfig(store=str(store), **SMALL)
    ask = ("--store", store, "--out", tmp_path / "few", "--queries", 2)
    with pytest.raises(WorkbenchError, match="2000 training images of each class"):
        few_labels(Settings(config, queries=2), tmp_path / "few", labels=[2000])
    assert command(*ask, "--criteria", "magnet") == 2
    assert command(*ask, "--weights", "0.5,0") == 2
    assert command(*ask, "--labels", "forty") == 2
    with pytest.raises(WorkbenchError, match="a positive weight"):
        ImageConfig(store="", criterion="triplet", weight=0.0)
    assert not (tmp_path / "few").exists()
