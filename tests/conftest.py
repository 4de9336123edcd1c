"""What all tests share: shapes checked at run time, seeds of their own, the real data."""

import os
import random
import shutil
import signal
import tempfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

# Before numpy: libraries read it once. Two processes of tests, and what they start, share two
# cores: a pool of threads in each would only wait for the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import torch
from jaxtyping import _import_hook, install_import_hook


def _exec_module(self: Any, module: ModuleType) -> None:
    """Import a module of ours with its checks, and what it imports as it is.

    jaxtyping's own looks for compiled files of its kind for all that is imported meanwhile: torch,
    pandas and the rest of site-packages are then compiled anew, a minute of every process.
    """
    kind = partial(_import_hook._optimized_cache_from_source, self._typechecker.get_hash())
    with patch("importlib._bootstrap_external.cache_from_source", kind):
        code = self.get_code(module.__name__)
    exec(code, module.__dict__)


_import_hook._JaxtypingLoader.exec_module = _exec_module
install_import_hook(["workbench", "pipelines"], "beartype.beartype")
# Where tests are begun in the background, shells have SIGINT ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # the matrices of tests are small: threads would only wait for each other
FREE = 2e9
"""Bytes on disk that the tests need; 1.3 GB at most lay there at once, on real data."""


def pytest_sessionstart() -> None:
    """A disk that fills up on the way would fail tests that have nothing to do with it."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < FREE:
        pytest.exit(
            f"expected {FREE / 1e9:.0f} GB free in {folder} for what tests write, "
            f"found {free / 1e9:.1f}; free some, or have TMPDIR name a folder with more",
            returncode=pytest.ExitCode.USAGE_ERROR,
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--shuffle SEED`: the order in which tests run must not matter."""
    parser.addoption(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="run files, and tests in each, in a random order",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files stay together, because what they share is made once for each."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        generator = random.Random(seed)
        place = {path: generator.random() for path in sorted({item.path for item in items})}
        generator.shuffle(items)
        items.sort(key=lambda item: place[item.path])


@pytest.fixture(autouse=True)
def _own_seed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test starts from a seed made of its name, and leaves torch's settings as they were."""
    seed = zlib.crc32(request.node.nodeid.encode())
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for libraries that use the global generator
    before = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    yield
    assert before == (torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads())


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with BSDS500/, coco2017/ and weights/, or a skip that says so."""
    root = os.environ.get("WORKBENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("WORKBENCH_DATA does not name a folder with the real data")
    return Path(root)


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of a dozen small synthetic scenes to train on and six held out."""
    from pipelines.jobs import run  # after the import hook
    from pipelines.sources.sample import write_sample

    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder / "raw", train=12, test=6, seed=1, size=(80, 112))
    run("bsds", folder / "raw", folder / "scenes.zarr", workers=1, progress=False)
    return folder / "scenes.zarr"


@pytest.fixture(scope="session")
def sample_regions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the objects in thirty-six small synthetic scenes."""
    from pipelines.jobs import run  # after the import hook
    from pipelines.sources.sample import write_sample

    folder = tmp_path_factory.mktemp("sample-regions")
    write_sample(folder / "raw", train=30, test=6, seed=1, size=(80, 112), layout="coco")
    run("coco", folder / "raw", folder / "regions.zarr", workers=1, progress=False,
        longest=56, size=64)  # fmt: skip
    return folder / "regions.zarr"
