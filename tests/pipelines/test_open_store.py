"""Reading through xarray: every damage raises, and says whose it is and what mends it."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr
from distributed import Client

from pipelines import jobs
from pipelines.datasets import prepare
from pipelines.store import StoreError, layout, open_store, summary
from pipelines.task import write_unit

PROFILES = pytest.mark.parametrize("profile", ["local", "remote"])
UNIT, ITEMS = 8, 58


def chunk(store: Path) -> Path:
    return store / "image" / "c" / "2" / "0" / "0" / "0"


@PROFILES
def test_plain_xarray_sees_the_same(finished: Path) -> None:
    guarded, plain = open_store(finished), xr.open_zarr(finished)
    assert guarded["image"].dims == ("region", "y", "x", "channel")
    assert guarded["mask"].dims == ("region", "y", "x")
    for name in plain.data_vars:
        np.testing.assert_array_equal(guarded[name].values, plain[name].values)


@PROFILES
def test_indexing_is_that_of_numpy(finished: Path) -> None:
    image = open_store(finished)["image"]
    whole = image.values
    np.testing.assert_array_equal(image[5], whole[5])
    np.testing.assert_array_equal(image[[30, 2, 30]], whole[[30, 2, 30]])
    np.testing.assert_array_equal(image[-3:, 4], whole[-3:, 4])
    np.testing.assert_array_equal(image[7, 2:9, ::3, 1], whole[7, 2:9, ::3, 1])
    expected = whole[::-9][:, [1, 5]][:, :, 3:4, -1]
    np.testing.assert_array_equal(image[::-9, [1, 5], 3:4, -1], expected)
    np.testing.assert_array_equal(
        image.isel(region=xr.DataArray([1, 2], dims="n"), y=xr.DataArray([3, 4], dims="n")),
        whole[[1, 2], [3, 4]],
    )
    assert image[0:0].shape == (0, 28, 28, 3)


@PROFILES
def test_dask_and_pickle(finished: Path, client: Client) -> None:
    dataset = open_store(finished)
    lazy = dataset[["mask"]].chunk(region=UNIT)
    assert client.compute(lazy["mask"].sum()).result() == int(dataset["mask"].sum())
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again["mask"][9], dataset["mask"][9])


@PROFILES
@pytest.mark.parametrize("how", ["missing", "short", "flipped"])
def test_damage_names_unit_source_and_repair(
    finished: Path, client: Client, profile: str, how: str
) -> None:
    path = chunk(finished)
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    else:
        content[100] ^= 4
        path.write_bytes(content if how == "flipped" else content[:-50])
    dataset = open_store(finished)
    damaged = slice(2 * UNIT, 3 * UNIT)
    sources = set(dataset["image_source"].values[damaged])
    with pytest.raises(StoreError) as caught:
        dataset["image"].isel(region=damaged).values  # noqa: B018
    assert any(source in str(caught.value) for source in sources)
    for part in ("unit 2", f"resume --store {finished} --redo 2"):
        assert part in str(caught.value)
    dataset["image"].isel(region=0).values  # noqa: B018 - the rest is readable
    jobs.resume(finished, redo=[2], client=client, progress=False)
    assert open_store(finished)["image"].isel(region=damaged).values.any()


@PROFILES
def test_a_damaged_table_is_refused(finished: Path, client: Client) -> None:
    (finished / "category" / "c" / "0").unlink()
    with pytest.raises(StoreError, match=r"category in the table .* a missing chunk; mend it: "):
        open_store(finished)
    jobs.resume(finished, client=client, progress=False)
    assert open_store(finished).sizes["region"] == ITEMS


@pytest.fixture
def bucket(stores: Path) -> Iterator[str]:
    """The remote store, in memory in place of a bucket."""
    fs = fsspec.filesystem("memory")
    fs.put(str(stores / "remote"), "/bucket/a.zarr", recursive=True)
    yield "memory://bucket/a.zarr"
    fs.rm("/bucket", recursive=True)


def test_a_url_is_read_as_a_folder_is(bucket: str, stores: Path) -> None:
    there, here = open_store(bucket), open_store(stores / "remote")
    xr.testing.assert_identical(there.load(), here.load())
    assert str(ITEMS) in str(summary(bucket))


def test_damage_at_a_url(bucket: str) -> None:
    fs = fsspec.filesystem("memory")
    content = bytearray(fs.cat("/bucket/a.zarr/mask/c/1/0/0"))
    content[20] ^= 1
    fs.pipe("/bucket/a.zarr/mask/c/1/0/0", bytes(content))
    with pytest.raises(StoreError, match=r"unit 1, from train2017.*copy it again .*--redo 1"):
        open_store(bucket)["mask"].load()


def test_nothing_at_a_url() -> None:
    with pytest.raises(StoreError, match="found nothing"):
        open_store("memory://nowhere/a.zarr")


@PROFILES
def test_a_summary_counts(finished: Path) -> None:
    found = summary(finished)
    assert found.items == ITEMS
    assert sum(found.splits.values()) == sum(found.categories.values()) == ITEMS
    text = str(found)
    attributes = found.attributes
    shown = (f"profile {attributes['profile']}", attributes["fingerprint"], attributes["digest"])
    for part in (*shown, "complete", "regions of COCO", f"{ITEMS}×28×28×3 uint8"):
        assert part in text
    assert "<table>" in found._repr_html_()


def test_a_summary_of_scenes_counts_objects(coco: Path, client: Client, tmp_path: Path) -> None:
    store = tmp_path / "scenes.zarr"
    jobs.run("coco", coco, store, product="scenes", client=client, progress=False)
    assert sum(summary(store).categories.values()) == ITEMS


def test_a_summary_of_features_of_scenes_counts_no_objects(coco: Path, tmp_path: Path) -> None:
    """Their table has no categories, although the dataset does."""
    made = prepare("coco", coco, product="scenes", unit=100)
    values = tuple(each for each in made.plan.schema.values if each.name != "category")
    plan = replace(made.plan, schema=replace(made.plan.schema, values=values))
    store = tmp_path / "a.zarr"
    jobs.begin(replace(made, plan=plan), store)
    write_unit(0, str(store), plan.fingerprint, plan.root)
    layout.finish(plan, store, "digest")
    assert summary(store).categories == {}


def test_a_summary_of_an_unfinished_store(coco: Path, tmp_path: Path) -> None:
    layout.create(jobs.plan("coco", coco), tmp_path / "new.zarr")
    assert "unfinished" in str(summary(tmp_path / "new.zarr"))
