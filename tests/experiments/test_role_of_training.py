"""The role of training, end to end on synthetic images: command, resume, live values."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.cli.main import main
from workbench.data import Images
from workbench.errors import WorkbenchError
from workbench.evaluation.triplets import ratios
from workbench.experiments.images.role_of_training import role_of_training
from workbench.experiments.images.training import KEPT, RatioMonitor, kept_networks, train_images
from workbench.models.small_cnn import TAPS, SmallCNN
from workbench.runs import Run, Status
from workbench.training.images.config import ImageConfig
from workbench.views.report import write_report
from workbench.views.training.live import measured_charts


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_sample(folder / "raw", train=120, test=60, layout="cifar10")
    return run("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["role-of-training", *map(str, arguments)])
    return int(stopped.value.code or 0)


def test_the_network_of_the_documentation() -> None:
    model = SmallCNN()
    assert sum(p.numel() for p in model.parameters()) == 68_698
    pixels = torch.full((2, 3, 32, 32), 125, dtype=torch.uint8)
    assert model(model.prepare(pixels)).shape == (2, 10)
    assert model.prepare(pixels)[0, 0, 0, 0] == pytest.approx((125 / 255 - 0.4914) / 0.247, 1e-4)


def test_one_command_trains_measures_draws_and_goes_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "role"
    ask = ("--store", store, "--out", out, "--width", 4, "--passes", 2, "--batch", 20,
           "--anchors", 20, "--errors", "99,98,1")  # fmt: skip
    assert command(*ask, "--measure") == 2
    assert "found none that began" in capsys.readouterr().err
    assert command(*ask, "--seeds", 2) == 0
    said = capsys.readouterr().out
    assert "Missing: seed 1 did not reach 1 % of held-out error" in said
    assert "closest: out of class / in class, start" in said
    values = json.loads((out / "role-of-training.json").read_text())
    assert values["distinct"]["random"][0] > 1
    quantiles = pd.read_csv(out / "quantiles.csv")
    # 2 seeds × start and two crossings × 3 kinds × 2 sides × 4 layers.
    assert len(quantiles) == 2 * 3 * 3 * 2 * 4
    assert set(quantiles.network) == {"start", "error-99", "error-98"}
    with np.load(out / "ratios.npz") as arrays:
        assert arrays["seed-1/start/boundary/inter"].shape == (20, 4)
        pooled = np.stack([arrays[f"seed-0/start/random/{side}"] for side in ("intra", "inter")])
    np.testing.assert_allclose(np.median(pooled.reshape(-1, 4), axis=0), 1, rtol=1e-6)
    assert {"histograms.png", "through-training.png", "triplets.png", "effects.csv"} <= {
        path.name for path in out.iterdir()
    }
    config = ImageConfig(
        store=str(store), width=4, passes=2, batch=20, anchors=20, errors=(99.0, 98.0, 1.0)
    )
    again = role_of_training(config, out, (0, 1))
    assert "seed 1: trained before" in capsys.readouterr().out
    pd.testing.assert_frame_equal(again.quantiles(), quantiles)
    assert command(*ask, "--learning-rate", 0.1) == 2
    assert "learning_rate 0.1, was 0.05" in capsys.readouterr().err
    live_values_are_those_of_the_kept_network(store, Run.open(out / "seed-0"))
    page = write_report(Run.open(out / "seed-0"), tmp_path / "page.html").read_text()
    assert "Random triplets: P(inter ratio" in page


def live_values_are_those_of_the_kept_network(store: Path, found: Run) -> None:
    metrics = found.metrics()
    for name, (model, event) in kept_networks(found).items():
        live = metrics.loc[event["step"]]
        own = ratios(model, Images.open(store).test, "boundary", TAPS, anchors=20)
        assert own.inter["block2"].median() == pytest.approx(live["block2 boundary inter"]), name
        assert event["held_out_error"] == live["held_out_error"]
    titles = [chart.title for chart in measured_charts(metrics)]
    assert "Closest out of class" in titles
    assert "Random pairs: P(inter > intra)" in titles


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ImageConfig(
        store=str(store), width=4, passes=3, batch=20, anchors=20, errors=(99.0, 98.5)
    )
    whole = train_images(config, tmp_path / "whole", progress=False)
    look = RatioMonitor.__call__

    def killed(self: RatioMonitor, step: int) -> Mapping[str, float]:
        values = look(self, step)
        if step == 12:  # after the second pass, when networks were kept, before the checkpoint
            raise RuntimeError("killed")
        return values

    monkeypatch.setattr(RatioMonitor, "__call__", killed)
    with pytest.raises(RuntimeError, match="killed"):
        train_images(config, tmp_path / "cut", progress=False)
    monkeypatch.undo()
    cut = train_images(config, tmp_path / "cut", progress=False, resume=True)
    assert cut.status is Status.FINISHED
    names = ["start", "error-99", "error-98.5"]
    for found in (whole, cut):
        assert [event.fields["name"] for event in found.events(KEPT)] == names
    pd.testing.assert_frame_equal(
        *(
            each.metrics().drop(columns=["geometry seconds"], errors="ignore")
            for each in (whole, cut)
        )
    )
    with pytest.raises(WorkbenchError, match="another width"):
        train_images(replace(config, width=8), tmp_path / "cut", resume=True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"holdout": 0.0}, "a fraction of the training images to hold out"),
        ({"errors": (25.0, 0.0)}, "errors in percent"),
        ({"processes": 2, "batch": 100}, "one process"),
    ],
)
def test_bad_settings_are_refused(settings: dict, words: str) -> None:
    with pytest.raises(WorkbenchError, match=words):
        ImageConfig(store="", **settings)
