"""Small images of a store: tensors, splits, parts for retrieval, batches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.jobs import run
from pipelines.sources.sample import write_sample
from pipelines.store import open_store
from workbench.data import Images, Loader, Regions
from workbench.errors import WorkbenchError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_sample(folder / "raw", train=50, test=20, layout="cifar10")
    asked = {"features": "gist", "unit": 16, "workers": 1, "progress": False}
    return run("cifar10", folder / "raw", folder / "a.zarr", **asked).store


@pytest.fixture(scope="module")
def images(store: Path) -> Images:
    return Images.open(store)


def test_tensors_are_those_of_the_store(store: Path, images: Images) -> None:
    dataset = open_store(store)
    assert images.taps == ("gist",)
    assert (len(images), len(images.train), len(images.test)) == (70, 50, 20)
    chosen = images.select(np.array([31, 3, 66]))
    for found, expected in [
        (chosen.pixels().permute(0, 2, 3, 1), dataset["image"]),
        (chosen.vectors().reshape(3, 24, 4, 4), dataset["gist"].astype("float32")),
        (chosen.labels, dataset["category"]),
    ]:
        np.testing.assert_array_equal(found.numpy(), expected.values[[31, 3, 66]])
    assert chosen[2].category == images.names[66 % 10]
    assert (chosen[2].pixels == dataset["image"].values[66]).all()
    assert "70 images, 10 categories, train/test splits, gist features" in repr(images)
    assert images._repr_html_().count("<figure") == 20


def test_parts_are_balanced_disjoint_and_seeded(images: Images) -> None:
    parts = images.parts(queries=2, labelled=3, seed=1)
    assert set(parts.queries.counts()) == {2}
    assert set(parts.labelled.counts()) == {3}
    together = np.concatenate([parts.queries.slots, parts.database.slots])
    assert sorted(together) == list(range(70))
    assert set(parts.labelled.slots) <= set(parts.database.slots)
    again = images.parts(queries=2, labelled=3, seed=1)
    assert again.labelled.identity == parts.labelled.identity
    assert images.parts(queries=2, labelled=3, seed=2).queries.identity != parts.queries.identity


def test_batches_of_an_epoch(images: Images) -> None:
    loader = Loader(images, 16, seed=3)
    batches = list(loader)
    indices = np.concatenate([batch.indices for batch in batches])
    assert sorted(indices) == list(range(70))
    assert (indices != np.sort(indices)).any()
    found = torch.cat([batch.images for batch in batches])
    torch.testing.assert_close(found, images.select(indices).pixels())
    assert torch.cat([batch.categories for batch in batches]).tolist() == (indices % 10).tolist()
    assert batches[0].masks is None
    assert "images=70" in repr(loader)


def test_what_is_not_there(store: Path, images: Images, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a split out of train, test, found 'val'"):
        images.split("val")
    with pytest.raises(WorkbenchError, match=r"features out of gist in .*, found 'relu5'"):
        images.vectors("relu5")
    with pytest.raises(WorkbenchError, match=r"at least 100 \+ 200 images of each category, .* 7"):
        images.parts()
    with pytest.raises(WorkbenchError, match="a store of regions"):
        Regions.open(store)
    write_sample(tmp_path / "raw", train=2, test=1, size=(36, 48))
    scenes = run("bsds", tmp_path / "raw", tmp_path / "s.zarr", workers=1, progress=False).store
    with pytest.raises(WorkbenchError, match=r"a store of small images in .*, found one with the"):
        Images.open(scenes)
