"""Scheduler and workers as pods of Kubernetes, started by dask-kubernetes's operator.

`connected` hands the operator the manifest of `pipelines.cluster.manifest` with fresh credentials,
waits for the scheduler, forwards its port to this machine, and deletes everything at the end. It
speaks with Kubernetes through kr8s, as dask-kubernetes does, and not through its `KubeCluster`:
that class knows schedulers on plain TCP only (dask-kubernetes 2026.3). Who may act is Kubernetes's
to say: creating DaskClusters and secrets, reading pods, forwarding their ports. A client that is
killed outright leaves its pods running; the name that it printed at the start is the one to delete.
"""

import getpass
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click
import dask
import yaml
from distributed import Client

from pipelines.cluster import tls
from pipelines.cluster.manifest import COMM, DASHBOARD, cluster, secret, secret_name
from pipelines.cluster.optional import optional
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

SECONDS = 600.0
"""Time for the scheduler's pod to be ready and its scheduler to answer."""
PAUSE = 0.5
RENDERED = "pipelines"
"""The name of a cluster that is rendered and not started."""
OPERATOR = (
    "helm install --repo https://helm.dask.org --create-namespace -n dask-operator "
    "--generate-name dask-kubernetes-operator"
)
PREAMBLE = """\
# A Dask cluster for `python -m pipelines`, started by dask-kubernetes's operator. Once for all:
#   {operator}
"""
BY_HAND = """\
# A run with --cluster kubernetes makes its credentials and does the following by itself. By hand:
#   openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=dask -keyout key.pem -out cert.pem
#   kubectl create secret generic {secret} \\
#     --from-file=ca.pem=cert.pem --from-file=cert.pem --from-file=key.pem
#   kubectl apply -f THIS-FILE
#   kubectl port-forward service/{name}-scheduler {port}
#   python -m pipelines run … --scheduler tls://127.0.0.1:{port} \\
#     --tls-ca cert.pem --tls-cert cert.pem --tls-key key.pem
#   kubectl delete -f THIS-FILE
"""


def manifest(request: Request) -> str:
    """The DaskCluster as YAML, with how to use it by hand; it holds no credentials."""
    text = PREAMBLE.format(operator=OPERATOR)
    if not request.insecure:
        text += BY_HAND.format(name=RENDERED, secret=secret_name(RENDERED), port=COMM)
    document: str = yaml.safe_dump(cluster(request, RENDERED), sort_keys=False, width=100)
    return text + document


@contextmanager
def connected(request: Request) -> Iterator[Client]:
    """Start the pods, and delete them at the end.

    Raises:
        PipelineError: Kubernetes refuses, or no scheduler is ready in time.
    """
    name = _new_name()
    wanted = cluster(request, name)  # refuses what cannot work, before anything is asked for
    kr8s = optional("kr8s", "dask-kubernetes", "kubernetes")
    security = None if request.insecure else tls.temporary()
    seconds = SECONDS if request.timeout is None else request.timeout
    deadline = time.monotonic() + seconds
    with ExitStack() as undo:
        with _explained(kr8s):
            api = kr8s.api(namespace=request.namespace)
            where = f"DaskCluster {name} in namespace {api.namespace}"
            if security is not None:
                _create(kr8s, api, secret(name, security), undo)
            _create(kr8s, api, wanted, undo)
            click.echo(f"{where}: starting; it is deleted at the end of this run", err=True)
            pod = _scheduler_pod(kr8s, api, name, deadline, where)
            port = undo.enter_context(pod.portforward(COMM, "auto"))
            dashboard = undo.enter_context(pod.portforward(DASHBOARD, "auto"))
        link = f"http://127.0.0.1:{dashboard}/status"
        undo.enter_context(dask.config.set({"distributed.dashboard.link": link}))
        address = f"{'tcp' if security is None else 'tls'}://127.0.0.1:{port}"
        try:
            client = Client(
                address, security=security, timeout=max(deadline - time.monotonic(), 1.0)
            )
        except OSError as error:
            raise PipelineError(
                f"an answer of the scheduler of {where}",
                f"none ({error})",
                "see `kubectl logs` of its pod, or raise --timeout",
            ) from error
        yield undo.enter_context(client)


def _new_name() -> str:
    """Name of a new cluster, valid in Kubernetes, with the user's name in it."""
    user = re.sub("[^a-z0-9]+", "-", getpass.getuser().lower()).strip("-")[:20]
    return "-".join(filter(None, ["pipelines", user, uuid.uuid4().hex[:8]]))


def _create(kr8s: Any, api: Any, document: dict[str, Any], undo: ExitStack) -> None:
    """Create an object, to be deleted when the stack unwinds."""
    kind = kr8s.objects.new_class(
        document["kind"], document["apiVersion"], asyncio=False, namespaced=True
    )
    created = kind(document, api=api)
    created.create()

    def delete() -> None:
        try:
            created.delete()
        except kr8s.NotFoundError:
            pass  # somebody else deleted it: as it should be
        except (kr8s.ServerError, kr8s.APITimeoutError, OSError) as error:
            # The run's own outcome matters more than this, but what goes on running must be known.
            click.echo(
                f"{created.kind} {created.name} could not be deleted ({error}): "
                f"kubectl delete -n {api.namespace} {created.kind.lower()} {created.name}",
                err=True,
            )

    undo.callback(delete)


def _scheduler_pod(kr8s: Any, api: Any, name: str, deadline: float, where: str) -> Any:
    """The scheduler's pod, once it is ready."""
    labels = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    state = "no pod of a scheduler: is the operator running?"
    while True:
        for pod in api.get(kr8s.objects.Pod, namespace=api.namespace, label_selector=labels):
            if pod.ready():
                return pod
            state = _state(pod)
        if time.monotonic() > deadline:
            raise PipelineError(
                f"the scheduler of {where} to be ready",
                state,
                f"look at `kubectl describe pods -l dask.org/cluster-name={name}`; install the "
                f"operator with `{OPERATOR}`; or raise --timeout",
            )
        time.sleep(PAUSE)


def _state(pod: Any) -> str:
    """Why a pod is not ready, in Kubernetes's words."""
    statuses = pod.raw.get("status", {})
    reasons = [
        f"{waiting.get('reason')} {waiting.get('message', '')}".strip()
        for each in statuses.get("containerStatuses", [])
        if (waiting := each.get("state", {}).get("waiting"))
    ]
    return f"pod {pod.name}, {'; '.join(reasons) or statuses.get('phase', 'without a status')}"


@contextmanager
def _explained(kr8s: Any) -> Iterator[None]:
    """Errors of Kubernetes inside the block become a `PipelineError`."""
    try:
        yield
    except (kr8s.ServerError, kr8s.NotFoundError) as error:
        response = getattr(error, "response", None)
        missing = response is not None and response.status_code == 404
        raise PipelineError(
            "Kubernetes to accept a DaskCluster",
            f"{error}",
            f"install the operator: {OPERATOR}" if missing else "ask who administers the cluster",
        ) from error
    except (kr8s.APITimeoutError, OSError, ValueError) as error:
        raise PipelineError(
            "a Kubernetes cluster that answers",
            f"{type(error).__name__}: {error}",
            "check `kubectl get pods`: the same configuration is used here",
        ) from error
