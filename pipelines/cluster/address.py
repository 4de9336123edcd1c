"""A scheduler that is already running, on this host or, over TLS, on another one."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from distributed import Client

from pipelines.cluster import tls
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

SECONDS = 10.0
"""Time for a scheduler to answer."""


@contextmanager
def connected(request: Request) -> Iterator[Client]:
    """A client of the scheduler, which outlives it.

    Raises:
        PipelineError: it does not answer, or would have us speak plain text with another host.
    """
    address = request.scheduler or ""
    if "://" not in address:
        address = f"tcp://{address}"
    if not request.insecure:
        _refuse_plain_text(address, "the scheduler")
    encrypted = address.startswith("tls://")
    if not encrypted and (request.tls_ca or request.tls_cert or request.tls_key):
        raise PipelineError("tls:// for a scheduler with credentials", address, "correct it")
    security = tls.credentials(request) if encrypted else None
    seconds = SECONDS if request.timeout is None else request.timeout
    try:
        client = Client(address, timeout=seconds, security=security)
    except (OSError, TimeoutError, ValueError) as error:
        raise PipelineError(
            f"a Dask scheduler at {address}",
            f"no answer ({error})",
            "start one with `dask scheduler`, or leave --scheduler out for a local cluster",
        ) from error
    with _closed_quietly(client):
        if not request.insecure:
            for worker in client.scheduler_info()["workers"]:
                _refuse_plain_text(worker, "a worker")
        yield client


@contextmanager
def _closed_quietly(client: Client) -> Iterator[None]:
    """Ends a client; one that was looking for a scheduler that is gone would log how it stopped."""
    logger = logging.getLogger("distributed.client")
    try:
        yield
    finally:
        before = logger.disabled
        logger.disabled = before or client.status == "connecting"
        try:
            client.close()
        finally:
            logger.disabled = before


def _refuse_plain_text(address: str, whose: str) -> None:
    if not tls.is_private(address):
        raise PipelineError(
            f"{whose} on this host, or tls://",
            f"{address}, which anybody between the hosts can read and command",
            "start scheduler and workers with --protocol tls --tls-ca-file … --tls-cert … "
            "--tls-key …, then give --scheduler tls://… with --tls-ca, --tls-cert and --tls-key; "
            "on a network that you trust: --insecure",
        )
