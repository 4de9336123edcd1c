"""What limits a classifier, held against the matrices and gradients that it comes from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from workbench.data import Regions
from workbench.data.augment import Normalisation
from workbench.evaluation.regions.diagnosis import Diagnosis, diagnose, effective_rank, spectra_of
from workbench.models.regions import RegionArchitecture, RegionNetwork
from workbench.runs.plain import from_plain, plain

TINY = RegionArchitecture("tiny", "relu3", classes=14)


@pytest.fixture
def regions(sample_regions: Path) -> Regions:
    return Regions.open(sample_regions).select(slice(0, 7))


def network(architecture: RegionArchitecture) -> RegionNetwork:
    model = RegionNetwork(architecture).eval()
    torch.nn.init.normal_(model.classifier[-1].weight, std=0.1)
    return model


def frames(regions: Regions) -> torch.Tensor:
    pixels = torch.from_numpy(np.stack([region.pixels for region in regions]))
    return Normalisation()(pixels.permute(0, 3, 1, 2))


def test_spectra_and_gradients_are_those_of_the_layer(regions: Regions) -> None:
    model = network(TINY)
    found = diagnose(model, regions)
    with torch.no_grad():
        maps = model.features(frames(regions))
    x = maps.flatten(2).mT.double()
    values = torch.linalg.eigvalsh(x.mT @ x / x.shape[1]).flip(-1)
    spectra = spectra_of(model, regions)
    np.testing.assert_allclose(spectra, values, rtol=1e-4, atol=1e-6 * float(values.max()))
    assert found.eigenvalues == pytest.approx(np.sort(spectra, 0)[3])
    assert found.epsilon == 1e-3
    assert found.above_epsilon == np.median((spectra > 1e-3).sum(1))
    condition = (spectra[:, 0] + 1e-3) / (spectra[:, -1] + 1e-3)
    assert found.condition == pytest.approx(np.median(condition), rel=1e-3)
    vectors, _ = model.pool(maps)
    assert found.entries == vectors.shape[1] == 48 * 49 // 2
    assert found.entry == pytest.approx(float(vectors.square().mean().sqrt()), rel=1e-4)
    mean = vectors.mean(0).square().sum() / vectors.square().sum(1).mean()
    assert found.shared == pytest.approx(float(mean), rel=1e-4)
    vectors = vectors.detach().requires_grad_()
    loss = cross_entropy(
        model.classifier(model.scaling(vectors)),
        torch.from_numpy(regions.categories.astype(np.int64)),
        reduction="sum",
    )
    (gradient,) = torch.autograd.grad(loss, vectors)
    assert found.gradient == pytest.approx(float(gradient.norm(dim=1).median()), rel=1e-4)
    assert 0 < found.gain < np.inf
    assert found.gain_spread >= 1
    assert from_plain(Diagnosis, plain(found)) == found


def test_a_network_without_the_layer_has_a_spectrum_too(regions: Regions) -> None:
    found = diagnose(network(replace(TINY, pooling="average")), regions)
    assert (found.epsilon, found.condition, found.above_epsilon) == (None, None, None)
    assert len(found.eigenvalues) == 48
    assert found.entries == 48
    # An average is linear: relative to their lengths, the maps matter as much as can be told.
    assert found.rank > 1


def test_an_average_has_the_gain_that_a_linear_map_has(regions: Regions) -> None:
    model = network(replace(TINY, pooling="average", scaling="none"))
    found = diagnose(model, regions)
    with torch.no_grad():
        maps = model.features(frames(regions))
        vectors = model.pool(maps)[0]
        deviations = (vectors - vectors.mean(0)).norm(dim=1)
        cells = maps[0, 0].numel()
        expected = maps.flatten(1).norm(dim=1) / cells**0.5 / deviations
    assert found.gain == pytest.approx(float(expected.median()), rel=1e-3)


def test_effective_rank_counts_equal_directions() -> None:
    values = torch.tensor([[3.0, 3.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(effective_rank(values), torch.tensor([3.0, 1.0, 0.0]))
