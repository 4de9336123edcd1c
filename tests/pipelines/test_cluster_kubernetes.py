"""Kubernetes: the manifest against the operator's schema, and a run on a stand-in for a cluster.

The stand-in answers what the API server answers, and does what operator and kubelet do with a
DaskCluster: it starts the containers' own commands, with the secret mounted, asks their probes, and
forwards their ports over websockets. Only addresses and mount points are this machine's.
"""

import asyncio
import copy
import gc
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import tornado.httpserver
import tornado.web
import tornado.websocket
import yaml
from distributed import Client

from pipelines import cluster, jobs
from pipelines.cluster import manifest, tls
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError

pytest.importorskip("kr8s", reason="dask-kubernetes is not installed")
jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")


@cache
def _schema(kind: str) -> dict:
    """The operator's schema, and nothing that it does not name: the API would drop it unsaid."""
    spec = importlib.util.find_spec("dask_kubernetes")
    (package,) = spec.submodule_search_locations
    crds = "operator/deployment/helm/dask-kubernetes-operator/crds"
    crd = yaml.load((Path(package) / crds / f"{kind}.yaml").read_text(), FAST)
    (version,) = [each for each in crd["spec"]["versions"] if each["storage"]]
    assert version["name"] == "v1"
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    _close(schema)
    return schema


def _close(schema: object) -> None:
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema["additionalProperties"] = False
        for part in schema.values():
            _close(part)
    elif isinstance(schema, list):
        for part in schema:
            _close(part)


FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ASKED = {
    "cluster": "kubernetes",
    "image": "registry.example/workbench:1",
    "workers": 3,
    "cores": 4,
    "processes": 2,
    "memory": "8GiB",
    "volume": ("datasets:/data", "stores:/stores"),
}


