"""The scheduler is killed: the run ends with one sentence, the workers by themselves."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from distributed import Client

from pipelines.cluster import connect
from pipelines.execute import SchedulerLost
from tests.reliability.cases import Whole
from tests.reliability.processes import PATIENCE, dask, eventually, family, gone
from tests.reliability.steps import Trap, set_trap

PRIVATE = ("--host", "127.0.0.1", "--no-dashboard")


def address_in(file: Path) -> str | None:
    """What a scheduler wrote there; None before it has written all of it."""
    with suppress(FileNotFoundError, json.JSONDecodeError):
        return str(json.loads(file.read_text())["address"])
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """`dask scheduler` and two of `dask worker`: the address, the scheduler's id, the workers'."""
    file = str(folder / "scheduler.json")
    with ExitStack() as stack:
        start = ("scheduler", *PRIVATE, "--port", "0", "--scheduler-file", file)
        scheduler = stack.enter_context(dask(*start, log=folder / "scheduler.log"))
        start = ("worker", *PRIVATE, "--scheduler-file", file, "--nthreads", "1")
        local = ("--local-directory", str(folder), "--death-timeout", str(PATIENCE / 2))
        workers = [
            stack.enter_context(dask(*start, *local, log=folder / f"worker-{number}.log"))
            for number in range(2)
        ]
        eventually("the scheduler is there", lambda: address_in(Path(file)) is not None)
        yield str(address_in(Path(file))), [scheduler.pid, *(worker.pid for worker in workers)]


@pytest.mark.parametrize(("dataset", "profile"), [("coco", "local"), ("bsds", "remote")])
def test_a_run_that_loses_its_scheduler(
    whole: Whole,
    client: Client,
    tmp_path: Path,
    dataset: str,
    profile: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    case = whole(dataset, profile)
    folder = tmp_path / "store"
    folder.mkdir()
    step = case.chance(0).randrange(case.worker_steps // 2)
    with cluster(tmp_path) as (address, (scheduler, *workers)):
        found = rf"the Dask scheduler at {address} .* found it gone; \d of {case.units} units are"
        with connect(scheduler=address) as lost:
            lost.wait_for_workers(2, timeout=PATIENCE)
            lost.run(set_trap, Trap(str(folder), step, victim=scheduler))
            left = [each for pid in (scheduler, *workers) for each in family(pid)]
            with pytest.raises(SchedulerLost, match=found):
                case.run(folder, lost)
        eventually("scheduler and workers end", lambda: gone(left))
    assert "Traceback" not in capfd.readouterr().err
    case.finish(folder, client)
