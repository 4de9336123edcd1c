"""Workers as jobs of SLURM, PBS or LSF, through dask-jobqueue; the scheduler runs in this process.

Scheduler and jobs speak TLS with credentials made for the run. Jobs read theirs from a folder of
their owner's (mode 700), removed at the end, on a file system that the nodes share. The dashboard
listens on this machine alone (`ssh -L` brings it home), the workers' own ones are off.

A job that waits in the queue does not stop the others: the tasks go to whatever has started. A job
whose walltime is over is replaced only under `--adapt`. Jobs whose scheduler was killed end by
themselves after a minute (`jobqueue.*.death-timeout`). Settings that have no option here are
dask-jobqueue's own: `jobqueue.slurm.*` of Dask's configuration (interpreter, prologue, log folder).
"""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Security, Status

from pipelines.cluster import memory, tls
from pipelines.cluster.optional import optional
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

CLASSES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
ACCOUNT = {"slurm": "account", "pbs": "account", "lsf": "project"}
"""Name that each batch system has for the account that a job is charged to."""


@contextmanager
def connected(request: Request) -> Iterator[Client]:
    """Hand in the jobs, and take back at the end those that are left.

    Raises:
        PipelineError: the batch system is not here or refuses the jobs.
    """
    command = _class(request).job_cls.submit_command
    if shutil.which(command) is None:
        raise PipelineError(
            f"the command {command} of {request.cluster}",
            "nothing of that name on PATH",
            "run this on a host that may hand in jobs",
        )
    with _prepared(request) as cluster, Client(cluster) as client:
        least, most = request.bounds
        _submit(cluster, least, request)
        if most > least:
            cluster.adapt(minimum_jobs=least, maximum_jobs=most)
        yield client


def script(request: Request) -> str:
    """The script of one job, as it would be handed in; credentials and address are the run's."""
    with _prepared(request) as cluster:
        return str(cluster.job_script())


@contextmanager
def _prepared(request: Request) -> Iterator[Any]:
    """A cluster without jobs."""
    with nullcontext() if request.insecure else _folder(request) as folder:
        security = tls.in_files(tls.temporary(), folder) if folder else None
        # The dashboard listens on this host's loopback: the scheduler's own address has none.
        link = {"distributed.dashboard.link": "{scheme}://127.0.0.1:{port}/status"}
        with dask.config.set(link), _class(request)(**_keywords(request, security)) as cluster:
            yield cluster


def _class(request: Request) -> Any:
    handler = signal.getsignal(signal.SIGINT)
    module = optional("dask_jobqueue", "dask-jobqueue", "cluster")
    # Its import (0.9.0, runner.py) has Ctrl-C end the process as if all were done, with status 0.
    if signal.getsignal(signal.SIGINT) is not handler:
        signal.signal(signal.SIGINT, handler)
    return getattr(module, CLASSES[request.cluster])


def _keywords(request: Request, security: Security | None) -> dict[str, Any]:
    settings = {
        "queue": request.queue,
        ACCOUNT[request.cluster]: request.account,
        "walltime": request.walltime,
        "interface": request.interface,
        "job_extra_directives": list(request.job_extra) or None,
    }
    return {name: value for name, value in settings.items() if value is not None} | {
        "cores": request.job_cores,
        "processes": request.job_processes,
        "memory": f"{request.job_memory} B",
        "worker_extra_args": ["--no-dashboard"],
        "job_script_prologue": memory.prologue(request.cluster),
        "scheduler_options": {"dashboard_address": "127.0.0.1:0"},
        "protocol": "tls://" if security else "tcp://",
        "security": security,
    }


@contextmanager
def _folder(request: Request) -> Iterator[Path]:
    """A folder for the credentials, which only their owner may open."""
    shared = Path(request.shared_folder).resolve() if request.shared_folder else Path.home()
    if any(character.isspace() for character in str(shared)):
        raise PipelineError(
            "a path without spaces for the credentials, as job scripts need it",
            repr(str(shared)),
            "name another --shared-folder",
        )
    try:
        folder = tempfile.mkdtemp(prefix=".dask-credentials-", dir=shared)
    except OSError as error:
        raise PipelineError(
            "a folder for credentials that the nodes share",
            f"{shared}: {error.strerror}",
            "name another --shared-folder",
        ) from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def _submit(cluster: Any, jobs: int, request: Request) -> None:
    """Hand in jobs and wait until the batch system has taken them, not until they run.

    `cluster.scale` does the same in the background, where a refusal is a line in a log.
    """
    for _ in range(jobs):
        cluster.worker_spec.update(cluster.new_worker_spec())

    async def settle() -> None:
        await cluster

    try:
        cluster.sync(settle)
    except (RuntimeError, ValueError, OSError) as error:
        for job in cluster.workers.values():
            if job.job_id is None:  # or closing the cluster would trip over what never began
                job.status = Status.failed
        detail = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise PipelineError(
            f"{request.cluster} to take {jobs} jobs",
            f"a refusal ({detail})",
            "correct --queue, --account, --walltime or --job-extra; --render - shows the script",
        ) from error
