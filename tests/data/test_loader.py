"""Batches: what they hold, resuming anywhere, the device, and nothing left behind."""

import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store import StoreError
from tests.data.stores import write_regions
from workbench.data import Augmentation, Batch, Loader, Normalisation, Regions
from workbench.errors import WorkbenchError

COUNT = 50
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("loader") / "store"
    write_regions(path, COUNT, size=12, invalid=[4])
    return path


@pytest.fixture(scope="module")
def regions(store: Path) -> Regions:
    return Regions.open(store)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def same(one: Batch, other: Batch) -> bool:
    """Whether all of two batches is equal, bit for bit."""
    pairs = zip(one.tensors, other.tensors, strict=True)
    return (
        all(torch.equal(a, b) for a, b in pairs)
        and (one.indices == other.indices).all()
        and (one.positions == other.positions).all()
    )


def test_a_batch_holds_its_regions(regions: Regions) -> None:
    for batch in Loader(regions, 8):
        images = batch.images.permute(0, 2, 3, 1).numpy()
        for row, index in enumerate(batch.indices):
            region = regions[int(index)]
            assert (images[row] == region.pixels).all()
            assert batch.masks is not None
            assert (batch.masks[row].numpy() == region.mask).all()
            assert regions.names[int(batch.categories[row])] == region.category
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.images.dtype == torch.uint8
        assert len(batch) == len(images)


def test_an_epoch_sees_every_region_once_and_the_next_in_another_order(regions: Regions) -> None:
    loader = Loader(regions, 8, seed=2)
    epochs = [np.concatenate([batch.indices for batch in loader]) for _ in range(3)]
    assert all(sorted(each) == list(range(49)) for each in epochs)
    assert (epochs[0] != epochs[1]).any()
    assert loader.epoch == 3
    assert (np.concatenate([b.indices for b in Loader(regions, 8, seed=2)]) == epochs[0]).all()


def test_ranks_share_an_epoch(regions: Regions) -> None:
    loaders = [Loader(regions, 5, rank=rank, world_size=3) for rank in range(3)]
    batches = [batch for loader in loaders for batch in loader]
    fresh = [b.indices[b.positions < len(regions)] for b in batches]
    assert sorted(np.concatenate(fresh)) == list(range(49))
    assert len({len(loader) for loader in loaders}) == 1


def test_resuming_anywhere_with_any_workers_is_the_uninterrupted_run(regions: Regions) -> None:
    options = {"seed": 7, "augment": Augmentation(0.5, 3), "normalise": Normalisation()}

    def book(**others: int) -> Loader:
        return Loader(regions, 8, **options, **others)

    loader = book(prefetch=0)
    whole = [batch for _ in range(3) for batch in loader]

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 20), st.integers(1, 4), st.integers(0, 5), st.integers(1, 3))
    def check(stop: int, workers: int, prefetch: int, others: int) -> None:
        first = book(workers=workers, prefetch=prefetch)
        seen: list[Batch] = []
        while len(seen) < stop:
            for batch in first:
                seen.append(batch)
                if len(seen) == stop:
                    break
        second = book(workers=others)
        second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
        while len(seen) < len(whole):
            seen.extend(second)
        assert all(same(*pair) for pair in zip(seen, whole, strict=True))

    check()


def test_a_loop_that_was_left_is_continued_by_the_next(regions: Regions) -> None:
    loader = Loader(regions, 8)
    first = next(iter(loader))
    rest = list(loader)
    assert len(rest) == len(loader) - 1
    assert same(first, loader.batch(0, 0))
    assert same(rest[-1], loader.batch(0, 6))
    assert (loader.epoch, loader.state_dict()["batches"]) == (1, 0)


def test_any_page_can_be_looked_at_without_turning_it(regions: Regions) -> None:
    loader = Loader(regions, 8, augment=Augmentation())
    looked_at = loader.batch(2, 3)
    assert loader.state_dict()["epoch"] == 0
    epochs = [list(loader) for _ in range(3)]
    assert same(epochs[2][3], looked_at)
    with pytest.raises(IndexError, match="0 to 6"):
        loader.batch(0, 7)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"batch_size": 9}, {"shuffle": False}, {"world_size": 2}]
)
def test_a_state_of_another_order_is_refused(regions: Regions, change: dict[str, int]) -> None:
    name = next(iter(change))
    state = Loader(regions, **{"batch_size": 8, **change}).state_dict()
    with pytest.raises(WorkbenchError, match=f"with {name}="):
        Loader(regions, 8).load_state_dict(state)


