"""What the processes do that tests kill: modules of their own, for they are imported there."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import Nanny, Scheduler, Status, Worker

from pipelines import jobs, task
from pipelines.cluster import connect
from pipelines.ledger import Ledger
from tests.reliability.processes import family
from tests.reliability.steps import Trap, disarm, set_trap


def run(
    trap: Trap, whose: str, scheduler: str, dataset: str, root: str, store: str, more: Any
) -> None:
    """A run on a cluster that is there, whose client gets the signal of a trap.

    Args:
        trap: its victim is this process, whatever it says.
        whose: steps are counted, those of the "client" or of each of the "workers".
        scheduler: of the cluster.
        dataset, root, store, more: as `jobs.run` has them.

    If it survives, it leaves the number of its steps beside the folder.
    """
    trap = replace(trap, victim=os.getpid())
    with connect(scheduler=scheduler) as client:
        if whose == "client":
            set_trap(trap)
        else:
            client.run(set_trap, trap)
        jobs.run(dataset, root, store, client=client, **more)
    Path(f"{trap.folder}.steps").write_text(str(disarm()))


def write_unit(trap: Trap, index: int, store: str) -> None:
    """Write one unit, with a trap for this process."""
    plan = Ledger(store).plan()
    set_trap(trap)
    task.write_unit(index, store, plan.fingerprint, plan.root)


def begun(dask_worker: Nanny) -> bool:
    """Whether a nanny knows of a worker's process that lives."""
    return dask_worker.process is not None and dask_worker.process.status == Status.running


ENDED = {"memory", "error", "released", "forgotten"}


def busy(dask_worker: Worker) -> int:
    """Tasks that a worker is at or will be, also those that nobody wants any more."""
    return sum(each.state not in ENDED for each in dask_worker.state.tasks.values())


def waiting(dask_scheduler: Scheduler) -> int:
    """Tasks of which a scheduler has not heard the end."""
    return sum(each.state not in ENDED for each in dask_scheduler.tasks.values())


def main() -> None:
    """A run on a cluster of its own whose client is killed when a worker takes a step.

    Its argument is JSON: step, folder of the store, file for the ids of the processes that were
    started, arguments of `jobs.run`.
    """
    given = json.loads(sys.argv[1])
    with connect(workers=1) as client:
        client.run(set_trap, Trap(given["folder"], given["step"], victim=os.getpid()))
        Path(given["family"]).write_text(json.dumps([each.pid for each in family(os.getpid())]))
        jobs.run(*given["arguments"], client=client, **given["request"])


if __name__ == "__main__":
    main()