@pytest.mark.parametrize("insecure", [False, True])
def test_the_manifest_is_what_the_operator_understands(insecure: bool) -> None:
    document = yaml.safe_load(cluster.render(**ASKED, insecure=insecure))
    schema = _schema("daskcluster")
    jsonschema.Draft202012Validator(schema).validate(document)
    misspelt = copy.deepcopy(document)
    misspelt["spec"]["worker"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(jsonschema.ValidationError, match="'resource' was unexpected"):
        jsonschema.Draft202012Validator(schema).validate(misspelt)


def test_what_a_worker_is_given() -> None:
    document = yaml.safe_load(cluster.render(**ASKED))
    assert document["spec"]["worker"]["replicas"] == 3
    (worker,) = document["spec"]["worker"]["spec"]["containers"]
    assert worker["resources"]["limits"] == {"cpu": "4", "memory": "8192Mi"}
    command = " ".join(worker["args"])
    assert "--nworkers 2 --nthreads 2" in command
    assert "--memory-limit 4096MiB" in command
    assert "tls://pipelines-scheduler:8786" in command
    mounts = {mount["mountPath"] for mount in worker["volumeMounts"]}
    assert mounts == {manifest.MOUNT, "/data", "/stores"}


def test_everything_speaks_tls_unless_told_otherwise() -> None:
    assert "tcp://" not in cluster.render(**ASKED)
    plain = cluster.render(**ASKED, insecure=True)
    assert "tls" not in plain.replace("scheduler", "")
    assert "tcp://pipelines-scheduler:8786" in plain


def test_a_rendered_manifest_holds_no_credentials() -> None:
    assert "BEGIN" not in cluster.render(**ASKED)
    secret = manifest.secret("name", tls.temporary())["stringData"]
    assert {key: "BEGIN" in text for key, text in secret.items()} == {
        "ca.pem": True,
        "cert.pem": True,
        "key.pem": True,
    }
    assert {Path(path).name for path in manifest.FILES.values()} == set(secret)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": None}, "an image of the containers, found none"),
        ({"volume": ("data",)}, "CLAIM:/path, found 'data'"),
        ({"volume": ("data:relative",)}, "CLAIM:/path, found 'data:relative'"),
    ],
)
def test_unusable_manifests(given: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        manifest.cluster(Request(**{**ASKED, **given}), "name")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Kubernetes:
    """One namespace of a cluster, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[tuple[str, str], dict] = {}
        self.seen: list[tuple[str, str]] = []
        self.processes: dict[str, list[subprocess.Popen]] = {}
        self.ports = {manifest.COMM: 0, manifest.DASHBOARD: 0}
        self.operator = True
        self.breaks = False

    def create(self, plural: str, document: dict) -> None:
        name = document["metadata"]["name"]
        self.seen.append((plural, name))
        self.objects[plural, name] = document
        if plural == "secrets":
            for key, text in document["stringData"].items():
                (self.folder / key).write_text(text)
        elif self.operator:
            self.ports = {port: _free_port() for port in self.ports}
            started = [self._start(document["spec"]["scheduler"]["spec"], name, "scheduler")]
            for i in range(document["spec"]["worker"]["replicas"]):
                started.append(self._start(document["spec"]["worker"]["spec"], name, f"worker-{i}"))
            self.processes[name] = started

    def delete(self, plural: str, name: str) -> None:
        del self.objects[plural, name]
        for process in self.processes.pop(name, []):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def pods(self) -> list[dict]:
        """The schedulers' pods; they are ready when their probe says so."""
        return [self._pod(name) for plural, name in self.objects if plural == "daskclusters"]

    def _pod(self, name: str) -> dict:
        document = self.objects["daskclusters", name]
        (container,) = document["spec"]["scheduler"]["spec"]["containers"]
        probe = [self._here(word, name) for word in container["readinessProbe"]["exec"]["command"]]
        probe[0] = sys.executable
        ready = not self.breaks and subprocess.run(probe, capture_output=True).returncode == 0
        status: dict = {
            "phase": "Running",
            "conditions": [
                {"type": each, "status": str(ready)} for each in ("Ready", "ContainersReady")
            ],
        }
        if self.breaks:
            waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
            status |= {"containerStatuses": [{"state": {"waiting": waiting}}]}
        labels = {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
        metadata = {"name": f"{name}-scheduler", "namespace": "lab", "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}

    def _start(self, pod: dict, name: str, role: str) -> subprocess.Popen:
        (container,) = pod["containers"]
        arguments = [self._here(word, name) for word in container["args"]]
        arguments[0] = str(Path(sys.executable).with_name("dask"))
        wanted = {
            each["name"]: self._here(each["value"], name) for each in container.get("env", [])
        }
        with (self.folder / f"{role}.log").open("w") as log:
            return subprocess.Popen(
                [word.replace("$(DASK_WORKER_NAME)", role) for word in arguments],
                env={**os.environ, **wanted},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _here(self, text: str, name: str) -> str:
        """An address or a path of a pod, on this machine."""
        text = text.replace(f"{name}-scheduler", "127.0.0.1").replace(
            manifest.MOUNT, str(self.folder)
        )
        for port, own in self.ports.items():
            text = str(own) if text == str(port) else text.replace(f":{port}", f":{own}")
        return text


class Api(tornado.web.RequestHandler):
    """Objects: created, read and deleted."""

    def initialize(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes

    async def get(self, path: str) -> None:
        if path == "/version/":
            self.write({"gitVersion": "v1.33.1", "major": "1", "minor": "33"})
            return
        # A probe takes a while: not on the loop that serves the forwarded ports.
        pods = await asyncio.get_running_loop().run_in_executor(None, self.kubernetes.pods)
        name = path.rpartition("/pods")[2].strip("/")
        if name:
            self.write(next(pod for pod in pods if pod["metadata"]["name"] == name))
        else:
            self.write({"apiVersion": "v1", "kind": "PodList", "items": pods})

    def post(self, path: str) -> None:
        document = json.loads(self.request.body)
        if "/namespaces/forbidden/" in path:
            self.set_status(403)
            self.write({"message": "secrets is forbidden"})
            return
        self.kubernetes.create(path.strip("/").rpartition("/")[2], document)
        self.write(document)

    def delete(self, path: str) -> None:
        plural, name = path.strip("/").split("/")[-2:]
        self.kubernetes.delete(plural, name)
        self.write({"status": "Success"})


class Forward(tornado.websocket.WebSocketHandler):
    """A port of a pod: channel 0 carries its bytes, channel 1 errors."""

    def initialize(self, kubernetes: Kubernetes) -> None:
        self.kubernetes = kubernetes

    async def open(self, path: str) -> None:
        port = int(self.get_argument("ports"))
        self.ready = asyncio.get_running_loop().create_future()
        for channel in (b"\x00", b"\x01"):
            await self.write_message(channel + port.to_bytes(2, "little"), binary=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.kubernetes.ports[port])
        self.ready.set_result(writer)
        self.pump = asyncio.create_task(self._back(reader))

    async def _back(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(2**16):
                await self.write_message(b"\x00" + data, binary=True)
        except (tornado.websocket.WebSocketClosedError, ConnectionError):
            return
        self.close()

    async def on_message(self, message: bytes) -> None:
        writer = await self.ready
        writer.write(message[1:])
        await writer.drain()

    def on_close(self) -> None:
        if self.ready.done():
            self.ready.result().close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kubernetes, Path]]:
    """The stand-in and the configuration that names it."""
    kubernetes = Kubernetes(tmp_path_factory.mktemp("kubernetes"))
    started, port = threading.Event(), _free_port()
    stop: list = []

    async def serve() -> None:
        rules = [(r"(.*)/portforward/?", Forward), (r"(.*)", Api)]
        app = tornado.web.Application([(*rule, {"kubernetes": kubernetes}) for rule in rules])
        server = app.listen(port, "127.0.0.1")
        ended = asyncio.Event()
        stop.extend([asyncio.get_running_loop(), ended])
        started.set()
        await ended.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait(10)
    config = kubernetes.folder / "config"
    named = {"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "lab"}}
    config.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "me", "user": {"token": "secret"}}],
                "contexts": [named],
            }
        )
    )
    yield kubernetes, config
    loop, ended = stop
    loop.call_soon_threadsafe(ended.set)
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def kubernetes(
    served: tuple[Kubernetes, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Kubernetes]:
    found, config = served
    monkeypatch.setenv("KUBECONFIG", str(config))
    found.seen.clear()
    found.operator, found.breaks = True, False
    yield found
    assert found.objects == {}, "all that was created is deleted"
    assert found.processes == {}
    with warnings.catch_warnings():
        # kr8s has no way to close its HTTP connections: they close as they are collected.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


HERE = {"cluster": "kubernetes", "image": "any", "memory": "1GiB", "timeout": 60}


def test_pods_are_started_work_over_tls_and_end_with_a_failure(kubernetes: Kubernetes) -> None:
    def work(client: Client) -> None:
        client.wait_for_workers(2, timeout=60)
        assert client.scheduler.address.startswith("tls://127.0.0.1:")
        info = client.scheduler_info()
        assert all(address.startswith("tls://") for address in info["workers"])
        assert {each["memory_limit"] for each in info["workers"].values()} == {2**30}
        assert client.submit(sum, [1, 2]).result() == 3
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        client.submit(divmod, 1, 0).result()

    with pytest.raises(ZeroDivisionError), cluster.connect(**HERE, workers=2) as client:
        work(client)
    kinds = [plural for plural, _ in kubernetes.seen]
    assert kinds == ["secrets", "daskclusters"], "credentials are there before the pods"


def test_a_run_from_end_to_end(kubernetes: Kubernetes, root: Path, tmp_path: Path) -> None:
    store = tmp_path / "store.zarr"
    assert jobs.run("bsds", root, store, progress=False, unit=2, **HERE).items == 8


def test_an_operator_that_is_not_there(kubernetes: Kubernetes) -> None:
    kubernetes.operator = False
    with (
        pytest.raises(PipelineError, match=r"DaskCluster pipelines-.* in namespace lab") as failed,
        cluster.connect(**{**HERE, "timeout": 0.2}),
    ):
        pass
    assert "helm install" in failed.value.remedy


def test_a_pod_that_cannot_start_says_why(kubernetes: Kubernetes) -> None:
    kubernetes.breaks = True
    with (
        pytest.raises(PipelineError, match="ImagePullBackOff no such image"),
        cluster.connect(**{**HERE, "timeout": 0.2}),
    ):
        pass


def test_a_namespace_that_is_not_ones_own(kubernetes: Kubernetes) -> None:
    with (
        pytest.raises(PipelineError, match="secrets is forbidden"),
        cluster.connect(**HERE, namespace="forbidden"),
    ):
        pass


def test_without_dask_kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kr8s", None)
    with (
        pytest.raises(PipelineError, match=r"dask-kubernetes to be installed") as refused,
        cluster.connect(**HERE),
    ):
        pass
    assert "structured-layers-workbench[kubernetes]" in refused.value.remedy
