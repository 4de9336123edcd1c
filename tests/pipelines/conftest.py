"""One cluster of processes for all tests, small datasets of both layouts, and a store of one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from distributed import Client

from pipelines import jobs
from pipelines.cluster import connect
from pipelines.execute import Summary
from pipelines.sources.sample import write_sample

UNIT = 2
SMALL = {"unit": 8, "longest": 24, "size": 28}
"""Regions in eight units."""


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    with connect(workers=2) as client:
        yield client


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bsds500/ and bsds300/: the same five + three scenes; not to be changed."""
    folder = tmp_path_factory.mktemp("samples")
    for layout in ("bsds500", "bsds300"):
        write_sample(folder / layout, train=5, test=3, size=(36, 48), layout=layout)
    return folder


@pytest.fixture(scope="session")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight + four synthetic scenes in COCO's layout; not to be changed."""
    folder = tmp_path_factory.mktemp("objects") / "coco"
    write_sample(folder, train=8, test=4, size=(36, 48), layout="coco")
    return folder


@pytest.fixture
def coco_to_damage(coco: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(coco, tmp_path / "coco")


@pytest.fixture
def root(samples: Path, tmp_path: Path) -> Path:
    """A BSDS500 dataset to damage."""
    return shutil.copytree(samples / "bsds500", tmp_path / "raw")


Build = Callable[..., Summary]


@pytest.fixture
def build(client: Client, root: Path, tmp_path: Path) -> Build:
    """Runs the pipeline from `root` to `store`."""

    def build(**arguments: object) -> Summary:
        given = {"unit": UNIT, "client": client, "progress": False, **arguments}
        return jobs.run("bsds", root, tmp_path / "store.zarr", **given)

    return build


@pytest.fixture(scope="session")
def stores(
    samples: Path, coco: Path, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Finished stores, not to be changed: scenes/ of bsds500/, local/ and remote/ of coco/."""
    folder = tmp_path_factory.mktemp("stores")
    quiet = {"client": client, "progress": False}
    jobs.run("bsds", samples / "bsds500", folder / "scenes", unit=UNIT, **quiet)
    for profile in ("local", "remote"):
        jobs.run("coco", coco, folder / profile, profile=profile, **SMALL, **quiet)
    return folder


def copied(stores: Path, name: str, store: Path) -> Path:
    """A store with its ledger, to be changed."""
    shutil.copytree(stores / f"{name}.ledger", store.with_name(f"{store.name}.ledger"))
    return shutil.copytree(stores / name, store)


@pytest.fixture
def store(stores: Path, tmp_path: Path) -> Path:
    """A finished store of BSDS500's scenes."""
    return copied(stores, "scenes", tmp_path / "store.zarr")


@pytest.fixture
def finished(stores: Path, tmp_path: Path, profile: str) -> Path:
    """A finished store of COCO's regions in a profile."""
    return copied(stores, profile, tmp_path / "a.zarr")
