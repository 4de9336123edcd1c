"""The store gives back exactly what the raw files hold, and refuses what it cannot vouch for."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines import images, jobs, label_maps
from pipelines.datasets import prepare
from pipelines.execute import store_digest
from pipelines.ledger import Ledger
from pipelines.sources import bsds
from pipelines.store import StoreError, layout, open_store
from pipelines.task import write_unit


def write_in_this_process(root: Path, store: Path, unit: int) -> None:
    made = prepare("bsds", root, unit=unit)
    jobs.begin(made, store)
    for each in made.plan.units:
        write_unit(each.index, str(store), made.plan.fingerprint, made.plan.root)
    layout.finish(made.plan, store, store_digest(Ledger(store).marks()))


sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))
scenes = st.lists(st.tuples(sizes, st.integers(1, 4)), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(scenes=scenes, unit=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_whatever_the_sizes_the_store_gives_back_the_raw_scenes(
    scenes: list[tuple[tuple[int, int], int]], unit: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truths: list[list[np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder:
        root, store = Path(folder) / "raw", Path(folder) / "store.zarr"
        for kind in ("images", "groundTruth"):
            (root / kind / "train").mkdir(parents=True)
        for number, (shape, annotators) in enumerate(scenes):
            pixels = rng.integers(0, 256, (*shape, 3), np.uint8)
            Image.fromarray(pixels).save(root / "images" / "train" / f"{number}.jpg")
            # Each annotator has seen every pixel; 65535 is the largest label that there is.
            truths.append([rng.integers(1, 65536, shape).astype(np.uint16)] * annotators)
            content = label_maps.encode_mat(truths[-1], truths[-1])
            (root / "groundTruth" / "train" / f"{number}.mat").write_bytes(content)
        write_in_this_process(root, store, unit)

        dataset = open_store(store)
        assert dataset["id"].values.tolist() == [str(number) for number in range(len(scenes))]
        for number, truth in enumerate(truths):
            row = dataset.isel(scene=number)
            height, width, annotators = (
                int(row[name]) for name in ("height", "width", "annotators")
            )
            with Image.open(root / "images" / "train" / f"{number}.jpg") as image:
                np.testing.assert_array_equal(row["image"][:height, :width], np.array(image))
            np.testing.assert_array_equal(row["label"][:annotators, :height, :width], truth)
            assert row["image"].values.sum() == row["image"][:height, :width].values.sum()
            assert np.count_nonzero(row["label"]) == annotators * height * width


def test_plain_xarray_opens_it(store: Path, root: Path) -> None:
    dataset = xr.open_zarr(store)
    assert dict(dataset.sizes) == {"scene": 8, "annotator": 6, "y": 48, "x": 48, "channel": 3}
    assert dataset["image"].dims == ("scene", "y", "x", "channel")
    assert dataset["label"].dims == ("scene", "annotator", "y", "x")
    assert (dataset["image"].dtype, dataset["label"].dtype) == (np.uint8, np.uint16)
    assert dataset["split"].values.tolist() == ["train"] * 5 + ["test"] * 3
    assert dataset["valid"].values.all()
    assert dataset.attrs["splits"] == ["train", "test"]
    assert dataset.attrs["fingerprint"] == jobs.plan("bsds", root, unit=2).fingerprint


def test_provenance(store: Path, root: Path) -> None:
    dataset = open_store(store)
    for index, record in enumerate(bsds.discover(root).records):
        scene = bsds.read(record, root)
        row = dataset.isel(scene=index)
        assert row["image_source"].item() == record.image.path
        assert row["image_sha256"].item() == scene.image_sha256
        assert row["annotation_sources"].item() == record.annotations[0].path
        assert row["annotation_sha256"].item() == scene.annotation_sha256[0]


def test_every_annotation_file_has_its_line(samples: Path, tmp_path: Path) -> None:
    write_in_this_process(samples / "bsds300", tmp_path / "store.zarr", 8)
    row = open_store(tmp_path / "store.zarr").isel(scene=0)
    sources = row["annotation_sources"].item().split("\n")
    assert sources[0] == "human/color/1101/1000.seg"
    assert len(sources) == len(row["annotation_sha256"].item().split("\n")) == row["annotators"]


def test_a_black_image_has_its_chunk(root: Path, tmp_path: Path) -> None:
    with Image.open(root / "images" / "train" / "1000.jpg") as image:
        size = image.size
    Image.new("RGB", size).save(root / "images" / "train" / "1000.jpg")
    write_in_this_process(root, tmp_path / "store.zarr", 8)
    assert not open_store(tmp_path / "store.zarr")["image"][0].values.any()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"found nothing; write one: python -m pipelines run"):
        open_store(tmp_path / "nowhere")


def test_no_store(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(StoreError, match="found something else"):
        open_store(tmp_path)


def test_a_store_of_another_program(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "theirs", attributes={"kind": "weather"})
    with pytest.raises(StoreError, match="a zarr group of kind 'weather'"):
        open_store(tmp_path / "theirs")


def test_a_store_of_another_version(store: Path) -> None:
    zarr.open_group(store, mode="r+").attrs["schema_version"] = 99
    with pytest.raises(StoreError, match="version 99, built by another version; rebuild it"):
        open_store(store)


def test_an_unfinished_store(root: Path, tmp_path: Path) -> None:
    made = prepare("bsds", root, unit=2)
    store = tmp_path / "store.zarr"
    jobs.begin(made, store)
    write_unit(1, str(store), made.plan.fingerprint, made.plan.root)
    with pytest.raises(StoreError, match=r"1 of 4 units done; finish it: .* resume --store"):
        open_store(store)
    there = open_store(store, allow_incomplete=True)
    assert there["id"].values.tolist() == ["1002", "1003"]


@pytest.mark.parametrize("make", [lambda p: p.write_text("mine"), lambda p: p.mkdir()])
def test_nothing_but_a_store_is_overwritten(
    root: Path, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    place = tmp_path / "place"
    make(place)
    if place.is_dir():
        (place / "thesis.tex").write_text("mine")
    with pytest.raises(StoreError, match="a store to overwrite"):
        jobs.begin(prepare("bsds", root), place, overwrite=True)
    assert place.exists()


def test_the_html_repr_names_the_arrays(store: Path) -> None:
    assert "annotation_sha256" in open_store(store)._repr_html_()


def test_encoded_images_are_read_as_pil_reads_them() -> None:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    np.testing.assert_array_equal(images.decode_image(buffer.getvalue(), "a.png"), pixels)
