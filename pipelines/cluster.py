"""Where the tasks run: a cluster on this machine, or one that is already there."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from dask.system import CPU_COUNT
from dask.utils import parse_bytes
from distributed import Client, LocalCluster, Worker, WorkerPlugin

from pipelines.errors import PipelineError

CONNECT_SECONDS = 10


class IgnoreInterrupts(WorkerPlugin):
    """Leaves Ctrl-C, which a terminal sends to all processes, to the one that owns the cluster."""

    name = "ignore-interrupts"

    def setup(self, worker: Worker) -> None:
        """Called in each worker's process as it starts."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def connect(
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    memory_limit: str = "auto",
) -> Iterator[Client]:
    """A Dask client; what was started for it ends with the block.

    Args:
        workers: processes on this machine, one thread each; default: its cores.
        scheduler: address of a running scheduler (`tcp://host:8786`) to use instead. Its workers
            must see the dataset and the store under the same paths as this machine.
        memory_limit: of each local worker, as in "2GiB"; "auto" shares the machine's memory.

    Raises:
        PipelineError: the request makes no sense or the scheduler does not answer.
    """
    if scheduler is not None:
        with _remote(scheduler) as client:
            yield client
        return
    if workers is not None and workers < 1:
        raise PipelineError("at least one worker", f"{workers}", "raise --workers")
    cluster = LocalCluster(
        n_workers=workers or CPU_COUNT,
        threads_per_worker=1,
        memory_limit=_checked(memory_limit),
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.ERROR,
    )
    with cluster, Client(cluster) as client:
        client.register_plugin(IgnoreInterrupts())
        yield client


@contextmanager
def _remote(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise PipelineError(
            f"a Dask scheduler at {address}",
            f"no answer ({error})",
            "start one with `dask scheduler`, or leave --scheduler out for a local cluster",
        ) from error
    with client:
        yield client


def _checked(memory_limit: str) -> str:
    if memory_limit != "auto":
        try:
            parse_bytes(memory_limit)
        except ValueError:
            raise PipelineError(
                "a memory limit such as 2GiB", repr(memory_limit), "correct --memory-limit"
            ) from None
    return memory_limit
