"""One cut of all images of a probe, held against the dense matrix of all their cells."""

import numpy as np
import pytest
import torch

from tests.probe.networks import convolutional, write_images
from workbench.errors import WorkbenchError
from workbench.probe import Probe, probe
from workbench.probe.across import AcrossImages
from workbench.probe.affinities import CHOICES, Choice, Exponential, factors


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    folder = tmp_path_factory.mktemp("across")
    images = write_images(folder / "images", 4)
    return probe(convolutional(), images, ["0", "4"], path=folder / "probe", progress=False)


def _dense(recorded: Probe, choice: Choice) -> np.ndarray:
    """W of the cells of all images, by its definition."""
    a = recorded.to_xarray("4").features.values.astype(np.float64)
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    return (1 + unit @ unit.T) / 2 if choice == "cosine" else np.exp((unit @ unit.T - 1) / 0.1)


def test_it_is_the_cut_of_the_dense_matrix(recorded: Probe) -> None:
    w = _dense(recorded, "cosine")
    scale = 1 / np.sqrt(w.sum(1))
    values, vectors = np.linalg.eigh(scale[:, None] * w * scale)
    found = AcrossImages(recorded, "4", dimensions=4, progress=False)
    assert found.cells == len(w)
    assert np.allclose(found.values.numpy(), values[::-1][:4], atol=1e-6)
    own = np.concatenate([found.embedding(i).reshape(4, -1).T for i in recorded.images])
    expected = (scale[:, None] * vectors[:, ::-1][:, :4]) * np.sqrt(w.sum())
    own *= np.sign((own * expected).sum(0))  # the sign of an eigenvector means nothing
    assert np.allclose(own, expected, atol=1e-3)


def test_a_colour_means_the_same_on_every_image(recorded: Probe) -> None:
    found = AcrossImages(recorded, "4", progress=False)
    labels = found.segments(2)
    for each in labels.values():
        left, right = each[:, :16].ravel(), each[:, -16:].ravel()
        assert np.bincount(left, minlength=2).argmax() != np.bincount(right, minlength=2).argmax()
    first = {np.bincount(each[:, :16].ravel()).argmax() for each in labels.values()}
    assert len(first) == 1
    colours = found.colours(recorded.images[0])
    assert colours.shape == (64, 48, 3)


def test_a_pixel_finds_its_like_on_other_images(recorded: Probe) -> None:
    found = AcrossImages(recorded, "4", progress=False)
    dark, light = (20, 4), (20, 44)
    for pixel in (dark, light):
        for each in found.nearest("photo0", pixel):
            assert (each.pixel[1] < 24) == (pixel[1] < 24)
    assert found.row("photo0", dark, "photo1").shape == (8, 6)


@pytest.mark.parametrize("choice", sorted(CHOICES))
def test_factors_are_those_of_the_choice(choice: Choice) -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(200, 6, generator=random)
    found = factors(values, choice)
    unit = torch.nn.functional.normalize(values.double())
    expected = {
        "linear": values.double() @ values.double().T,
        "cosine": (1 + unit @ unit.T) / 2,
        "exponential": torch.exp((unit @ unit.T - 1) / 0.1),
    }[choice]
    assert torch.allclose(found.affinity.dense().double(), expected, atol=1e-4)
    assert bool(found.warning) == (choice == "linear")


def test_an_approximation_states_its_error() -> None:
    random = torch.Generator().manual_seed(0)
    values = torch.randn(1000, 16, generator=random)
    few = Exponential(values, landmarks=50)
    rows = few(values).double()
    unit = torch.nn.functional.normalize(values.double())
    error = (rows @ rows.T - torch.exp((unit @ unit.T - 1) / 0.1)).square().mean().sqrt()
    largest, rms = few.errors(values)
    assert rms == pytest.approx(float(error), rel=0.5)
    assert largest > rms


def test_zero_features_are_tied_to_none() -> None:
    values = torch.zeros(5, 3)
    values[0, 0] = 1
    assert torch.isfinite(factors(values).affinity.dense()).all()


def test_wishes_that_cannot_be_met_are_refused(recorded: Probe) -> None:
    with pytest.raises(WorkbenchError, match="nonnegative degrees"):
        AcrossImages(recorded, "0", affinity="linear", progress=False)
    with pytest.raises(WorkbenchError, match="clusters"):
        AcrossImages(recorded, "4", dimensions=3, progress=False).segments(9)
