"""A cluster to kill parts of, the cases, and the proof that nothing is left behind."""

import os
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import psutil
import pytest
from distributed import Client

from pipelines.cluster import connect
from pipelines.ledger import Ledger
from pipelines.sources.sample import write_sample
from tests.reliability import victims
from tests.reliability.cases import STORE, Case, Whole, files_in, idle
from tests.reliability.processes import ended, eventually, fork
from tests.reliability.steps import Trap, disarm, set_trap

WORKERS = 2
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A cluster on this machine, whose scheduler other processes may use too."""
    ended(fork(os.getpid))  # from here on, what forks for us is there
    with connect(workers=WORKERS) as client:
        yield client


@pytest.fixture(scope="session")
def whole(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Runs a case once, by a client of its own, which nobody disturbs, and counts its steps."""

    @cache
    def raw(dataset: str) -> Path:
        root = tmp_path_factory.mktemp(dataset) / "raw"
        if dataset == "cifar10":
            write_sample(root, train=20, test=10, layout="cifar10")
            return root
        layout = {"coco": "coco", "bsds": "bsds500"}[dataset]
        write_sample(root, train=5, test=3, size=(36, 48), layout=layout)
        return root

    @cache
    def whole(dataset: str, profile: str) -> Case:
        folder = tmp_path_factory.mktemp("whole")
        store = folder / STORE
        trap = Trap(str(folder))
        client.run(set_trap, trap)
        case = Case(dataset, profile, raw(dataset), {}, "", 0, 0, 0)
        assert ended(case.fork(folder, client, trap)) == 0
        worker_steps = sum(client.run(disarm).values())
        found = case.run(folder, client)
        assert found.done == 0
        return Case(
            dataset,
            profile,
            case.root,
            files_in(folder),
            found.digest,
            len(Ledger(store).done()),
            int(Path(f"{folder}.steps").read_text()),
            worker_steps,
        )

    return whole


@pytest.fixture(params=[("bsds", "local"), ("coco", "remote")])
def case(request: pytest.FixtureRequest, whole: Whole) -> Case:
    """Both datasets and both profiles; recovery does not know which dataset it is."""
    return whole(*request.param)


@pytest.fixture(autouse=True)
def _nothing_is_left(client: Client, tmp_path: Path) -> Iterator[None]:
    """No process, no thread, no shared memory; and the cluster is as it was, for the next test.

    Temporary files: `Case.is_whole` knows all that may lie beside a store.
    """
    before = _alive(), _threads(), _forsaken()
    client.run(disarm)
    yield
    nannies = partial(client.run, victims.begun, nanny=True)
    eventually("the dead are replaced", lambda: list(nannies().values()) == [True] * WORKERS)
    client.run(disarm)
    idle(client)
    own = set(client.run(os.getpid).values())
    eventually("no process is left", lambda: _alive() - own <= before[0])
    eventually("no thread is left", lambda: _threads() <= before[1])
    eventually("no shared memory is left", lambda: _forsaken() <= before[2])


POOLS = re.compile(r"asyncio_\d+|Dask-Offload_\d+|zarr_io|tqdm_monitor")
"""Threads that libraries keep for as long as a process lives, a few."""


def _threads() -> Counter[str]:
    """How many there are of each name: a worker that dies is replaced, and so is its watchman."""
    names = (each.name for each in threading.enumerate())
    return Counter(name for name in names if not POOLS.fullmatch(name))


def _forsaken() -> set[str]:
    """Shared memory of ours that no living process has in its memory."""
    mapped: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # another user's, or it has ended
            mapped.update(re.findall(r"/dev/shm/\S+", maps.read_text()))
    with suppress(FileNotFoundError):  # another one's, and gone meanwhile
        ours = {str(path) for path in SHARED_MEMORY.iterdir() if path.stat().st_uid == os.getuid()}
        return ours - mapped
    return _forsaken()


def _alive() -> set[int]:
    """Processes that this one has started, and they, and that still run."""
    return {each.pid for each in psutil.Process().children(recursive=True) if each.is_running()}
