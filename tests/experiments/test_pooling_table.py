"""`workbench pooling` on synthetic images: networks of equal size, command, resume, refusals."""

import json
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
from workbench.experiments.images.pooling import RATES, trained_model
from workbench.experiments.images.training import prepare
from workbench.linalg.vectorise import unvectorise
from workbench.models.pooled_cnn import PooledCNN
from workbench.runs import Run
from workbench.training.images.config import ImageConfig
from workbench.training.images.task import parts_of

COLUMNS = ("deep-o2p-s", "alexnet-like-s")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooling")
    write_sample(folder / "raw", train=120, test=60, layout="cifar10")
    return run("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["pooling", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(("width", "side"), [(24, 32), (16, 48)])
def test_parameters_are_equal(width: int, side: int) -> None:
    counts = [
        sum(p.numel() for p in PooledCNN(kind, width, 10, side).parameters())
        for kind in ("log", "average", "connected")
    ]
    assert max(counts) / min(counts) < 1.03


def test_the_logarithm_stays_exact_in_mixed_precision() -> None:
    torch.manual_seed(0)
    model, kept = PooledCNN("log", 4).train(), {}
    model.block3.register_forward_hook(lambda _, __, maps: kept.update(maps=maps.detach()))
    with torch.autocast("cpu", torch.bfloat16):
        found = model.pooled(torch.randn(5, 3, 32, 32))
    assert kept["maps"].dtype == torch.bfloat16
    x = kept["maps"].double().flatten(2)
    values, vectors = torch.linalg.eigh(x @ x.mT / 64 + 1e-3 * torch.eye(8, dtype=x.dtype))
    expected = vectors * values.log()[:, None] @ vectors.mT
    torch.testing.assert_close(unvectorise(found.double()), expected, rtol=1e-5, atol=1e-5)
    found.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.block1.parameters())


def test_one_command_tunes_trains_compares_and_goes_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("--store", store, "--out", tmp_path, "--width", 4, "--passes", 4, "--seeds", 2)
    asked = [*ask, *(word for name in COLUMNS for word in ("--column", name))]
    assert command(*asked) == 0
    said = capsys.readouterr().out
    assert "DeepO2P (S)" in said
    values = json.loads((tmp_path / "pooling.json").read_text())
    assert [row["key"] for row in values["rows"]] == list(COLUMNS)
    wrong = {}
    for row in values["rows"]:
        assert row["images"] == 108
        assert len(row["held_out"][0]) == 5
        assert set(row["tuning"]) == {f"{rate:g}" for rate in RATES}
        assert row["tuning"][f"{row['rate']:g}"] == min(row["tuning"].values())
        files = [tmp_path / "results" / row["key"] / f"seed{seed}.json" for seed in (0, 1)]
        wrong[row["title"]] = np.array([json.loads(each.read_text())["wrong"] for each in files])
        assert row["error"]["mean"] == pytest.approx(wrong[row["title"]].mean())
    for each in values["tests"]:
        apart = wrong[each["row"]].mean(1) - wrong[each["against"]].mean(1)
        assert each["found"]["mean"] == pytest.approx(apart.mean())
        assert each["over_seeds"]["mean"] == pytest.approx(apart.mean())
    found = Run.open(tmp_path / "runs" / COLUMNS[0] / "seed1")
    prepared = prepare(ImageConfig.from_dict(found.config))
    model, test = trained_model(prepared, found), Images.open(store).test
    again = model(model.prepare(test.pixels())).argmax(1) != test.labels
    assert again.tolist() == wrong["DeepO2P (S)"][1].tolist()
    assert prepared.model.block1[1].momentum == 0.1  # statistics follow the training
    table = pd.read_csv(tmp_path / "pooling.csv")
    assert table.test_error.notna().sum() == 2 * len(COLUMNS)
    assert (tmp_path / "pooling-passes.png").stat().st_size > 1000
    assert command(*asked) == 0
    assert capsys.readouterr().out.count("done before") == 2 * len(COLUMNS)
    assert command(*asked, "--precision", "bf16-mixed") == 2
    assert "precision" in capsys.readouterr().err
    assert command(*ask, "--column", "average-s-5000") == 2
    assert "5000 images beside a held-out 0.1 of all" in capsys.readouterr().err


def test_fewer_images_are_never_held_out_ones(store: Path) -> None:
    whole = parts_of(ImageConfig(store=str(store)))
    some = parts_of(ImageConfig(store=str(store), images=30))
    ids = [set(part.table["id"].values.tolist()) for part in (some.train, whole.train, some.held)]
    assert len(ids[0]) == 30
    assert ids[0] < ids[1]
    assert not ids[1] & ids[2]
    with pytest.raises(WorkbenchError, match="no anchors"):
        ImageConfig(store=str(store), pooling="log")
