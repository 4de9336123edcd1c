"""A training in each of its places: it begins, obeys, fails and ends there as it does here."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from distributed import Client, LocalCluster

import workbench
from pipelines.errors import PipelineError
from workbench.errors import WorkbenchError
from workbench.experiments import train_deep_ncuts
from workbench.launch.job import Job
from workbench.launch.train import Training, train
from workbench.models import ArchitectureConfig
from workbench.models.regions import RegionArchitecture
from workbench.runs import Control, Run, Status
from workbench.training.checkpoints import load_checkpoint
from workbench.training.regions.config import RegionConfig
from workbench.training.scenes.config import DeepNCutsConfig

LIMIT = 120.0
PLACES = ["thread", "process", "Dask"]


@pytest.fixture(scope="module")
def config(sample_store: Path) -> DeepNCutsConfig:
    return DeepNCutsConfig(
        store=str(sample_store),
        architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
        learning_rate=3e-3,
        head_multiplier=1.0,
        passes=2,
        holdout=2,
        device="cpu",
    )


@pytest.fixture(scope="module")
def here(config: DeepNCutsConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Outcome of the training in this process and this thread."""
    path = tmp_path_factory.mktemp("launch") / "here"
    return train_deep_ncuts(config, path, progress=False)


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=None, resources={"GPU": 1}
    ) as found:
        yield found


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Any]:
    """What `where` says, and the resources with it."""
    if request.param != "Dask":
        yield {"where": request.param}
        return
    cluster = request.getfixturevalue("cluster")
    with Client(cluster, set_as_default=False) as client:
        yield {"where": client, "resources": {"GPU": 1}}


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = {thread.name for thread in threading.enumerate()}
    yield
    named = [t for t in threading.enumerate() if "training" in t.name and t.name not in before]
    for thread in named:
        thread.join(LIMIT)
    assert not [thread for thread in named if thread.is_alive()]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def weights(run: Run) -> list[torch.Tensor]:
    return list(load_checkpoint(run)["network"].values())


def same(one: Run, other: Run) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


def ended(training: Training) -> None:
    """For `finally`: whatever went wrong, nothing goes on."""
    if training.alive:
        training.stop()
        training.wait(LIMIT)


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_it_trains_as_it_does_here(
    place: dict[str, Any],
    config: DeepNCutsConfig,
    here: Run,
    tmp_path: Path,
    capfd: pytest.CaptureFixture,
) -> None:
    capfd.readouterr()
    training = train(config, tmp_path / "there", **place)
    try:
        run = training.run
        assert run.path == tmp_path / "there"
        assert training.wait(LIMIT).status is Status.FINISHED
    finally:
        ended(training)
    assert not training.alive
    assert training.error is None
    assert run.metrics().drop(columns="condition").equals(here.metrics().drop(columns="condition"))
    assert same(run, here)
    assert "finished at step 20" in repr(training)
    printed = capfd.readouterr()
    assert "training:" not in printed.out + printed.err  # no bar in whatever cell runs


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_it_is_stopped_and_resumed_exactly(
    place: dict[str, Any], config: DeepNCutsConfig, here: Run, tmp_path: Path
) -> None:
    first = train(config, tmp_path / "there", **place)
    try:
        run = first.run
        Control(run).pause()  # or a fast machine would be through with it
        until(lambda: bool(run.events("control")))
        first.stop()
        assert first.wait(LIMIT).status is Status.INTERRUPTED
        stopped = run.step
        assert stopped < 20
        assert load_checkpoint(run)["step"] == stopped
        second = train(config, tmp_path / "there", resume=True, **place)
        assert second.wait(LIMIT).status is Status.FINISHED
    finally:
        ended(first)
    assert same(run, here)
    with pytest.raises(WorkbenchError, match="one that is finished"):
        second.stop()


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_what_is_wrong_before_there_is_a_run_is_raised_by_the_handle(
    place: dict[str, Any], config: DeepNCutsConfig, tmp_path: Path
) -> None:
    training = train(replace(config, store=str(tmp_path / "none")), tmp_path / "run", **place)
    with pytest.raises(PipelineError, match="a store"):
        _ = training.run
    with pytest.raises(PipelineError):
        training.wait(LIMIT)
    assert "failed" in repr(training)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_what_goes_wrong_later_is_on_record_and_raised(
    place: dict[str, Any], config: DeepNCutsConfig, tmp_path: Path
) -> None:
    training = train(replace(config, learning_rate=1e30, clip=1e30), tmp_path / "run", **place)
    with pytest.raises(WorkbenchError, match="finite features") as raised:
        training.wait(LIMIT)
    assert training.run.status is Status.FAILED
    (event,) = training.run.events("failed")
    assert event.fields["error"].startswith(type(raised.value).__name__)


