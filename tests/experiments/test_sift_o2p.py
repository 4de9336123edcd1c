"""SIFT-O2P from a store to scores; its vectors are computed once, whoever asks for them."""

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.data import Regions
from workbench.data.region_vectors import BLOCK, VectorFiles
from workbench.errors import WorkbenchError
from workbench.experiments.regions import sift_o2p
from workbench.experiments.regions.sift_o2p import SiftO2PConfig, fit_sift_o2p, sift_vectors
from workbench.models.sift import Box, SiftConfig, region_vector

COARSE = SiftConfig(steps=(32, 64))


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Regions:
    folder = tmp_path_factory.mktemp("regions")
    write_sample(folder / "raw", train=24, test=6, seed=1, size=(80, 112), layout="coco")
    run("coco", folder / "raw", folder / "coco.zarr", workers=1, progress=False)
    return Regions.open(folder / "coco.zarr")


def test_vectors_are_those_of_the_regions_in_their_order(regions: Regions) -> None:
    part = regions.select(np.array([5, 2, 9]))
    found = sift_vectors(part, COARSE, workers=1, progress=False)
    for vector, region, position in zip(found, part, range(3), strict=True):
        row = part.table.isel(region=position)
        box = Box(*(int(row[name]) for name in Box._fields))
        expected = region_vector(region.pixels, region.mask, box, COARSE)
        np.testing.assert_array_equal(vector, expected)


def test_processes_give_what_one_gives_and_end(regions: Regions) -> None:
    before = set(multiprocessing.active_children())  # other tests' clusters may live on
    alone = sift_vectors(regions, COARSE, workers=1, progress=False)
    np.testing.assert_array_equal(sift_vectors(regions, COARSE, workers=2, progress=False), alone)
    assert len(regions) > BLOCK  # or there was one task, and no process
    assert set(multiprocessing.active_children()) <= before


def test_another_selection_finds_what_one_has_left(
    regions: Regions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, all_of_them = regions.select(slice(3, 9)), regions.select(slice(0, 12))
    sift_vectors(some, COARSE, tmp_path, 1, progress=False)
    asked: list[int] = []
    compute = sift_o2p._vectors_of

    def counting(part: Regions, config: SiftConfig) -> np.ndarray:
        asked.extend(part.slots.tolist())
        return compute(part, config)

    monkeypatch.setattr(sift_o2p, "_vectors_of", counting)
    found = sift_vectors(all_of_them, COARSE, tmp_path, 1, progress=False)
    assert sorted(asked) == [0, 1, 2, 9, 10, 11]
    again = sift_vectors(all_of_them, COARSE, tmp_path, 1, progress=False)
    assert len(asked) == 6
    np.testing.assert_array_equal(again, found)
    np.testing.assert_array_equal(found, compute(all_of_them, COARSE))
    sift_vectors(some, SiftConfig(steps=(64,)), tmp_path, 1, progress=False)
    assert len(asked) == 12  # of another configuration nothing is there


def test_a_broken_file_is_computed_again(regions: Regions, tmp_path: Path) -> None:
    part = regions.select(slice(0, 3))
    found = sift_vectors(part, COARSE, tmp_path, 1, progress=False)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(b"half of a fi")
    np.testing.assert_array_equal(sift_vectors(part, COARSE, tmp_path, 1, progress=False), found)
    slots, vectors = VectorFiles(tmp_path, "other", COARSE.entries).read(0)
    assert len(slots) == len(vectors) == 0


def test_textures_are_told_apart(regions: Regions, tmp_path: Path) -> None:
    train, test = regions.split_by_image((0.7, 0.3), seed=0)
    config = SiftO2PConfig(SiftConfig(steps=(16, 32)))
    found = fit_sift_o2p(train, test, config, cache=tmp_path, workers=1, progress=False)
    scores = found.scores
    assert scores.logits.shape == (len(test), len(regions.names))
    np.testing.assert_array_equal(scores.categories, test.categories)
    np.testing.assert_array_equal(scores.annotation_ids, test.table["annotation_id"].values)
    frequent = np.bincount(train.categories).argmax()
    assert scores.error < 0.7 * (test.categories != frequent).mean()
    again = fit_sift_o2p(train, test, config, cache=tmp_path, workers=1, progress=False)
    np.testing.assert_array_equal(again.scores.logits, scores.logits)


def test_masks_must_be_there(regions: Regions) -> None:
    bare = Regions(regions.table, {"image": regions.items["image"]}, regions.names)
    with pytest.raises(WorkbenchError, match="masks"):
        sift_vectors(bare, SiftConfig(masked=True), workers=1, progress=False)
