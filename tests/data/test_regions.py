"""Regions of a store: what was written, split by image, shown."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import PipelineError
from tests.data.stores import write_regions
from workbench.data import Regions, Scenes
from workbench.errors import WorkbenchError

COUNT = 60


@pytest.fixture(scope="module", params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty images of three regions, the last five of split val, region 4 quarantined."""
    path = tmp_path_factory.mktemp("regions") / "store"
    write_regions(path, COUNT, profile=request.param, invalid=[4])
    return path


def test_regions_are_what_was_written(store: Path, tmp_path: Path) -> None:
    images, masks = write_regions(tmp_path / "again", COUNT)
    regions = Regions.open(store, "train")
    assert len(regions) == 44
    assert regions.slots.tolist() == [slot for slot in range(45) if slot != 4]
    for slot, region in zip(regions.slots, regions, strict=True):
        assert (region.pixels == images[slot]).all()
        assert (region.mask == masks[slot].astype(bool)).all()
        assert region.annotation_id == 1000 + slot
        assert region.image_id == slot // 3
    assert len(Regions.open(store)) == COUNT - 1
    assert len(Regions.open(store, "val")) == 15


def test_masks_are_read_only_if_asked_for(store: Path) -> None:
    regions = Regions.open(store, fields=["image"])
    assert regions[0].mask is None
    assert set(regions.items) == {"image"}


def test_categories_are_counted_by_name(store: Path) -> None:
    regions = Regions.open(store)
    counts = regions.counts()
    assert counts.sum() == len(regions)
    assert counts.is_monotonic_decreasing
    for name, count in counts.items():
        assert count == sum(region.category == name for region in regions)


def test_parts_share_no_image_and_leave_nothing_out(store: Path) -> None:
    regions = Regions.open(store)
    parts = regions.split_by_image([0.5, 0.3, 0.2], seed=3)
    images = [set(part.table["image_id"].values.tolist()) for part in parts]
    assert [len(each) for each in images] == [10, 6, 4]
    assert set.union(*images) == set(range(20))
    assert sum(len(part) for part in parts) == len(regions)
    assert np.isin(parts[1].slots, regions.slots).all()
    again = regions.split_by_image([0.5, 0.3, 0.2], seed=3)
    assert [part.identity for part in again] == [part.identity for part in parts]
    assert regions.split_by_image([0.5, 0.3, 0.2], seed=4)[0].identity != parts[0].identity


@pytest.mark.parametrize(
    ("fractions", "message"),
    [([0.5, 0.4], "a sum of 1"), ([1.2, -0.2], "at least one image"), ([0.99, 0.01], "at least")],
)
def test_fractions_that_make_no_sense(store: Path, fractions: list[float], message: str) -> None:
    with pytest.raises(WorkbenchError, match=message):
        Regions.open(store).split_by_image(fractions, seed=0)


def test_identity_is_of_content_and_order(store: Path) -> None:
    regions = Regions.open(store)
    assert regions.identity == Regions.open(store).identity
    assert regions.select(slice(None, None, -1)).identity != regions.identity
    assert Regions.open(store, "val").identity != regions.identity


def test_what_is_no_region_is_refused(store: Path, sample_store: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="train, val"):
        Regions.open(store, "test")
    with pytest.raises(WorkbenchError, match="a store of regions"):
        Regions.open(sample_store)
    with pytest.raises(WorkbenchError, match="image and mask"):
        Regions.open(store, fields=["mask"])
    with pytest.raises(PipelineError, match="nothing"):
        Regions.open(tmp_path / "nothing")
    with pytest.raises(IndexError, match="0 to 58"):
        Regions.open(store)[59]


def test_regions_travel_between_processes(store: Path) -> None:
    regions = Regions.open(store)
    copy = pickle.loads(pickle.dumps(regions))
    assert copy.identity == regions.identity
    assert (copy[7].pixels == regions[7].pixels).all()


def test_pages_show_counts_and_pictures(store: Path, sample_store: Path) -> None:
    regions = Regions.open(store)
    page = regions._repr_html_()
    assert page.count("<img") == 12
    assert "most frequent" in page
    assert regions.names[regions.categories[0]] in page
    assert repr(regions) == "59 regions, 20 images, 3 categories, train/val splits"
    assert regions.select(slice(3))._repr_html_().count("<img") == 3
    assert regions[0]._repr_html_().count("<img") == 1
    scenes = Scenes.open(sample_store, "train")
    assert scenes._repr_html_().count("<img") == 8
    assert scenes[0].id in scenes._repr_html_()
    assert scenes[0]._repr_html_().count("<img") == 1
