"""Edges as oriented energy."""

import numpy as np
import pytest

from workbench.segmentation.oriented_energy import oriented_energy

WAVELENGTH = 8.0


def waves(angle: float, phase: float) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    along = np.cos(angle) * x + np.sin(angle) * y
    return np.cos(2 * np.pi * along / WAVELENGTH + phase)[:, :, None]


@pytest.mark.parametrize("angle", [0.0, np.pi / 4, np.pi / 2, 5 * np.pi / 8])
def test_a_wave_has_the_same_energy_at_every_phase(angle: float) -> None:
    middle = slice(16, 48), slice(16, 48)
    found = [oriented_energy(waves(angle, phase), WAVELENGTH)[middle] for phase in (0, 1, 2)]
    assert np.ptp(found) < 0.05 * np.mean(found)
    assert np.mean(found) == pytest.approx(1.0, rel=0.1)  # the amplitude


def test_a_constant_has_none() -> None:
    assert oriented_energy(np.full((20, 30, 3), 7.0), WAVELENGTH).max() < 1e-12


@pytest.mark.parametrize("transposed", [False, True])
def test_the_crest_is_on_the_edge(transposed: bool) -> None:
    image = np.zeros((40, 50, 1))
    image[:, 20:] = 10
    found = oriented_energy(image.transpose(1, 0, 2) if transposed else image, WAVELENGTH)
    across = (found.T if transposed else found)[20]
    assert {int(i) for i in np.argsort(across)[-2:]} == {19, 20}
    assert across[35:].max() < 0.2 * across.max()


def test_channels_add_as_squares() -> None:
    one = np.random.default_rng(0).random((24, 24, 1))
    energy = oriented_energy(one, WAVELENGTH)
    np.testing.assert_allclose(
        oriented_energy(np.concatenate([one, one], 2), WAVELENGTH), 2**0.5 * energy
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (5, 2, 1)])
def test_images_smaller_than_a_filter(shape: tuple[int, int, int]) -> None:
    found = oriented_energy(np.random.default_rng(0).random(shape), WAVELENGTH)
    assert found.shape == shape[:2]
    assert np.isfinite(found).all()
