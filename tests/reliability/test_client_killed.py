"""The client is killed: wherever that was, a resumed run ends as one that nobody disturbed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from pipelines import jobs
from pipelines.errors import PipelineError
from pipelines.ledger import Ledger
from tests.reliability.cases import STORE, Case, Whole, idle, marks_in
from tests.reliability.processes import PATIENCE, ended, eventually, gone
from tests.reliability.steps import Trap, disarm


def killed(
    case: Case, folder: Path, client: Client, step: int, whose: str = "client", **more: Any
) -> None:
    """A run whose client was killed at a step of its own or of a worker."""
    process = case.fork(folder, client, Trap(str(folder), step), whose, **more)
    assert ended(process) == -signal.SIGKILL
    client.run(disarm)


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_a_step_of_its_own(case: Case, client: Client, tmp_path: Path, seed: int) -> None:
    """While it lays the store out, or writes the table."""
    killed(case, tmp_path, client, case.chance(seed).randrange(case.client_steps))
    idle(client)
    case.finish(tmp_path, client)


@pytest.mark.parametrize("seed", range(2))
def test_killed_while_units_are_written(
    case: Case, client: Client, tmp_path: Path, seed: int
) -> None:
    # One of two workers takes half of the steps at least.
    step = case.chance(seed).randrange(case.worker_steps // 2)
    killed(case, tmp_path, client, step, "workers")
    idle(client)
    case.finish(tmp_path, client)


def test_killed_while_features_are_computed(whole: Whole, client: Client, tmp_path: Path) -> None:
    """Images read in place from batch files, with GIST beside them."""
    case = whole("cifar10", "local")
    step = case.chance(0).randrange(case.worker_steps // 2)
    killed(case, tmp_path, client, step, "workers")
    idle(client)
    case.finish(tmp_path, client)


def test_tasks_that_outlive_their_client_disturb_nobody(
    case: Case, client: Client, tmp_path: Path
) -> None:
    """The run after it does not wait for them: both write, and the store is the same."""
    step = case.chance(2).randrange(case.worker_steps // 2)
    killed(case, tmp_path, client, step, "workers")
    digest = case.run(tmp_path, client).digest
    idle(client)
    case.is_whole(tmp_path, digest)


def test_killed_while_another_store_is_replaced(
    whole: Whole, client: Client, tmp_path: Path
) -> None:
    """Either store is there, whole, or none: never a part that its ledger takes for all."""
    case, other = whole("coco", "local"), whole("coco", "remote")
    chance = case.chance(0)
    for step in chance.sample(range(case.client_steps), 6):
        folder = tmp_path / str(step)
        folder.mkdir()
        other.run(folder, client)
        killed(case, folder, client, step, overwrite=True)
        idle(client)
        if (folder / STORE).exists() and Ledger(folder / STORE).plan().profile == other.profile:
            found = other.run(folder, client)
            assert found.done == 0
            other.is_whole(folder, found.digest)
        else:
            case.finish(folder, client)


@pytest.mark.parametrize(("dataset", "profile"), [("coco", "local"), ("bsds", "remote")])
def test_killed_with_a_cluster_of_its_own(
    whole: Whole, client: Client, tmp_path: Path, dataset: str, profile: str
) -> None:
    """As a user starts it: scheduler and workers end with it."""
    case = whole(dataset, profile)
    folder = tmp_path / "store"
    folder.mkdir()
    given = {
        "step": case.chance(0).randrange(case.worker_steps),
        "folder": str(folder),
        "family": str(tmp_path / "family"),
        "arguments": [dataset, str(case.root), str(folder / STORE)],
        "request": case.request,
    }
    command = [sys.executable, "-m", "tests.reliability.victims", json.dumps(given)]
    found = subprocess.run(command, timeout=PATIENCE, check=False)
    assert found.returncode == -signal.SIGKILL
    pids = json.loads((tmp_path / "family").read_text())
    assert len(pids) > 2, "itself, a worker and Python's tracker of resources"
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    eventually("its workers end", lambda: gone(left))
    case.finish(folder, client)


def test_two_runs_at_once_and_the_lock_of_the_dead(
    whole: Whole, client: Client, tmp_path: Path
) -> None:
    case = whole("coco", "local")
    # In the middle of the table, after the last unit.
    trap = Trap(str(tmp_path), case.client_steps - 9, signal=signal.SIGSTOP)
    process = case.fork(tmp_path, client, trap)
    first = psutil.Process(process.pid)
    eventually("the first run is stopped", lambda: first.status() == psutil.STATUS_STOPPED)
    before = marks_in(tmp_path)
    assert len(before) == case.units
    refused = rf"no other run on {STORE}, found process {first.pid} on \S+ writing it since"
    with pytest.raises(PipelineError, match=refused):
        case.run(tmp_path, client)
    with pytest.raises(PipelineError, match=refused):
        case.run(tmp_path, client, overwrite=True)
    with pytest.raises(PipelineError, match=refused):
        jobs.resume(tmp_path / STORE, client=client, progress=False)
    assert marks_in(tmp_path) == before
    first.kill()
    assert ended(process) == -signal.SIGKILL
    assert (tmp_path / f".{STORE}.lock").exists(), "it had no time to let go"
    case.finish(tmp_path, client)
