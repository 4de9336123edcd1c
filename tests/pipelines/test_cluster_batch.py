"""Batch systems: the scripts they are given, and whole runs with stand-ins for their commands.

The stand-ins take a job as `sbatch`, `qsub` and `bsub` do and run its script on this machine, in
a session of its own, until `scancel`, `qdel` or `bkill` ends it.
"""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client, Security

from pipelines import cluster, jobs
from pipelines.errors import PipelineError

COMMANDS = {"slurm": ("sbatch", "scancel"), "pbs": ("qsub", "qdel"), "lsf": ("bsub", "bkill")}

SUBMIT = """#!{python}
import itertools, pathlib, subprocess, sys
folder = pathlib.Path({folder!r})
script = pathlib.Path(sys.argv[1]).read_text() if len(sys.argv) > 1 else sys.stdin.read()
for number in itertools.count(1):  # jobs are handed in at the same time: no two may take a number
    path = folder / f"{{number}}.sh"
    try:
        with open(path, "x") as file:
            file.write(script)
        break
    except FileExistsError:
        pass
with open(folder / f"{{number}}.log", "w") as log:
    job = subprocess.Popen(
        ["bash", path], start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
(folder / f"{{number}}.pid").write_text(str(job.pid))
print(f"Job <{{number}}> is submitted")
"""
CANCEL = """#!{python}
import os, pathlib, signal, sys
with __import__("contextlib").suppress(ProcessLookupError):
    pid = int((pathlib.Path({folder!r}) / f"{{sys.argv[1]}}.pid").read_text())
    os.killpg(pid, signal.SIGTERM)
"""
REFUSE = """#!{python}
import sys
sys.exit("sbatch: error: Batch job submission failed: Invalid account")
"""