def test_a_state_over_other_regions_is_refused(regions: Regions) -> None:
    state = Loader(regions.select(slice(0, 48)), 8).state_dict()
    with pytest.raises(WorkbenchError, match="with dataset="):
        Loader(regions, 8).load_state_dict(state)


def test_two_iterations_at_a_time_are_refused(regions: Regions) -> None:
    loader = Loader(regions, 8)
    first, second = iter(loader), iter(loader)
    next(first)
    next(second)  # it begins where the first stands
    with pytest.raises(WorkbenchError, match="one iteration"):
        next(first)
    second.close()


@pytest.mark.parametrize("arguments", [{"workers": 0}, {"prefetch": -1}])
def test_loaders_that_make_no_sense(regions: Regions, arguments: dict[str, int]) -> None:
    with pytest.raises(WorkbenchError, match="workers from 1"):
        Loader(regions, 8, **arguments)


def test_batches_are_the_callers_to_keep_and_to_change(regions: Regions) -> None:
    """Memory is used again, but not under anybody's eyes."""
    loader = Loader(regions, 4, workers=3, prefetch=4)
    kept = list(loader)
    for index, batch in enumerate(kept):
        assert same(batch, loader.batch(0, index))
        batch.images.zero_()
    assert all(loader.batch(0, index).images.any() for index in range(len(loader)))


def test_damage_reaches_the_caller_and_ends_the_threads(tmp_path: Path) -> None:
    write_regions(tmp_path / "store", COUNT, unit=8, size=12)
    (tmp_path / "store" / "mask" / "c" / "3" / "0" / "0").unlink()
    loader = Loader(Regions.open(tmp_path / "store"), 8, shuffle=False, workers=3)
    batches = iter(loader)
    for index in range(3):
        assert same(next(batches), loader.batch(0, index))
    with pytest.raises(StoreError, match=r"unit 3, from train/8\.jpg.*--redo 3"):
        next(batches)
    assert loader.state_dict()["batches"] == 3  # those before the damage were delivered


def test_an_abandoned_loop_leaves_no_thread(regions: Regions) -> None:
    for _ in Loader(regions, 4, workers=3, prefetch=5):
        assert any("workbench-data" in thread.name for thread in threading.enumerate())
        break  # what stays is checked after every test


def batches_of(loader: Loader) -> list[bytes]:
    return [batch.images.numpy().tobytes() for batch in loader]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loaders_travel_between_processes(regions: Regions, method: str) -> None:
    loader = Loader(regions, 8, augment=Augmentation(0.5, 2))
    next(iter(loader))  # threads and buffers were used before
    dumped = pickle.dumps(loader)
    with multiprocessing.get_context(method).Pool(1) as pool:
        found = pool.apply(batches_of, (loader,))
        pool.close()
        pool.join()
    assert found == batches_of(loader)
    assert len(dumped) < 20_000


def test_pages_show_the_next_batch(regions: Regions) -> None:
    loader = Loader(regions, 8, augment=Augmentation(0.5, 2), normalise=Normalisation())
    page = loader._repr_html_()
    assert page.count("<img") == 8
    assert "7 of 8 an epoch" in page
    assert "next=epoch 0, batch 0" in repr(loader)


@needs_cuda
@pytest.mark.cuda
def test_batches_on_cuda_are_those_on_the_host(regions: Regions) -> None:
    options = {"augment": Augmentation(0.5, 3), "normalise": Normalisation((0.5,) * 3, (0.2,) * 3)}
    host = Loader(regions, 8, **options)
    device = Loader(regions, 8, **options, device="cuda", workers=3)
    for _ in range(20):
        for one, other in zip(host, device, strict=True):
            assert other.images.is_cuda
            assert other.images.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(one.masks, other.masks.cpu())  # type: ignore[union-attr]
            assert torch.equal(one.categories, other.categories.cpu())
            torch.testing.assert_close(one.images, other.images.cpu(), rtol=1e-6, atol=1e-6)
