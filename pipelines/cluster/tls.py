"""Credentials of a cluster: between hosts only their holders may speak with it.

A Dask scheduler runs what it is sent. So between hosts all ends show certificates, and all that
they say is encrypted; an address in plain text is accepted only if it stays on this machine.
"""

import ipaddress
import socket
from pathlib import Path

import psutil
from distributed import Security
from distributed.comm.addressing import get_address_host

from pipelines.cluster.optional import optional
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

ENCRYPTED = ("tls", "wss")
INSIDE = ("inproc",)


def temporary() -> Security:
    """Credentials for one run, in memory; whoever is to take part is given them.

    Raises:
        PipelineError: the package that makes them is not installed.
    """
    optional("cryptography", "cryptography", "cluster")
    made: Security = Security.temporary()
    return made


def in_files(security: Security, folder: Path) -> Security:
    """Credentials as files that only their owner may read, for processes elsewhere."""
    worker = security.get_tls_config_for_role("worker")
    paths: dict[str, str] = {}
    for part in ("ca_file", "cert", "key"):
        path = folder / f"{part}.pem"
        path.touch(mode=0o600)
        path.write_text(worker[part])
        paths[part] = str(path)
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=paths["ca_file"],
        **{f"tls_{role}_{part}": paths[part] for role in roles for part in ("cert", "key")},
    )


def credentials(request: Request) -> Security:
    """The client's, from the request's files or else from Dask's configuration.

    Raises:
        PipelineError: a file is missing, or there are none.
    """
    named = {
        "--tls-ca": request.tls_ca,
        "--tls-cert": request.tls_cert,
        "--tls-key": request.tls_key,
    }
    if any(named.values()):
        for option in ("--tls-ca", "--tls-cert"):
            if not named[option]:
                raise PipelineError("--tls-ca and --tls-cert", f"no {option}", "name both files")
        for option, path in named.items():
            if path and not Path(path).is_file():
                raise PipelineError(f"a PEM file for {option}", f"nothing at {path}", "correct it")
        security = Security(
            tls_ca_file=request.tls_ca,
            tls_client_cert=request.tls_cert,
            tls_client_key=request.tls_key,
            require_encryption=True,
        )
    else:
        security = Security(require_encryption=True)
    used = security.get_tls_config_for_role("client")
    if not (used["ca_file"] and used["cert"]):
        raise PipelineError(
            f"credentials for {request.scheduler}",
            "none",
            "name them with --tls-ca, --tls-cert and --tls-key, or in Dask's configuration "
            "(distributed.comm.tls.ca-file, .client.cert, .client.key)",
        )
    try:
        security.get_connection_args("client")
    except OSError as error:
        raise PipelineError(
            "certificates and a key in PEM format", f"{error}", "correct --tls-ca, -cert, -key"
        ) from error
    return security


def is_private(address: str) -> bool:
    """Whether data sent to an address (`tcp://host:8786`) is hidden from other machines."""
    scheme = address.partition("://")[0]
    return scheme in ENCRYPTED or scheme in INSIDE or _is_here(get_address_host(address))


def _is_here(host: str) -> bool:
    """Whether all addresses of a name are those of this machine."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except socket.gaierror:
        return False
    own = {each.address for links in psutil.net_if_addrs().values() for each in links}
    return all(
        name in own or ipaddress.ip_address(name.split("%")[0]).is_loopback for name in found
    )
