"""A cluster of processes on this machine, which no other machine can reach."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Worker, WorkerPlugin

from pipelines.cluster.memory import keep_buffers
from pipelines.cluster.request import Request

NEVER = {"distributed.deploy.lost-worker-timeout": "365 days"}
"""Time after which a lost worker is given up: never, since its nanny replaces it. With the default,
fifteen seconds, a nanny is dismissed whose worker is dead again so long after its first death."""
SELDOM = {"distributed.worker.profile.interval": "100ms"}
"""Interval at which Dask samples what a worker is doing, for its dashboard. The default, ten times
as often, takes a twenty-fifth of a task's time."""


class IgnoreInterrupts(WorkerPlugin):
    """Plugin that ignores Ctrl-C in workers: it is handled by the process that owns the cluster."""

    name = "ignore-interrupts"

    def setup(self, worker: Worker) -> None:
        """Ignore the signal; called in each worker's process at its start."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def connected(request: Request) -> Iterator[Client]:
    """Client of workers of one process and thread each: tasks mostly hold Python's lock."""
    with dask.config.set(NEVER | SELDOM), keep_buffers():
        cluster = LocalCluster(
            n_workers=request.workers or CPU_COUNT,
            threads_per_worker=1,
            memory_limit=request.memory_limit,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
        with cluster, Client(cluster) as client:
            client.register_plugin(IgnoreInterrupts())
            yield client
