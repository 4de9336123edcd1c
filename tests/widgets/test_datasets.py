"""The dataset browser on small stores that the pipeline wrote."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pytest

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from workbench.data.catalog import Catalog
from workbench.errors import WorkbenchError
from workbench.views.thumbnails import ThumbnailGrid
from workbench.widgets import DatasetBrowser

Draw = Callable[[hv.DynamicMap], Any]
PAGE = ThumbnailGrid(columns=3, rows=2, side=32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    write_sample(folder / "raw", train=6, test=3, seed=1, size=(40, 56))
    broken = sorted((folder / "raw").rglob("*.jpg"))[0]
    broken.write_bytes(broken.read_bytes()[:200])
    return folder / "raw"


@pytest.fixture(scope="module")
def scenes(raw: Path) -> Path:
    store = raw.parent / "scenes.zarr"
    run("bsds", raw, store, workers=1, progress=False)
    return store


@pytest.fixture(scope="module")
def regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    write_sample(folder / "raw", train=6, test=3, size=(36, 48), layout="coco")
    run("coco", folder / "raw", folder / "regions.zarr", workers=1, progress=False)
    return folder / "regions.zarr"


def test_items_lead_back_to_their_raw_files(scenes: Path, raw: Path) -> None:
    catalog = Catalog(scenes)
    for position in range(len(catalog)):
        origin = catalog.origin(position)
        assert raw in origin.file.parents
        assert hashlib.sha256(origin.file.read_bytes()).hexdigest() == origin.sha256
        assert origin.check()
        assert origin.mark.index == origin.unit
        assert origin.file.stem == catalog.name(position)


def test_what_was_quarantined_is_listed_with_its_reason(scenes: Path) -> None:
    browser = DatasetBrowser(scenes)
    (line,) = browser.quarantine.splitlines()
    (lost,) = browser.catalog.origins.quarantined
    assert line == f"slot {lost.slot}: {lost}"
    assert lost.reason in browser.readout
    assert len(browser.catalog) == 8


def test_filters_find_what_the_table_says(scenes: Path) -> None:
    browser = DatasetBrowser(scenes)
    table = browser.catalog.table
    for split in browser.catalog.splits:
        browser.split = split
        for count in browser.catalog.annotators:
            browser.annotators = str(count)
            rows = table[(table["split"] == split) & (table["annotators"] == count)]
            assert browser.found.tolist() == rows.index.tolist()
            assert browser.position == (rows.index[0] if len(rows) else -1)
        browser.annotators = "any"


def test_regions_are_filtered_by_category(regions: Path, drawn: Draw) -> None:
    browser = DatasetBrowser(regions, PAGE)
    browser.category = browser.catalog.categories[0]
    assert 0 < len(browser.found) < len(browser.catalog)
    for position in browser.found:
        assert browser.catalog.item(int(position)).facts["category"] == browser.category
    for picture in browser.pictures.values():
        drawn(picture)
    assert set(browser.options("layer")) == {"mask 1", "None"}
    with pytest.raises(WorkbenchError, match="a category out of"):
        browser.catalog.select(category="unicorn")


def test_small_images_are_enlarged_by_whole_pixels(tmp_path: Path, drawn: Draw) -> None:
    write_sample(tmp_path / "raw", train=10, test=10, layout="cifar10")
    run("cifar10", tmp_path / "raw", tmp_path / "images.zarr", workers=1, progress=False)
    browser = DatasetBrowser(tmp_path / "images.zarr", ThumbnailGrid(3, 2, side=70))
    browser.category = "coarse waves at 45°"
    assert browser.found.tolist() == [3, 13]
    assert browser.catalog.name(13) == "coarse waves at 45° 00003"
    for picture in browser.pictures.values():
        drawn(picture)
    small, pixels = browser.catalog.thumbnail(13, 70), browser.catalog.item(13).pixels
    np.testing.assert_array_equal(small[3:67:2, 3:67:2], pixels)
    assert browser.options("layer") == {"None": -1}
    browser.check_raw_file()
    assert "data_batch_2.bin: SHA-256 is the recorded one" in browser.readout


def test_only_what_is_shown_is_read(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    thumbnail = Catalog.thumbnail

    def spy(self: Catalog, position: int, side: int) -> np.ndarray:
        read.append(position)
        return thumbnail(self, position, side)

    monkeypatch.setattr(Catalog, "thumbnail", spy)
    browser = DatasetBrowser(scenes, PAGE)
    assert read == []
    browser.pictures["page"][()]
    assert read == [0, 1, 2, 3, 4, 5]
    browser.page = 2
    browser.pictures["page"][()]
    assert read == list(range(8))
    assert browser.pages == 2


def test_a_click_on_a_thumbnail_looks_at_it(scenes: Path, drawn: Draw) -> None:
    browser = DatasetBrowser(scenes, PAGE)
    for picture in browser.pictures.values():
        drawn(picture)
    browser._on_tap(x=PAGE.size[1] - 2.0, y=2.0)  # the last of the first row
    assert browser.position == 2
    assert browser.pictures["item"][()].label == browser.catalog.name(2)
    assert browser.catalog.origin(2).sha256 in browser.readout
    pixels = browser.item.pixels
    browser.layer = -1
    shown = browser.pictures["item"][()]
    np.testing.assert_array_equal(shown.dimension_values("R", flat=False), pixels[..., 0])
    browser._on_tap(x=-5.0, y=2.0)
    assert browser.position == 2


def test_a_raw_file_that_changed_is_noticed(raw: Path, scenes: Path) -> None:
    browser = DatasetBrowser(scenes)
    browser.check_raw_file()
    assert "is the recorded one" in browser.readout
    file = browser.catalog.origin(browser.position).file
    content = file.read_bytes()
    try:
        file.write_bytes(content + b"\0")
        browser.check_raw_file()
        assert "has changed" in browser.readout
        file.unlink()
        browser.check_raw_file()
        assert browser.message.startswith("expected the raw file")
    finally:
        file.write_bytes(content)


def test_a_store_without_its_ledger_still_opens(scenes: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied.zarr"
    shutil.copytree(scenes, copied)
    browser = DatasetBrowser(copied)
    assert browser.quarantine == ""
    browser.check_raw_file()
    assert "the ledger that says where" in browser.message
