"""Clusters: the tasks run on this machine, or on other ones, spoken to over TLS.

`connect` gives a Dask client and ends with its block what was started for it. The places:

- local (the default): worker processes on this machine, reached through its loopback alone.
- an address: a scheduler that is already running. In plain text only on this host.
- slurm, pbs, lsf: jobs of a batch system, through dask-jobqueue; the scheduler runs here.
- kubernetes: scheduler and workers as pods, which dask-kubernetes's operator starts.

Batch jobs and pods are given credentials made for the one run, which nobody else holds.
`render` says what a batch system or Kubernetes would be asked for, and asks nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from distributed import Client

from pipelines.cluster import address, jobqueue, kubernetes, local
from pipelines.cluster.request import ADDRESS, BATCH, KUBERNETES, Request
from pipelines.errors import PipelineError

__all__ = ["Request", "connect", "render"]


@contextmanager
def connect(**keywords: Any) -> Iterator[Client]:
    """A Dask client; what was started for it ends with the block.

    Args:
        keywords: the fields of `Request`; none of them: a worker for each core of this machine.

    Raises:
        PipelineError: the request makes no sense, or nobody answers it.
    """
    request = Request(**keywords)
    if request.place == ADDRESS:
        connected = address.connected(request)
    elif request.place in BATCH:
        connected = jobqueue.connected(request)
    elif request.place == KUBERNETES:
        connected = kubernetes.connected(request)
    else:
        connected = local.connected(request)
    with connected as client:
        yield client


def render(**keywords: Any) -> str:
    """The job script or the manifest that `connect` would hand in with these keywords.

    Raises:
        PipelineError: the request makes no sense, or its place is handed nothing.
    """
    request = Request(**keywords)
    if request.place in BATCH:
        return jobqueue.script(request)
    if request.place == KUBERNETES:
        return kubernetes.manifest(request)
    raise PipelineError(
        f"a batch system or {KUBERNETES} to render for",
        f"the place {request.place!r}, which is handed nothing",
        f"name one with --cluster: {', '.join([*BATCH, KUBERNETES])}",
    )
