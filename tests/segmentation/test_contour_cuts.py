"""Classical normalized cuts on pictures whose regions are known."""

import numpy as np
import pytest
from skimage.color import lab2rgb

from workbench.errors import WorkbenchError
from workbench.evaluation import evaluate_pool
from workbench.segmentation.contour_cuts import (
    SINGLE_SCALE,
    ContourConfig,
    segment_contours,
)

SIZE = (96, 144)
MANY = ContourConfig(side=48)
ONE = ContourConfig(side=48, radii=(5,))
SHAPES = ContourConfig(side=144, wavelength=5.0, colour_scale=None, floor=0.0)


def regions() -> np.ndarray:
    """A disc on two halves."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    labels = np.where(x < 60, 1, 2)
    labels[(y - 50) ** 2 + (x - 90) ** 2 < 25**2] = 3
    return labels


def picture(colours: list[tuple[float, float, float]], noise: float = 2.0) -> np.ndarray:
    """The regions in Lab colours, with noise."""
    lab = np.array(colours)[regions() - 1]
    lab = lab + noise * np.random.default_rng(0).standard_normal(lab.shape)
    return (lab2rgb(lab) * 255).round().astype(np.uint8)


GREYS = [(30.0, 0.0, 0.0), (55.0, 0.0, 0.0), (80.0, 0.0, 0.0)]
EQUALLY_BRIGHT = [(60.0, 30.0, 0.0), (60.0, -30.0, 0.0), (60.0, 0.0, 40.0)]


@pytest.mark.parametrize("colours", [GREYS, EQUALLY_BRIGHT])
@pytest.mark.parametrize("contours", [MANY, ONE, SHAPES])
def test_regions_are_found(
    colours: list[tuple[float, float, float]], contours: ContourConfig
) -> None:
    pool = segment_contours(picture(colours), contours)
    scores = evaluate_pool(pool.segmentations, [regions()])
    assert scores.best > 0.93


def test_eight_segmentations_and_what_was_found() -> None:
    pool = segment_contours(picture(GREYS), MANY)
    assert [s.shape for s in pool.segmentations] == [SIZE] * 8
    assert all(s.min() == 1 and s.dtype == np.int32 for s in pool.segmentations)
    spectrum = pool.embedding.spectrum
    assert spectrum.values[0] == pytest.approx(1.0, abs=1e-6)
    assert (spectrum.values.diff() <= 0).all()
    assert spectrum.vectors.shape == (32 * 48, 20)
    assert spectrum.rank == 20
    assert spectrum.gap >= 0


@pytest.mark.parametrize("contours", [MANY, ONE])
def test_same_picture_same_segmentations(contours: ContourConfig) -> None:
    image = picture(GREYS, noise=8.0)
    one, two = (segment_contours(image, contours).segmentations for _ in range(2))
    assert all((a == b).all() for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 40)])
@pytest.mark.parametrize("contours", [ContourConfig(), SINGLE_SCALE])
def test_tiny_pictures_of_one_colour(size: tuple[int, int], contours: ContourConfig) -> None:
    pool = segment_contours(np.full((*size, 3), 90, np.uint8), contours)
    assert all(s.shape == size and s.min() == 1 for s in pool.segmentations)


@pytest.mark.parametrize(
    "wrong", [{"radii": ()}, {"radii": (3, 0)}, {"edge_scale": 0.0}, {"colour_scale": -1.0}]
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(WorkbenchError, match=r"radius|scale"):
        ContourConfig(**wrong)
