"""Clusters: what is started ends, and what cannot work is refused in one sentence."""

import multiprocessing
from pathlib import Path

import pytest
from distributed import Client

from pipelines import cluster, jobs
from pipelines.errors import PipelineError


def test_a_local_cluster_ends_with_its_block() -> None:
    before = set(multiprocessing.active_children())
    with cluster.connect(workers=1, memory_limit="1GiB") as client:
        (worker,) = client.scheduler_info()["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (1, 2**30)
        assert client.dashboard_link.startswith("http://127.0.0.1:")
    assert set(multiprocessing.active_children()) == before


def test_a_scheduler_that_is_already_there(client: Client, root: Path, tmp_path: Path) -> None:
    address = client.scheduler_info()["address"]
    store = tmp_path / "store.zarr"
    assert jobs.run("bsds", root, store, scheduler=address, progress=False).scenes == 8
    assert client.submit(sum, [1, 2]).result() == 3, "it outlives the run"


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    with (
        pytest.raises(PipelineError, match=r"a Dask scheduler at tcp://127\.0\.0\.1:9, found no"),
        cluster.connect(scheduler="tcp://127.0.0.1:9"),
    ):
        pass


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"workers": 0}, "at least one worker"),
        ({"memory_limit": "much"}, "a memory limit such as 2GiB"),
    ],
)
def test_unusable_requests(request_: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message), cluster.connect(**request_):
        pass
