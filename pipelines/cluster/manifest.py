"""Documents for Kubernetes: a secret with credentials, and a DaskCluster for the operator.

The operator (https://kubernetes.dask.org) makes of a DaskCluster one scheduler pod, its service and
worker pods. Left to itself it starts them on plain TCP, so every address and argument is given
here: scheduler and workers speak TLS with credentials from a secret that is mounted into both; the
dashboard listens inside its pod alone, where a port-forward reaches it; containers may gain no
privileges. Pods see the dataset and the store through volumes: without one they could write only
to an object store.

What the operator itself would do over plain TCP it cannot do here: adapt, retire workers one by
one, stop an idle cluster. A run therefore has as many pods as it asked for, until it ends.
"""

from typing import Any

from distributed import Security

from pipelines.cluster.memory import ALLOCATOR
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

COMM, DASHBOARD = 8786, 8787
MOUNT = "/etc/dask-credentials"
FILES = {
    "--tls-ca-file": f"{MOUNT}/ca.pem",
    "--tls-cert": f"{MOUNT}/cert.pem",
    "--tls-key": f"{MOUNT}/key.pem",
}
PATIENCE = 600
"""Seconds that a worker waits for a scheduler before its pod starts it anew."""
HEALTH = (
    "import urllib.request; "
    f"urllib.request.urlopen('http://127.0.0.1:{DASHBOARD}/health', timeout=5)"
)


def cluster(request: Request, name: str) -> dict[str, Any]:
    """A DaskCluster of the operator's API, version 1.

    Raises:
        PipelineError: no image is named, or a volume is no CLAIM:/path.
    """
    if not request.image:
        raise PipelineError(
            "an image of the containers", "none", "name one with --image; it must hold this package"
        )
    protocol = "tcp" if request.insecure else "tls"
    labels = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    ports = {"tcp-comm": COMM, "http-dashboard": DASHBOARD}
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "pipelines"}},
        "spec": {
            "scheduler": {
                "spec": _pod(request, name, _scheduler(request, protocol)),
                "service": {
                    "type": "ClusterIP",
                    "selector": labels,
                    "ports": [
                        {"name": port, "protocol": "TCP", "port": number, "targetPort": port}
                        for port, number in ports.items()
                    ],
                },
            },
            "worker": {
                "replicas": request.workers or 1,
                "spec": _pod(request, name, _worker(request, f"{protocol}://{name}-scheduler")),
            },
        },
    }


def secret(name: str, security: Security) -> dict[str, Any]:
    """The secret of a cluster's credentials, which all its pods mount."""
    worker = security.get_tls_config_for_role("worker")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": secret_name(name)},
        "type": "Opaque",
        "stringData": {
            "ca.pem": worker["ca_file"],
            "cert.pem": worker["cert"],
            "key.pem": worker["key"],
        },
    }


def secret_name(name: str) -> str:
    """Name of the secret that a cluster's pods mount."""
    return f"{name}-credentials"


def _scheduler(request: Request, protocol: str) -> dict[str, Any]:
    return {
        "name": "scheduler",
        "args": [
            *("dask", "scheduler", "--protocol", protocol, "--port", str(COMM)),
            *("--dashboard-address", f"127.0.0.1:{DASHBOARD}"),
            *_credentials(request),
        ],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "ports": [
            {"name": "tcp-comm", "containerPort": COMM, "protocol": "TCP"},
            {"name": "http-dashboard", "containerPort": DASHBOARD, "protocol": "TCP"},
        ],
        "readinessProbe": _probe(periodSeconds=5),
        "livenessProbe": _probe(initialDelaySeconds=30, periodSeconds=20),
    }


def _probe(**seconds: int) -> dict[str, Any]:
    return {"exec": {"command": ["python", "-c", HEALTH]}, "timeoutSeconds": 6, **seconds}


def _worker(request: Request, scheduler: str) -> dict[str, Any]:
    # One core and one share of the memory for each process, as on a machine of one's own.
    processes = request.job_processes
    threads = request.job_cores // processes
    limits = {"cpu": str(request.job_cores), "memory": f"{request.job_memory >> 20}Mi"}
    return {
        "name": "worker",
        "args": [
            *("dask", "worker", f"{scheduler}:{COMM}", "--name", "$(DASK_WORKER_NAME)"),
            *("--nworkers", str(processes), "--nthreads", str(threads), "--no-dashboard"),
            *("--memory-limit", f"{(request.job_memory >> 20) // processes}MiB"),
            *("--death-timeout", str(PATIENCE), *_credentials(request)),
        ],
        # The operator would set this one to tcp:// for all that runs in the pod.
        "env": [
            {"name": "DASK_SCHEDULER_ADDRESS", "value": f"{scheduler}:{COMM}"},
            *({"name": name, "value": value} for name, value in ALLOCATOR.items()),
        ],
        "resources": {"requests": dict(limits), "limits": limits},
    }


def _credentials(request: Request) -> list[str]:
    return [] if request.insecure else [word for pair in FILES.items() for word in pair]


def _pod(request: Request, name: str, container: dict[str, Any]) -> dict[str, Any]:
    """A pod of one container, with the credentials and the user's volumes."""
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    if not request.insecure:
        volumes.append({"name": "credentials", "secret": {"secretName": secret_name(name)}})
        mounts.append({"name": "credentials", "mountPath": MOUNT, "readOnly": True})
    for i, volume in enumerate(request.volume):
        claim, _, path = volume.partition(":")
        if not claim or not path.startswith("/"):
            raise PipelineError("CLAIM:/path", repr(volume), "correct --volume")
        volumes.append({"name": f"data-{i}", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": f"data-{i}", "mountPath": path})
    return {
        "automountServiceAccountToken": False,
        "containers": [
            container
            | {
                "image": request.image,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }
