"""Dense SIFT: scikit-image's descriptors where they were asked for, pooled by definition."""

import numpy as np
import pytest
import torch
from skimage.feature import SIFT

from workbench.errors import WorkbenchError
from workbench.models.sift import (
    DESCRIPTOR,
    Box,
    Points,
    SiftConfig,
    describe,
    grid_points,
    region_vector,
)

BOX = Box(4, 10, 60, 40)
SMALL = SiftConfig(steps=(8, 16))


def picture(size: int = 96, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def smooth(size: int = 96) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    return 0.5 + 0.2 * np.sin(9 * x * y + 3 * y) + 0.2 * np.cos(14 * x - 5 * y)


def test_the_grid_lies_in_the_middle_of_the_box() -> None:
    points = grid_points(BOX, (8, 16))
    for octave, step in enumerate((8, 16)):
        yx = points.yx[points.octave == octave]
        for axis, (start, length) in enumerate(((4, 60), (10, 40))):
            places = np.unique(yx[:, axis])
            assert (np.diff(places) == step).all()
            before, after = places[0] - start, start + length - 1 - places[-1]
            assert min(before, after) >= 0
            assert abs(before - after) <= 1
            assert max(before, after) < step


def test_the_smallest_box_has_a_point_an_octave() -> None:
    assert grid_points(Box(3, 5, 1, 1), (8, 16)).yx.tolist() == [[3, 5], [3, 5]]


def test_descriptors_are_those_of_the_librarys_own_keypoints() -> None:
    """Where scikit-image detects keypoints, made upright and put on our scales, ours are the same.

    Its sigma at those scales is what it blurred the image to.
    """
    grey = smooth()
    theirs = SIFT(upsampling=1, n_octaves=2, n_scales=1, sigma_min=4 / 3, c_dog=1e-4)
    theirs.detect(grey)
    count = len(theirs.positions)
    assert count > 3
    points = Points(theirs.positions, theirs.octaves.astype(float))
    theirs.scales, theirs.orientations = np.zeros(count, int), np.zeros(count)
    theirs.sigmas = theirs.scalespace_sigmas[theirs.octaves, 0]
    theirs.extract(grey)
    found = describe(grey, points, 16.0)
    np.testing.assert_allclose(found * 512, theirs.descriptors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=0.03)


def test_descriptors_move_with_the_picture() -> None:
    grey = smooth(128)
    points = Points(np.array([[40.0, 40.0], [48.0, 56.0]]), np.zeros(2))
    moved = Points(points.yx + 8, points.octave)
    np.testing.assert_allclose(
        describe(np.roll(grey, (8, 8), (0, 1)), moved, 16.0),
        describe(grey, points, 16.0),
        atol=2 / 512,
    )


def test_a_slope_points_where_it_should() -> None:
    """Of eight orientations two neighbours have it all; the negative points half a turn away."""
    y, x = np.mgrid[:96, :96] / 200
    slope = 0.5 + np.cos(0.4) * (x - 0.24) + np.sin(0.4) * (y - 0.24)
    middle = Points(np.array([[48.0, 48.0]]), np.zeros(1))
    by_orientation, other = (
        describe(grey, middle, 16.0).reshape(16, 8).sum(0) for grey in (slope, 1 - slope)
    )
    highest = np.argsort(by_orientation)[-2:]
    assert by_orientation[highest].sum() > 0.99 * by_orientation.sum()
    assert abs(int(highest[0]) - int(highest[1])) in (1, 7)
    np.testing.assert_allclose(np.roll(by_orientation, 4), other, atol=0.05)


def test_nothing_to_see_is_zero_and_pools_to_a_finite_vector() -> None:
    grey = np.full((96, 96), 0.5)
    assert not describe(grey, grid_points(BOX, (8,)), 16.0).any()
    flat = np.full((96, 96, 3), 128, np.uint8)
    assert np.isfinite(region_vector(flat, None, BOX, SMALL)).all()


def test_a_vector_is_the_logarithm_of_the_descriptors_second_moments() -> None:
    config = SiftConfig(steps=(8, 16), enrichment=0.0)
    pixels = np.full((96, 96, 3), 128, np.uint8)
    pixels[:] = (255 * smooth()[..., None]).astype(np.uint8)
    whole = Box(0, 0, 96, 96)
    x = describe(
        (pixels[..., 0] / 255).astype(float), grid_points(whole, config.steps), 16.0
    ).astype(float)
    moments = torch.from_numpy(x.T @ x / len(x) + 1e-3 * np.eye(DESCRIPTOR))
    values, vectors = torch.linalg.eigh(moments)
    expected = (vectors * values.log()) @ vectors.T
    rows, columns = torch.triu_indices(DESCRIPTOR, DESCRIPTOR)
    entries = (expected * (2**0.5 - (2**0.5 - 1) * torch.eye(DESCRIPTOR)))[rows, columns]
    found = region_vector(pixels, None, whole, config)
    assert found.shape == (config.entries,)
    np.testing.assert_allclose(found, entries.numpy(), atol=1e-4)


def test_what_lies_beside_the_box_does_not_matter() -> None:
    inside, other = picture(seed=1), picture(seed=2)
    top, left, height, width = BOX
    other[top : top + height, left : left + width] = inside[top : top + height, left : left + width]
    np.testing.assert_array_equal(
        region_vector(inside, None, BOX, SMALL), region_vector(other, None, BOX, SMALL)
    )


def test_a_mask_picks_points_and_a_thin_object_keeps_its_box() -> None:
    pixels = picture()
    masked = SiftConfig(steps=(8, 16), masked=True)
    whole = region_vector(pixels, None, BOX, SMALL)
    everything, nothing = np.ones((96, 96), bool), np.zeros((96, 96), bool)
    np.testing.assert_array_equal(region_vector(pixels, everything, BOX, masked), whole)
    np.testing.assert_array_equal(region_vector(pixels, nothing, BOX, masked), whole)
    half = everything.copy()
    half[:, 30:] = False
    assert not np.allclose(region_vector(pixels, half, BOX, masked), whole)
    np.testing.assert_array_equal(region_vector(pixels, half, BOX, SMALL), whole)


def test_enrichment_tells_places_and_colours_apart() -> None:
    pixels = picture()
    red = pixels.copy()
    red[..., 0] = 255
    plain = SiftConfig(steps=(16,), enrichment=0.0)
    assert plain.features == DESCRIPTOR
    assert SMALL.features == 142
    assert region_vector(pixels, None, BOX, SMALL).shape == (142 * 143 // 2,)
    assert not np.allclose(
        region_vector(pixels, None, BOX, SMALL), region_vector(red, None, BOX, SMALL)
    )


@pytest.mark.parametrize("wrong", [{"steps": ()}, {"steps": (0,)}, {"patch": 2.0}])
def test_impossible_grids_are_refused(wrong: dict) -> None:
    with pytest.raises(WorkbenchError, match="positive steps"):
        SiftConfig(**wrong)
