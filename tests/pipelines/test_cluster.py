"""Clusters: what is started ends, what cannot work is refused, and nothing leaves unencrypted."""

import multiprocessing
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner
from distributed import Client, LocalCluster, Security

from pipelines import cluster, jobs
from pipelines.cluster import tls
from pipelines.cluster.options import NAMES, options
from pipelines.cluster.request import Request
from pipelines.errors import PipelineError


def test_a_local_cluster_ends_with_its_block() -> None:
    before = set(multiprocessing.active_children())
    with cluster.connect(workers=1, memory_limit="1GiB") as client:
        (worker,) = client.scheduler_info()["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (1, 2**30)
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        assert client.scheduler_info()["address"].startswith("tcp://127.0.0.1:")
    assert set(multiprocessing.active_children()) == before


def test_a_scheduler_that_is_already_there(client: Client, root: Path, tmp_path: Path) -> None:
    address = client.scheduler_info()["address"]
    store = tmp_path / "store.zarr"
    assert jobs.run("bsds", root, store, scheduler=address, progress=False).items == 8
    assert client.submit(sum, [1, 2]).result() == 3, "it outlives the run"


def test_an_address_may_leave_out_its_scheme(client: Client) -> None:
    address = client.scheduler_info()["address"].removeprefix("tcp://")
    with cluster.connect(scheduler=address) as connected:
        assert connected.submit(sum, [1, 2]).result() == 3


def test_a_scheduler_that_does_not_answer() -> None:
    with (
        pytest.raises(PipelineError, match=r"a Dask scheduler at tcp://127\.0\.0\.1:9, found no"),
        cluster.connect(scheduler="tcp://127.0.0.1:9", timeout=0.2),
    ):
        pass


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"workers": 0}, "at least one worker"),
        ({"memory_limit": "much"}, "a memory limit such as 2GiB"),
        ({"cluster": "sge"}, "a cluster out of local, slurm, pbs, lsf, kubernetes"),
        ({"queue": "long"}, "options of cluster local, found --queue"),
        ({"cluster": "slurm", "memory_limit": "2GiB"}, "found --memory-limit"),
        ({"cluster": "kubernetes", "adapt": "1:4"}, "found --adapt"),
        ({"cluster": "slurm", "scheduler": "tcp://127.0.0.1:1"}, "--scheduler or --cluster"),
        ({"scheduler": "tcp://127.0.0.1:1", "workers": 2}, "a scheduler's address, found --work"),
        ({"cluster": "pbs", "adapt": "4"}, "MIN:MAX as in 2:10, found '4'"),
        ({"cluster": "pbs", "adapt": "4:2"}, "MIN:MAX as in 2:10, found '4:2'"),
        ({"cluster": "pbs", "adapt": "1:2", "workers": 2}, "--workers or --adapt, found both"),
        ({"cluster": "lsf", "cores": 2, "processes": 3}, "no more processes than the 2 cores"),
        ({"cluster": "lsf", "cores": 0}, "a core, memory and a process at least"),
        ({"cluster": "lsf", "memory": "big"}, "a memory limit such as 2GiB, found 'big'"),
    ],
)
def test_unusable_requests(request_: dict, message: str) -> None:
    with pytest.raises(PipelineError, match=message), cluster.connect(**request_):
        pass


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("tcp://127.0.0.1:8786", True),
        ("tcp://localhost:8786", True),
        ("tcp://[::1]:8786", True),
        ("inproc://1/2", True),
        ("tls://192.0.2.77:8786", True),
        ("tcp://192.0.2.77:8786", False),  # an address of documentation: nobody's
        ("ws://192.0.2.77:8786", False),
        ("tcp://no-such-host.invalid:8786", False),
    ],
)
def test_what_others_could_read(address: str, private: bool) -> None:
    assert tls.is_private(address) == private


def test_this_hosts_own_addresses_are_here() -> None:
    own = [
        link.address
        for links in psutil.net_if_addrs().values()
        for link in links
        if link.family == socket.AF_INET
    ]
    assert own
    assert all(tls.is_private(f"tcp://{address}:8786") for address in own)


def test_plain_text_to_another_host_is_refused() -> None:
    with (
        pytest.raises(PipelineError, match="which anybody between the hosts can read") as refused,
        cluster.connect(scheduler="tcp://192.0.2.77:8786"),
    ):
        pass
    assert "--tls-ca" in refused.value.remedy
    assert "--insecure" in refused.value.remedy


