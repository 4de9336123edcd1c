"""The synthetic dataset: the same every time, true to the real layout, hard for colour alone."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import label

from pipelines.errors import PipelineError
from pipelines.sources import bsds
from pipelines.sources.partitions import CONNECTED, boundaries, tidy
from pipelines.sources.sample import write_sample
from pipelines.sources.sample_scenes import draw_scene
from pipelines.sources.textures import FAMILIES


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_same_request_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in [("one", 3), ("two", 3), ("other", 4)]:
        write_sample(tmp_path / name, train=2, test=1, seed=seed, size=(36, 48))
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one["images/train/1000.jpg"] != other["images/train/1000.jpg"]


def test_an_earlier_sample_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    write_sample(tmp_path / "raw", train=2, test=1, size=(36, 48))
    write_sample(tmp_path / "raw", train=1, test=1, size=(36, 48))
    assert len(bsds.discover(tmp_path / "raw").records) == 2
    with pytest.raises(PipelineError, match="a new or empty folder"):
        write_sample(tmp_path, train=1, test=1)


def test_both_orientations_and_several_annotators(tmp_path: Path) -> None:
    write_sample(tmp_path, train=8, test=2, size=(36, 48))
    records = bsds.discover(tmp_path).records
    assert {(record.height, record.width) for record in records} == {(36, 48), (48, 36)}
    assert {record.annotators for record in records} <= {4, 5, 6}
    assert [record.split for record in records] == ["train"] * 8 + ["test"] * 2


@pytest.mark.parametrize("seed", range(5))
def test_label_maps_keep_what_the_real_ones_keep(seed: int) -> None:
    scene = draw_scene(np.random.default_rng(seed), 112, 160)
    counts = [int(each.max()) for each in scene.annotations]
    assert max(counts) >= 3
    assert len(set(counts)) > 1, "annotators who all agree on the detail"
    for each in scene.annotations:
        assert each.dtype == np.uint16
        assert set(np.unique(each)) == set(range(1, each.max() + 1))
        for segment in range(1, each.max() + 1):
            assert label(each == segment, CONNECTED)[1] == 1


def test_specks_go_to_their_neighbour() -> None:
    labels = np.ones((30, 30), int)
    labels[15:] = 7
    labels[3, 3] = 7
    np.testing.assert_array_equal(np.unique(tidy(labels)), [1, 2])


def test_boundaries_lie_between_segments() -> None:
    labels = np.array([[1, 1, 2], [1, 1, 2]])
    np.testing.assert_array_equal(boundaries(labels), [[0, 1, 0], [0, 1, 0]])


def test_textures_do_not_differ_in_mean_or_contrast() -> None:
    for texture in FAMILIES:
        pattern = texture(np.random.default_rng(0), 64, 80)
        assert pattern.shape == (64, 80)
        assert abs(pattern.mean()) < 1e-9
        assert abs(pattern.std() - 1) < 1e-9


def test_regions_do_not_differ_in_colour_more_than_their_surroundings() -> None:
    """The share of the variance of colour that lies between regions is small in the mean."""
    shares = []
    for seed in range(8):
        scene = draw_scene(np.random.default_rng(seed), 112, 160)
        pixels, truth = scene.image.reshape(-1, 3) / 255, scene.annotations[0].ravel()
        means = np.array([pixels[truth == each].mean(axis=0) for each in range(1, truth.max() + 1)])
        shares.append(np.var(means[truth - 1], axis=0).sum() / np.var(pixels, axis=0).sum())
    assert np.mean(shares) < 0.2