def test_an_existing_run_is_not_taken_for_the_new_one(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    old = train_deep_ncuts(replace(config, passes=1), tmp_path / "run", progress=False)
    started = old.events("started")[0].time
    with pytest.raises(WorkbenchError, match=r"no run at .* yet"):
        _ = train(config, tmp_path / "run", where="thread").run
    training = train(config, tmp_path / "run", where="thread", overwrite=True)
    assert training.run.events("started")[0].time > started
    assert training.wait(LIMIT).step == 20


def test_a_run_that_goes_on_is_not_overwritten(config: DeepNCutsConfig, tmp_path: Path) -> None:
    config = replace(config, passes=50)
    first = train(config, tmp_path / "run", where="process")
    try:
        step = first.run.step
        with pytest.raises(WorkbenchError, match="stop it first"):
            train(config, tmp_path / "run", where="thread", overwrite=True).wait(LIMIT)
        until(lambda: first.run.step > step)
    finally:
        ended(first)


def test_waiting_leaves_the_loop_to_others(config: DeepNCutsConfig, tmp_path: Path) -> None:
    async def others(training: Training) -> tuple[Run, int]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        task = asyncio.create_task(turn())
        run = await training
        task.cancel()
        return run, turns

    training = train(replace(config, passes=1), tmp_path / "run", where="thread")
    run, turns = asyncio.run(others(training))
    assert run.status is Status.FINISHED
    assert turns > 3
    with pytest.raises(PipelineError):
        asyncio.run(others(train(replace(config, store="none"), tmp_path / "b", where="thread")))


def test_a_process_outlives_who_started_it_and_leaves_no_zombie(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    starter = tmp_path / "starter.py"
    starter.write_text(
        textwrap.dedent(
            f"""
            import os, signal, workbench
            from workbench.training.scenes.config import DeepNCutsConfig
            config = DeepNCutsConfig.from_dict({replace(config, passes=50).to_dict()!r})
            training = workbench.train(config, {str(tmp_path / "run")!r}, where="process")
            print(training.run.path, flush=True)
            os.killpg(0, signal.SIGKILL)  # as Jupyter ends a kernel that does not go by itself
            """
        )
    )
    done = subprocess.run(
        [sys.executable, starter], start_new_session=True, timeout=LIMIT, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = Run.open(tmp_path / "run")
    pid = run.events("started")[0].fields["process"]["pid"]
    try:
        before = run.step
        until(lambda: run.step > before)
        assert run.status is Status.RUNNING
        Control(run.path).stop()
        until(lambda: run.status is Status.INTERRUPTED)
    finally:
        if psutil.pid_exists(pid):
            psutil.Process(pid).kill()
    assert (run.path / "output.txt").is_file()


def test_a_process_that_is_killed_says_where_to_read(
    config: DeepNCutsConfig, tmp_path: Path
) -> None:
    training = train(replace(config, passes=50), tmp_path / "run", where="process")
    pid = training.run.events("started")[0].fields["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkbenchError, match=r"exit status -9; read .*output.txt"):
        training.wait(LIMIT)
    assert training.run.status is Status.INTERRUPTED
    until(lambda: not psutil.pid_exists(pid))


def test_a_job_that_was_begun_is_not_begun_again(config: DeepNCutsConfig, tmp_path: Path) -> None:
    """As Dask would, when the worker that trains is lost."""
    job = Job.of(replace(config, passes=1), tmp_path / "run", resume=False, overwrite=True)
    assert Job.from_json(job.to_json()).to_json() == job.to_json()
    job.work()
    with pytest.raises(WorkbenchError, match=r"one that its worker has lost; .*resume=True"):
        job.work()


def test_a_region_classifier_trains_there_too(sample_regions: Path, tmp_path: Path) -> None:
    architecture = RegionArchitecture(backbone="tiny", tap="relu3", classes=14)
    config = RegionConfig(
        store=str(sample_regions), architecture=architecture, passes=1, batch=8, device="cpu"
    )
    run = train(config, tmp_path / "run", where="thread").wait(LIMIT)
    assert run.status is Status.FINISHED


def test_places_that_are_none_are_named(
    config: DeepNCutsConfig, cluster: LocalCluster, tmp_path: Path
) -> None:
    with pytest.raises(WorkbenchError, match='a Dask scheduler, or "thread"'):
        train(config, tmp_path / "run", where="nowhere://")
    with pytest.raises(WorkbenchError, match="resources of a Dask worker"):
        train(config, tmp_path / "run", where="thread", resources={"GPU": 1})
    with pytest.raises(WorkbenchError, match=r"a Dask worker with .*'TPU': 1.*--resources"):
        train(config, tmp_path / "run", where=cluster.scheduler_address, resources={"TPU": 1})
    with pytest.raises(WorkbenchError, match="one process a training"):
        train(replace(config, batch=2, processes=2), tmp_path / "run", where="tcp://x:1")
    assert not (tmp_path / "run").exists()


def test_importing_workbench_loads_nothing_heavy() -> None:
    code = (
        "import sys, workbench; heavy = {'torch', 'distributed', 'holoviews', 'ipywidgets'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    assert {"train", "Control", "Run"} <= set(workbench.__all__)
