"""Randomness as a network: features against slow oracles, the command, items that are resumed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import unfold

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.cli import main
from workbench.errors import WorkbenchError
from workbench.experiments.images import randomness_items
from workbench.experiments.images.randomness import Randomness, finished
from workbench.experiments.images.randomness import randomness as measured
from workbench.experiments.images.randomness_items import Data, Item, Key, Settings
from workbench.models.linear_estimates import Moments, RunningMoments, chosen_ridge
from workbench.models.random_features import FEATURES, RandomPatches, Standardised


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("randomness")
    write_sample(folder / "raw", train=120, test=30, layout="cifar10")
    return run("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store


def pixels(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 3, 8, 8), generator=generator).float()
    return torch.nn.functional.interpolate(coarse, size=32, mode="bilinear").to(torch.uint8)


def test_patches_are_normalised_whitened_and_pooled_over_quarters() -> None:
    images, width = pixels(40), 1
    network = RandomPatches(width, 3, images)
    patches = unfold(images.double(), 6, stride=1).permute(0, 2, 1)  # (images, places, 108)

    def normalised(values: torch.Tensor) -> torch.Tensor:
        centred = values - values.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 10).sqrt()

    some = normalised(unfold(images.double(), 6, stride=5).permute(0, 2, 1).reshape(-1, 108))
    values, axes = torch.linalg.eigh(torch.cov(some.T, correction=0))
    whitening = axes @ torch.diag((values + 0.1) ** -0.5) @ axes.T
    drawn = torch.randn(8, 108, generator=torch.Generator().manual_seed(3)).double() / 108**0.5
    z = (normalised(patches) - some.mean(0)) @ whitening.T @ drawn.T
    maps = z.permute(0, 2, 1).reshape(40, 8, 27, 27)
    # 27 places in halves: 0 to 13 and 13 to 26, as torch's adaptive pooling has them.
    halves = (slice(0, 14), slice(13, 27))
    expected = [
        part.clamp(min=0)[:, :, rows, columns].mean((2, 3))
        for part in (maps, -maps)
        for rows in halves
        for columns in halves
    ]
    found = network(images).reshape(40, 2, 8, 4).permute(0, 1, 3, 2).reshape(40, 8, 8)
    torch.testing.assert_close(found, torch.stack(expected, 1).float(), atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", FEATURES)
def test_features_are_as_many_as_said_and_standardised(kind: str) -> None:
    images = pixels(60)
    network = Standardised(FEATURES[kind](8, 0, images), images)
    found = network(images)
    assert found.shape[1] == network.count == {"scattering": 336}.get(kind, 512)
    torch.testing.assert_close(found.mean(0), torch.zeros(network.count), atol=1e-3, rtol=0)
    assert (found.std(0) - 1).abs().max() < 1e-3
    other = Standardised(FEATURES[kind](8, 1, images), images)(images)
    assert torch.equal(found, other) == (kind == "scattering")
    torch.testing.assert_close(network(images[:7]), found[:7], atol=1e-4, rtol=1e-4)


def test_sums_of_parts_are_the_moments_of_all_and_few_images_have_more_features() -> None:
    y = torch.randn(90, 120) + 30
    labels = torch.arange(90) % 3
    y[:, 0] += 2.0 * labels
    x = torch.nn.functional.one_hot(labels, 3).double()
    total = RunningMoments(3, 120)
    for part in torch.arange(60).split(7):
        total.add(x[part], y[part])
    dense = torch.cov(torch.cat([x[:60], y[:60].double()], 1).T, correction=0)
    found = total.moments()
    torch.testing.assert_close(found.within, dense[3:, 3:])
    torch.testing.assert_close(found.cross, dense[3:, :3])
    torch.testing.assert_close(found.mean_y, y[:60].double().mean(0))
    torch.testing.assert_close(Moments.of(x[:60], y[:60]).within, found.within)
    to_class, _, error = chosen_ridge(found, y[60:], labels[60:])
    assert error == (to_class(y[60:]).argmax(1) != labels[60:]).double().mean() < 0.6


def test_labels_are_nested_and_equally_many(store: Path) -> None:
    data = Data.of(str(store), Settings())
    order, before = data.order(seed=1)
    assert sorted(order.tolist()) == list(range(108))
    few, more = (data.train_labels[order[before < count]].bincount() for count in (2, 5))
    assert set(few.tolist()) == {2}
    assert set(more.tolist()) == {5}
    assert (before[1:] >= before[:-1]).all()  # so 2 a class are the first of 5 a class
    assert not torch.equal(order, data.order(seed=2)[0])
    with pytest.raises(WorkbenchError, match=r"at most \d+ labels a class.*found 13"):
        data.check((2, 13))


def test_the_best_width_is_that_of_the_held_out_error_and_differences_are_paired() -> None:
    def item(kind: str, width: int, errors: int, held_out: float, seed: int) -> Item:
        wrong = np.arange(100) < errors + 2 * seed
        return Item(Key(kind, width, 0, seed), 64 * width, 50, held_out, wrong, 0.1, 1.0)

    rows = [("patches", 8, 30, 0.4), ("patches", 16, 40, 0.3), ("trained", 8, 20, 0.2)]
    found = Randomness(tuple(item(*row, seed) for seed in (0, 1) for row in rows), (), {})
    table = found.table().set_index(["kind", "width"])
    row = table.loc[("patches", 8)]
    assert (row.error, row.least, row.most, row.seeds) == (31, 30, 32, 2)
    assert found.best().width.tolist() == [16, 8]
    difference = found.compared().iloc[0]
    assert (difference.width, difference["mean"]) == (16, 20)
    assert difference.low < 20 < difference.high


@pytest.mark.timeout(120)
def test_command_writes_a_record_and_goes_on(
    store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"

    def command(*more: str) -> int:
        asked = ["--store", str(store), "--out", str(out), "--seeds", "0", "--widths", "4",
                 "--passes", "2", "--steps", "20"]  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(["randomness", *asked, *more])
        return int(ended.value.code or 0)

    ask = ("--labels", "3,all")
    assert command(*ask) == 0
    record = json.loads((out / "randomness.json").read_text())
    errors = {(row["kind"], row["labels"]): row for row in record["errors"]}
    assert len(errors) == 8
    assert errors["patches", 3]["images"] == 30
    assert errors["patches", 0]["images"] == 108
    assert errors["patches", 0]["error"] < 30  # chance: 90
    assert {row["kind"] for row in record["compared"]} == {"network", "patches", "scattering"}
    assert (out / "randomness.png").stat().st_size > 5_000
    text = (out / "randomness.md").read_text()
    assert "## 3 labels a class: 30 images" in text
    assert "| random convolution of patches |" in text

    items = sorted((out / "items").iterdir())
    kept = {path: path.stat().st_mtime_ns for path in items}
    lost = out / "items" / Key("patches", 4, 3, 0).file
    lost.unlink()
    assert command(*ask, "--assemble") == 0
    assert "not finished: 1 items" in capsys.readouterr().err
    asked = {"widths": (4,), "labels": (3, 0), "seeds": (0,)}
    assert [key.file for key in finished(out, **asked).missing] == [lost.name]
    own = {"settings": Settings(passes=2, steps=20), "progress": False}
    again = measured(store, out, **asked, **own).table().set_index(["kind", "labels"])
    assert {path for path in items if path.stat().st_mtime_ns != kept[path]} == {lost}
    assert again.error["patches", 3] == errors["patches", 3]["error"]
    assert command(*ask, "--passes", "3") == 2
    assert "passes 3, was 2" in capsys.readouterr().err
    assert command("--labels", "0,4") == 2
    assert "labels from 1, or all" in capsys.readouterr().err
    assert command("--labels", "4", "--kinds", "wavelets") == 2
    assert "some of network, patches, scattering, trained" in capsys.readouterr().err
    # Stopped in the middle: what is finished stays.
    monkeypatch.setattr(randomness_items, "_trained", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measured(store, out, **{**asked, "labels": (2, 0)}, **own)
    assert (out / "items" / Key("scattering", 4, 2, 0).file).exists()
