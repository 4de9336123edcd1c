"""Readers of single items: what they give is what was written, or an error that names the unit."""

import multiprocessing
import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store import ItemArray, StoreError, open_items, open_store, valid_slots
from pipelines.store.mapped import Mapped
from pipelines.store.sharded import Sharded
from tests.data.stores import write_arrays, write_items, write_regions

COUNT, UNIT = 21, 4
PROFILES = ("local", "remote")
both = pytest.mark.parametrize("profile", PROFILES)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same regions in both profiles; not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    for profile in PROFILES:
        write_regions(folder / profile, COUNT, unit=UNIT, profile=profile, invalid=[5])
    return {profile: folder / profile for profile in PROFILES}


@pytest.fixture
def images(tmp_path: Path) -> np.ndarray:
    """What the stores hold, written once more."""
    return write_regions(tmp_path / "again", COUNT, unit=UNIT, invalid=[5])[0]


@both
def test_items_come_in_the_order_of_their_slots(
    stores: dict[str, Path], images: np.ndarray, profile: str
) -> None:
    items = open_items(stores[profile], "image")
    assert isinstance(items._reader, {"local": Mapped, "remote": Sharded}[profile])
    assert items.shape == images.shape == (len(items), *images.shape[1:])
    assert items.item_bytes == images[0].nbytes

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.integers(0, COUNT - 1), max_size=12))
    def check(slots: list[int]) -> None:
        assert (items.gather(np.array(slots, np.int64)) == images[slots]).all()

    check()


@both
@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32"])
def test_items_of_any_type(tmp_path: Path, profile: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2000, (7, 3, 5)).astype(dtype)
    write_arrays(tmp_path / "store", {"feature": values}, unit=3, profile=profile)
    out = np.empty((2, 3, 5), dtype)
    items = open_items(tmp_path / "store", "feature")
    assert items.gather(np.array([6, 0]), out) is out
    assert (out == values[[6, 0]]).all()


def test_items_of_a_store_of_the_pipelines(sample_store: Path) -> None:
    slots = valid_slots(sample_store)
    dataset = open_store(sample_store)
    for name in ("image", "label"):
        items = open_items(sample_store, name)
        assert (items.gather(slots) == dataset[name].values).all()


def test_a_url_is_read_by_ranges(images: np.ndarray) -> None:
    url = "memory://arrays/store"
    write_arrays(url, {"image": images}, unit=UNIT, profile="remote")
    items = open_items(url, "image")
    assert (items.gather(np.array([20, 3, 3])) == images[[20, 3, 3]]).all()
    assert (valid_slots(url) == np.arange(COUNT)).all()


def test_files_cannot_be_mapped_from_a_url(images: np.ndarray) -> None:
    write_arrays("memory://arrays/local", {"image": images}, unit=UNIT, profile="local")
    with pytest.raises(StoreError, match="--profile remote"):
        open_items("memory://arrays/local", "image")


def test_other_layouts_and_names_are_refused(tmp_path: Path, images: np.ndarray) -> None:
    group = zarr.create_group(tmp_path / "store")
    write_items(group, "image", images, ("region", "y", "x", "channel"), UNIT, "neither")
    with pytest.raises(StoreError, match="profile local or remote"):
        open_items(tmp_path / "store", "image")
    with pytest.raises(StoreError, match="array mask"):
        open_items(tmp_path / "store", "mask")
    with pytest.raises(StoreError, match="array valid"):
        valid_slots(tmp_path / "nothing")


@both
def test_requests_that_make_no_sense(stores: dict[str, Path], profile: str) -> None:
    items = open_items(stores[profile], "mask")
    for slots in ([-1], [COUNT], [0, 99]):
        with pytest.raises(IndexError, match=f"0 to {COUNT - 1}"):
            items.gather(np.array(slots))
    for out in (
        np.empty((1, 24, 24), np.uint8),
        np.empty((2, 24, 24), np.int8),
        np.empty((24, 24, 2), np.uint8).transpose(2, 0, 1),
    ):
        with pytest.raises(ValueError, match="C-contiguous"):
            items.gather(np.array([0, 1]), out)