class Batch:
    """A batch system of this machine; `scripts` and `running` tell what it was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(python=sys.executable, folder=str(self.folder)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def scripts(self) -> list[str]:
        return [path.read_text() for path in sorted(self.folder.glob("*.sh"))]

    def running(self) -> list[psutil.Process]:
        """Processes of jobs that still run; waits a little for those that are about to end."""
        sessions = {int(path.read_text()) for path in self.folder.glob("*.pid")}
        for _ in range(200):
            found = [each for each in psutil.process_iter() if _session(each) in sessions]
            if not found:
                return []
            time.sleep(0.1)
        return found


def _session(process: psutil.Process) -> int:
    try:
        dead = process.status() == psutil.STATUS_ZOMBIE
        return -1 if dead else os.getsid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return -1


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    system = Batch(tmp_path / "batch")
    system.folder.mkdir()
    for submit, cancel in COMMANDS.values():
        system.install(submit, SUBMIT)
        system.install(cancel, CANCEL)
    monkeypatch.setenv("PATH", f"{system.folder / 'bin'}:{os.environ['PATH']}")
    return system


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("system", COMMANDS)
def test_jobs_are_handed_in_work_over_tls_and_end(system: str, batch: Batch, shared: Path) -> None:
    given = {"cluster": system, "workers": 2, "memory": "1GiB", "shared_folder": str(shared)}
    with cluster.connect(**given) as client:
        client.wait_for_workers(2, timeout=60)
        info = client.scheduler_info()
        assert info["address"].startswith("tls://")
        assert all(address.startswith("tls://") for address in info["workers"])
        assert {each["memory_limit"] for each in info["workers"].values()} == {2**30}
        assert {each["nthreads"] for each in info["workers"].values()} == {1}
        assert client.submit(sum, [1, 2]).result() == 3
        assert client.dashboard_link.startswith("http://127.0.0.1:")
        (credentials,) = shared.iterdir()
        assert credentials.stat().st_mode & 0o777 == 0o700
    assert len(batch.scripts) == 2
    assert batch.running() == []
    assert list(shared.iterdir()) == [], "credentials are gone"


def test_a_run_from_end_to_end(batch: Batch, root: Path, tmp_path: Path, shared: Path) -> None:
    summary = jobs.run(
        "bsds",
        root,
        tmp_path / "store.zarr",
        progress=False,
        unit=2,
        cluster="slurm",
        workers=1,
        cores=2,
        memory="2GiB",
        shared_folder=str(shared),
    )
    assert summary.items == 8
    (script,) = batch.scripts
    assert "--nworkers 2" in script
    assert batch.running() == []


def test_an_interrupt_is_told_from_an_end(batch: Batch, shared: Path) -> None:
    """In a process of its own: dask-jobqueue's import changes what Ctrl-C does."""
    program = f"""
import os, signal
from pipelines.cluster import connect
try:
    with connect(cluster="slurm", shared_folder={str(shared)!r}) as client:
        client.wait_for_workers(1, timeout=60)
        os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    raise SystemExit(130)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 130
    assert batch.running() == []
    assert list(shared.iterdir()) == []


def test_strangers_are_not_let_in(batch: Batch, shared: Path) -> None:
    with cluster.connect(cluster="slurm", shared_folder=str(shared)) as client:
        address = client.scheduler_info()["address"]
        for stranger, security in [
            (address.replace("tls://", "tcp://"), None),
            (address, Security.temporary()),
        ]:
            with pytest.raises(OSError, match=r"(?i)timed out|closed|does not match"):
                Client(stranger, security=security, timeout=1, set_as_default=False)
    assert batch.running() == []


def test_jobs_come_and_go_with_the_work(batch: Batch, shared: Path) -> None:
    given = {"cluster": "slurm", "adapt": "1:2", "shared_folder": str(shared)}
    with cluster.connect(**given) as client:
        assert client.gather(client.map(pow, range(8), [2] * 8)) == [i**2 for i in range(8)]
        assert 1 <= len(batch.scripts) <= 2
    assert batch.running() == []


def test_a_refused_job_is_an_error_in_its_own_words(batch: Batch, shared: Path) -> None:
    batch.install("sbatch", REFUSE)
    with (
        pytest.raises(PipelineError, match=r"slurm to take 2 jobs.*Invalid account"),
        cluster.connect(cluster="slurm", workers=2, shared_folder=str(shared)),
    ):
        pass
    assert list(shared.iterdir()) == []


def test_a_machine_without_a_batch_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(PipelineError, match="the command qsub of pbs, found nothing"),
        cluster.connect(cluster="pbs"),
    ):
        pass


@pytest.mark.parametrize(
    ("system", "directives"),
    [
        (
            "slurm",
            {
                "-p long",
                "-A me",
                "-t 01:00:00",
                "--mem=8G",
                "--cpus-per-task=4",
                "--constraint=new",
            },
        ),
        (
            "pbs",
            {"-q long", "-A me", "-l walltime=01:00:00", "-l select=1:ncpus=4:mem=8192MB"},
        ),
        (
            "lsf",
            {"-q long", '-P "me"', "-W 01:00:00", "-n 4"},
        ),
    ],
)
def test_scripts(system: str, directives: set[str], shared: Path) -> None:
    script = cluster.render(
        cluster=system,
        queue="long",
        account="me",
        walltime="01:00:00",
        cores=4,
        processes=2,
        memory="8GiB",
        job_extra=("--constraint=new",),
        shared_folder=str(shared),
    )
    mark = {"slurm": "#SBATCH ", "pbs": "#PBS ", "lsf": "#BSUB "}[system]
    assert directives | {"--constraint=new"} <= {
        line.removeprefix(mark) for line in script.splitlines()
    }
    command = script.splitlines()[-1]
    assert f"{sys.executable} -m distributed.cli.dask_worker tls://" in command
    for part in ("--nworkers 2", "--nthreads 2", "--memory-limit 4.00GiB", "--no-dashboard"):
        assert part in command
    for option in ("--protocol tls://", "--tls-ca-file", "--tls-cert", "--tls-key"):
        assert option in command
    assert list(shared.iterdir()) == []


def test_insecure_jobs_speak_plain_text(shared: Path) -> None:
    script = cluster.render(cluster="slurm", insecure=True)
    assert "tcp://" in script
    assert "--tls" not in script


@pytest.mark.parametrize("folder", ["no/such/folder", "with space"])
def test_folders_that_cannot_hold_credentials(folder: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"for (the )?credentials"):
        cluster.render(cluster="slurm", shared_folder=str(tmp_path / folder))
