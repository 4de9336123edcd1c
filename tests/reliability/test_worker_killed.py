"""A worker is killed: another one does its unit again, and a mark always means a whole unit."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, Scheduler, Worker, WorkerPlugin

from pipelines import jobs
from pipelines.datasets import prepare
from pipelines.execute import UnitError
from pipelines.ledger import Ledger
from pipelines.store import layout
from tests.reliability import victims
from tests.reliability.cases import STORE, Case, Whole, files_in
from tests.reliability.processes import PATIENCE, ended, fork
from tests.reliability.steps import Trap, set_trap


@pytest.mark.parametrize("seed", range(2))
def test_a_run_goes_on_without_it(case: Case, client: Client, tmp_path: Path, seed: int) -> None:
    """Both workers die at a step, the one that gets there: new ones take their places."""
    step = case.chance(seed).randrange(case.worker_steps // 2)
    before = set(client.run(set_trap, Trap(str(tmp_path), step)).values())
    found = case.run(tmp_path, client)
    client.wait_for_workers(len(before), timeout=PATIENCE)
    assert not before <= set(client.run(os.getpid).values()), "none was killed"
    assert (found.done, found.skipped) == (case.units, 0)
    case.is_whole(tmp_path, found.digest)


class Deadly(WorkerPlugin):
    """Kills every worker, also those that come for the dead, at a step."""

    name = "deadly"

    def __init__(self, trap: Trap) -> None:
        self.trap = trap

    def setup(self, worker: Worker) -> None:
        set_trap(self.trap)


def allow_failures(count: int, dask_scheduler: Scheduler) -> None:
    dask_scheduler.allowed_failures = count


@contextmanager
def deadly(client: Client, trap: Trap) -> Iterator[None]:
    """Workers of a cluster that gives a task up after one death."""
    client.run_on_scheduler(allow_failures, 0)
    client.register_plugin(Deadly(trap))
    try:
        yield
    finally:
        client.unregister_worker_plugin("deadly")
        client.run_on_scheduler(allow_failures, 3)


def test_a_unit_that_kills_every_worker_is_given_up(
    whole: Whole, client: Client, tmp_path: Path
) -> None:
    case = whole("coco", "local")
    step = case.worker_steps // case.units // 2
    died = r"the first unit \d: its worker died again and again .* python -m pipelines resume"
    with deadly(client, Trap(str(tmp_path), step)), pytest.raises(UnitError, match=died):
        case.run(tmp_path, client)
    client.wait_for_workers(2, timeout=PATIENCE)
    assert len(Ledger(tmp_path / STORE).done()) < case.units
    case.finish(tmp_path, client)


def test_killed_at_every_step_of_a_unit(case: Case, client: Client, tmp_path: Path) -> None:
    """Before a file, within it, between data and mark: a unit is marked only if it is whole."""
    request: dict[str, Any] = {**case.request}
    del request["progress"]
    made = prepare(case.dataset, case.root, **request)
    store = tmp_path / STORE
    jobs.begin(made, store)
    data = {name: content for name, content in case.files.items() if "/c/1/" in name}
    mark = f"{STORE}.ledger/unit-00001.json"
    step = 0
    while (code := ended(fork(victims.write_unit, Trap(str(tmp_path), step), 1, str(store)))) != 0:
        assert code == -signal.SIGKILL
        found = files_in(tmp_path)
        if mark in found:
            assert found[mark] == case.files[mark]
            assert {name: found[name] for name in data} == data
            (tmp_path / mark).unlink()
        step += 1
    assert step > 2 * len(made.plan.schema.pixels)
    layout.sweep(made.plan, store)
    case.finish(tmp_path, client)
