"""Workers are told to keep the buffers of images, wherever they run; the user's word goes first."""

import os

import dask
import pytest
import yaml

from pipelines.cluster import connect, render
from pipelines.cluster.memory import ALLOCATOR


def allocator() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ALLOCATOR}


def test_local_workers_have_it_and_the_configuration_stays() -> None:
    before = dask.config.get("distributed.nanny.pre-spawn-environ")
    with connect(workers=1) as client:
        assert list(client.run(allocator).values()) == [ALLOCATOR]
    assert dask.config.get("distributed.nanny.pre-spawn-environ") == before


def test_the_environment_of_the_user_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    with connect(workers=1) as client:
        (found,) = client.run(allocator).values()
    assert found == {**ALLOCATOR, "MALLOC_TRIM_THRESHOLD_": "4096"}


def test_job_scripts_export_it_after_the_configured_prologue() -> None:
    render(cluster="slurm", insecure=True)  # dask-jobqueue's configuration comes with its import
    with dask.config.set({"jobqueue.slurm.job-script-prologue": ["module load python"]}):
        script = render(cluster="slurm", insecure=True).splitlines()
    first = script.index("module load python")
    exports = [f"export {name}={value}" for name, value in ALLOCATOR.items()]
    assert script[first + 1 : first + 1 + len(exports)] == exports


def test_pods_have_it() -> None:
    texts = yaml.safe_load_all(render(cluster="kubernetes", image="image:1", workers=1))
    (cluster,) = (text for text in texts if text["kind"] == "DaskCluster")
    (container,) = cluster["spec"]["worker"]["spec"]["containers"]
    found = {each["name"]: each["value"] for each in container["env"]}
    assert found.items() >= ALLOCATOR.items()