def test_insecure_allows_it() -> None:
    with (
        pytest.raises(PipelineError, match=r"a Dask scheduler at tcp://192\.0\.2\.77:8786"),
        cluster.connect(scheduler="tcp://192.0.2.77:8786", insecure=True, timeout=0.2),
    ):
        pass


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A client's credentials as files."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    tls.in_files(tls.temporary(), folder)
    return {
        "tls_ca": str(folder / "ca_file.pem"),
        "tls_cert": str(folder / "cert.pem"),
        "tls_key": str(folder / "key.pem"),
    }


@pytest.fixture
def encrypted(files: dict[str, str]) -> Iterator[str]:
    """The address of a scheduler that demands those credentials, with one worker."""
    roles = ("client", "scheduler", "worker")
    parts = {"cert": files["tls_cert"], "key": files["tls_key"]}
    security = Security(
        require_encryption=True,
        tls_ca_file=files["tls_ca"],
        **{f"tls_{role}_{part}": path for role in roles for part, path in parts.items()},
    )
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tls://",
        security=security,
        dashboard_address=None,
    ) as running:
        yield running.scheduler_address


def test_tls_with_credentials_from_files(encrypted: str, files: dict[str, str]) -> None:
    assert encrypted.startswith("tls://")
    with cluster.connect(scheduler=encrypted, **files) as client:
        assert client.submit(sum, [1, 2]).result() == 3


def test_credentials_of_somebody_else(encrypted: str, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tls.in_files(tls.temporary(), other)
    stranger = {
        "tls_ca": str(other / "ca_file.pem"),
        "tls_cert": str(other / "cert.pem"),
        "tls_key": str(other / "key.pem"),
    }
    with (
        pytest.raises(PipelineError, match="no answer"),
        cluster.connect(scheduler=encrypted, timeout=1, **stranger),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "credentials for tls://127.0.0.1:1, found none"),
        ({"tls_ca": "ca.pem"}, "--tls-ca and --tls-cert, found no --tls-cert"),
        ({"tls_ca": "no.pem", "tls_cert": "no.pem"}, "a PEM file for --tls-ca, found nothing"),
        ({"tls_ca": __file__, "tls_cert": __file__}, "certificates and a key in PEM format"),
    ],
)
def test_unusable_credentials(given: dict, message: str) -> None:
    with (
        pytest.raises(PipelineError, match=message),
        cluster.connect(scheduler="tls://127.0.0.1:1", **given),
    ):
        pass


def test_credentials_are_their_owners_alone(files: dict[str, str]) -> None:
    assert {Path(path).stat().st_mode & 0o777 for path in files.values()} == {0o600}


@click.command()
@options
def command(**keywords: object) -> None:
    """Stands for run and resume."""
    click.echo(repr(Request(**keywords)))


def test_options_are_the_fields_of_a_request() -> None:
    assert {parameter.name for parameter in command.params} == {*NAMES, "rendered"}
    result = CliRunner().invoke(command, [])
    assert result.output.strip() == repr(Request())
    result = CliRunner().invoke(
        command, ["--cluster", "slurm", "--adapt", "1:8", "--job-extra", "-C x", "--job-extra=-N"]
    )
    wanted = Request(cluster="slurm", adapt="1:8", job_extra=("-C x", "-N"))
    assert result.output.strip() == repr(wanted)


def test_render_writes_and_calls_nothing(tmp_path: Path) -> None:
    target = tmp_path / "job.sh"
    arguments = ["--cluster", "slurm", "--queue", "long", "--shared-folder", str(tmp_path)]
    result = CliRunner().invoke(command, [*arguments, "--render", str(target)])
    assert "nothing was started" in result.output
    assert "Request" not in result.output
    assert "#SBATCH -p long" in target.read_text()
    shown = CliRunner().invoke(command, [*arguments, "--render", "-"])
    assert shown.output.startswith("#!/usr/bin/env bash")
    assert [path.name for path in tmp_path.iterdir()] == ["job.sh"], "no credentials are left"


def test_nothing_to_render_for_this_machine() -> None:
    with pytest.raises(PipelineError, match="a batch system or kubernetes to render for"):
        cluster.render(workers=2)
