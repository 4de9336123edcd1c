"""Compressed discrimination: estimates against dense oracles, Radon, items that are resumed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from skimage.transform import radon

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.cli import main
from workbench.errors import WorkbenchError
from workbench.experiments.compressed import items
from workbench.experiments.compressed.data import ImageVectors
from workbench.experiments.compressed.items import OPERATORS, Item, Key, Settings, keys
from workbench.experiments.compressed.study import Study, compressed, finished
from workbench.models import linear_estimates, measuring
from workbench.models.linear_estimates import Moments, linear_mmse, ridge


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compressed")
    write_sample(folder / "raw", train=120, test=30, layout="cifar10")
    return run("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store


@pytest.fixture
def images() -> torch.Tensor:
    """Correlated vectors of 12 entries."""
    return torch.rand(400, 12, dtype=torch.float64) @ torch.rand(12, 12, dtype=torch.float64)


def test_linear_mmse_is_least_squares_on_noisy_measurements(images: torch.Tensor) -> None:
    matrix, noise = torch.randn(5, 12, dtype=torch.float64), 0.3
    found = linear_mmse(Moments.of(images, images @ matrix.T), noise)
    # Noise that is orthogonal to all else: its covariance is exactly that of the formula.
    drawn = torch.linalg.qr(
        torch.cat([torch.ones(400, 1), images, torch.randn(400, 5)], 1).double()
    )
    y = images @ matrix.T + noise * 20 * drawn.Q[:, 13:]
    design = torch.cat([y, torch.ones(400, 1)], 1)
    expected = design @ torch.linalg.lstsq(design, images).solution
    torch.testing.assert_close(found(y), expected)
    mean, centred = images.mean(0), images - images.mean(0)
    projected = Moments.projected(mean, centred.T @ centred / 400, matrix)
    torch.testing.assert_close(linear_mmse(projected, noise)(y), expected)


def test_as_many_measurements_as_pixels_give_the_image_back(images: torch.Tensor) -> None:
    operator = measuring.gaussian(12, 12, seed=0)
    y = images @ operator.matrix.double().T
    torch.testing.assert_close(linear_mmse(Moments.of(images, y))(y), images, atol=1e-5, rtol=0)


def test_ridge_is_the_penalised_least_squares_of_its_penalty() -> None:
    y, labels = torch.randn(90, 4), torch.arange(90) % 3
    y[:, 0] += 2.0 * labels
    found, penalty = ridge(y, labels, 3, held_out=30)
    assert penalty in linear_estimates.PENALTIES
    kept = (y[:60] - y[:60].mean(0)).square().mean()
    centred, targets = y - y.mean(0), torch.nn.functional.one_hot(labels, 3).float()
    stacked = torch.cat([centred, (penalty * kept * 90).sqrt() * torch.eye(4)])
    wanted = torch.cat([targets - targets.mean(0), torch.zeros(4, 3)])
    weights = torch.linalg.lstsq(stacked, wanted).solution
    torch.testing.assert_close(found(y), centred @ weights + targets.mean(0), atol=1e-4, rtol=0)
    assert (found(y).argmax(1) != labels).float().mean() < 0.4  # chance: 2/3


def test_radon_matrix_is_scikit_images() -> None:
    views, inside = 5, measuring.disc()
    matrix, image = measuring.radon_matrix(views).numpy(), np.zeros((32, 32))
    image[inside] = np.random.default_rng(0).random(inside.sum())
    sinogram = radon(image, measuring.view_angles(views), circle=True)
    np.testing.assert_allclose(matrix @ image[inside], sinogram.ravel(), atol=1e-10)
    blurred = 0.5 * sinogram + 0.5 * gaussian_filter1d(sinogram, 3.0, axis=0, mode="constant")
    spread = measuring.scattered(torch.from_numpy(matrix), views)
    np.testing.assert_allclose(spread.numpy() @ image[inside], blurred.ravel(), atol=1e-10)
    # The adjoint: ⟨Rx, y⟩ = ⟨x, Rᵀy⟩ with Rᵀ by differentiation of the operator that is used.
    x = torch.rand(1, int(inside.sum()), requires_grad=True)
    y = torch.rand(1, 32 * views)
    (measuring.Projection(torch.from_numpy(matrix))(x) * y).sum().backward()
    torch.testing.assert_close(x.grad, (y.double() @ torch.from_numpy(matrix)).float())


def test_codes_have_the_measurements_of_their_ratio() -> None:
    for ratio in items.RATIOS:
        code = measuring.Encoder(ratio)(torch.rand(2, 3072))
        assert code.shape == (2, 3072 // ratio)
    with pytest.raises(WorkbenchError, match=r"a ratio out of 2, 4, .*, found 3"):
        measuring.Encoder(3)
    assert [measuring.views_of(ratio) for ratio in (2, 4, 8, 16)] == [10, 5, 2, 1]
    asked = keys(tuple(OPERATORS), (16, 32), (0,))
    assert {key.operator for key in asked if key.ratio == 32} == set(items.COLOUR)


def test_reach_is_the_last_ratio_within_the_thresholds() -> None:
    def item(ratio: int, decibels: float, errors: int, seed: int) -> Item:
        psnr, wrong = np.full(100, decibels, np.float32), np.arange(100) < errors
        key = Key("gaussian", ratio, seed)
        return Item(key, 3072 // ratio, 3072, {"mmse": psnr}, {"net": wrong}, {}, 0.1, 1.0)

    figures = [(2, 40.0, 60), (4, 25.5, 50), (8, 24.5, 53), (16, 20.0, 54)]
    study = Study(tuple(item(*each, seed) for seed in (0, 1) for each in figures), (), {})
    found = study.possible().set_index("kind")
    assert (found.ratio["psnr"], found.ratio["error"]) == (4, 8)
    assert found.limit["error"] == 53
    row = study.table().query("kind == 'error' and ratio == 4").iloc[0]
    assert (row["mean"], row.seeds, row.images, row.deviation) == (50, 2, 100, 0)
    assert row.high - row["mean"] == pytest.approx(196 * (0.25 / 99) ** 0.5)


@pytest.mark.timeout(120)
def test_command_writes_a_record_and_goes_on(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = [
        "compressed", "--store", str(store), "--out", str(out), "--seeds", "0", "--passes", "1",
        "--operators", "gaussian,convolutional,radon-scattered", "--ratios", "16,64",
    ]  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert not ended.value.code
    record = json.loads((out / "compressed.json").read_text())
    figures = {(f["operator"], f["ratio"], f["method"]): f for f in record["figures"]}
    assert {(o, r) for o, r, _ in figures} == {
        ("gaussian", 16), ("gaussian", 64), ("convolutional", 16), ("convolutional", 64),
        ("radon-scattered", 16),
    }  # fmt: skip
    assert {m for o, _, m in figures if o[:5] == "radon"} == {"mmse", "sart", "learned", "ridge",
                                                             "net"}  # fmt: skip
    assert figures["gaussian", 64, "mmse"]["mean"] > 12  # the mean image alone: about 15
    assert all(f["images"] == 30 and f["low"] <= f["mean"] <= f["high"] for f in figures.values())
    for name in ("colour", "tomography"):
        assert (out / f"{name}-curves.png").stat().st_size > 5_000
        assert (out / f"{name}-photographs.png").stat().st_size > 5_000
    text = (out / "compressed.md").read_text()
    assert "random projection: linear MMSE" in text
    assert "mean PSNR of 25 dB" in text

    files = sorted((out / "items").iterdir())
    (lost := files[0]).unlink()
    kept = {path: path.stat().st_mtime_ns for path in files[1:]}
    study = finished(out, operators=("convolutional", "gaussian"), ratios=(16, 64), seeds=(0,))
    assert [key.file for key in study.missing] == [lost.name]
    same = {"seeds": (0,), "settings": Settings(passes=1), "progress": False}
    again = compressed(store, out, operators=("gaussian", "convolutional"), ratios=(16, 64), **same)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    for row in again.table().to_dict("records"):
        assert row["mean"] == figures[row["operator"], row["ratio"], row["method"]]["mean"]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--noise", "0.1"])
    assert ended.value.code == 2
    assert "noise 0.1, was 0.01" in capsys.readouterr().err
    with pytest.raises(WorkbenchError, match=r"some of gaussian, .*, found wavelets"):
        compressed(store, out, operators=("wavelets",))


def test_noise_costs_decibels_and_seeds_differ(store: Path) -> None:
    from workbench.data import Images

    vectors = ImageVectors(Images.open(store), train=100, test=20)
    assert vectors.colour.train.shape == (100, 3072)
    assert vectors.grey.train.shape == (100, int(measuring.disc().sum()))
    small = Settings(noise=0.0, passes=1)
    clean = items.measure(vectors, Key("radon", 2, 0), small)
    loud = items.measure(vectors, Key("radon", 2, 0), Settings(noise=0.5, passes=1))
    assert clean.psnr["sart"].mean() > loud.psnr["sart"].mean() + 3
    assert clean.psnr["mmse"].mean() > loud.psnr["mmse"].mean()
    other = items.measure(vectors, Key("radon", 2, 1), small)
    np.testing.assert_allclose(other.psnr["mmse"], clean.psnr["mmse"], atol=1e-3)
    drawn = [items.measure(vectors, Key("gaussian", 64, seed), small) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(drawn[0].psnr["mmse"], drawn[1].psnr["mmse"])
    assert (drawn[0].psnr["mmse"] != drawn[2].psnr["mmse"]).any()