def remove(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip(position: int) -> Callable[[Path], None]:
    """Flips one bit of a byte: from the file's end if negative."""

    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[position] ^= 4
        file.write_bytes(content)

    return flip


@pytest.mark.parametrize(
    ("profile", "damage", "what"),
    [
        ("local", remove, "missing"),
        ("local", cut, "3456 bytes instead of 6912"),
        ("local", flip(100), "not those that were written"),
        ("remote", remove, "missing"),
        ("remote", cut, "checksum"),
        ("remote", lambda file: os.truncate(file, 9), "9 bytes instead of 68"),
        ("remote", flip(100), "its chunk does not agree with its checksum"),
        ("remote", flip(-30), "its shard's index does not agree with its checksum"),
    ],
)
def test_damage_names_unit_source_and_repair(
    tmp_path: Path, profile: str, damage: Callable[[Path], None], what: str
) -> None:
    store = tmp_path / "store"
    write_regions(store, COUNT, unit=UNIT, profile=profile)
    damage(store / "image" / "c" / "2" / "0" / "0" / "0")
    items = open_items(store, "image")
    items.gather(np.array([0, 7, 12]))
    with pytest.raises(StoreError, match=what) as error:
        items.gather(np.array([0, 8, 12]))
    assert "unit 2, from train/2.jpg" in str(error.value)
    assert f"python -m pipelines resume --store {store} --redo 2" in str(error.value)


def test_an_inner_chunk_that_is_missing_is_damage(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.uint8)[:, None] * np.ones(5, np.uint8)
    group = zarr.create_group(tmp_path / "store", attributes={"unit": 4})
    write_items(group, "image", values, ("region", "x"), 4, "remote")
    group["image"].with_config({"write_empty_chunks": False})[5] = 0  # zarr takes it away
    items = open_items(tmp_path / "store", "image")
    items.gather(np.array([4, 6, 7]))
    with pytest.raises(StoreError, match="missing in its shard"):
        items.gather(np.array([5]))


def test_what_cannot_be_reached_is_not_called_damaged(tmp_path: Path) -> None:
    write_regions(tmp_path / "store", COUNT, unit=UNIT, profile="remote")
    shard = tmp_path / "store" / "image" / "c" / "0" / "0" / "0" / "0"
    shard.unlink()
    shard.mkdir()
    with pytest.raises(StoreError, match=r"IsADirectoryError.*check access"):
        open_items(tmp_path / "store", "image").gather(np.array([0]))


@both
def test_an_item_is_compared_once(
    stores: dict[str, Path], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.store import items as module

    compared: list[int] = []
    digest = module.xxh3_64_intdigest

    def counting(item: np.ndarray) -> int:
        compared.append(int(item[0, 0, 0]))
        return digest(item)

    monkeypatch.setattr(module, "xxh3_64_intdigest", counting)
    items = open_items(stores[profile], "image")
    for slots in ([3, 1], [1, 2, 3], [2, 3]):
        items.gather(np.array(slots))
    assert compared == [3, 1, 2]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count is all


def test_an_array_larger_than_memory_is_announced_every_time(
    stores: dict[str, Path], images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[int] = []
    monkeypatch.setattr(Mapped, "_announce", lambda self, slot: announced.append(slot))
    monkeypatch.setattr("pipelines.store.mapped.memory_bytes", lambda: images.nbytes)
    items = open_items(stores["local"], "image")
    for _ in range(2):
        assert (items.gather(np.array([3, 9])) == images[[3, 9]]).all()
    assert announced == [3, 9, 3, 9]


def test_unmapped_items_that_are_cut_short_are_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.store.mapped.default_maps", lambda: 0)
    images, _ = write_regions(tmp_path / "store", COUNT, unit=UNIT)
    cut(tmp_path / "store" / "image" / "c" / "2" / "0" / "0" / "0")
    items = open_items(tmp_path / "store", "image")
    assert (items.gather(np.array([8, 9])) == images[8:10]).all()  # these are whole
    with pytest.raises(StoreError, match=r"ended after 0 of the item's 1728 bytes.*--redo 2"):
        items.gather(np.array([10]))


@both
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts in /proc")
def test_open_files_are_bounded(
    stores: dict[str, Path], images: np.ndarray, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.store.mapped.default_maps", lambda: 2)
    items = open_items(stores[profile], "image")
    before = descriptors()
    everything = np.arange(COUNT)
    for _ in range(2):  # six chunks: two are mapped, four are read
        assert (items.gather(everything) == images).all()
    assert descriptors() - before == {"local": 2, "remote": 0}[profile]
    del items
    assert descriptors() == before


def read(items: ItemArray, slots: list[int]) -> bytes:
    return items.gather(np.array(slots)).tobytes()


@both
def test_threads_share_a_reader(stores: dict[str, Path], images: np.ndarray, profile: str) -> None:
    items = open_items(stores[profile], "image")
    rng = np.random.default_rng(0)
    asked = [rng.integers(0, COUNT, 9).tolist() for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda slots: read(items, slots), asked))
    assert found == [images[slots].tobytes() for slots in asked]


@both
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_or_copy_a_reader(
    stores: dict[str, Path], images: np.ndarray, profile: str, method: str
) -> None:
    items = open_items(stores[profile], "image")
    items.gather(np.array([0, 20]))  # something is mapped before
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert pool.apply(read, (items, [20, 4])) == images[[20, 4]].tobytes()
        pool.close()
        pool.join()


@both
def test_a_pickle_is_small_and_reads_the_same(
    stores: dict[str, Path], images: np.ndarray, profile: str
) -> None:
    items = open_items(stores[profile], "image")
    items.gather(np.arange(COUNT))
    dumped = pickle.dumps(items)
    assert len(dumped) < 500
    assert (pickle.loads(dumped).gather(np.array([9])) == images[9]).all()
