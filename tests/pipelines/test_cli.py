"""The command line: exit statuses, one sentence for a user's error, and a real interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from distributed import Client

from pipelines import jobs
from pipelines.__main__ import entry
from pipelines.errors import TargetError
from pipelines.ledger import Ledger
from pipelines.sources.sample import write_sample
from pipelines.verify import verify

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def address(client: Client) -> str:
    return str(client.scheduler_info()["address"])


def test_sample_plan_run_status_verify(address: str, tmp_path: Path, capsys: Captured) -> None:
    raw, store = str(tmp_path / "raw"), str(tmp_path / "stores" / "a.zarr")
    sample = ["sample", "--root", raw, "--train", "3", "--test", "1", "--size", "48x36"]
    assert entry(sample) == 0
    assert entry(["plan", "bsds", "--root", raw]) == 0
    assert not Path(store).exists()
    assert entry(["run", "bsds", "--root", raw, "--store", store, "--scheduler", address]) == 0
    assert entry(["status", "--store", store]) == 0
    assert entry(["verify", "--store", store]) == 0
    out = capsys.readouterr().out
    for part in ("4 (3 train, 1 test)", "complete; 1 units written", "1 of 1 units", "0 faults"):
        assert part in out


def test_objects(address: str, tmp_path: Path, capsys: Captured) -> None:
    raw, store = str(tmp_path / "raw"), str(tmp_path / "a.zarr")
    sample = ["--root", raw, "--layout", "coco", "--train", "2", "--test", "1", "--size", "48x36"]
    assert entry(["sample", *sample]) == 0
    request = ["coco", "--root", raw, "--longest", "20", "--size", "24", "--split", "train"]
    assert entry(["plan", *request]) == 0
    assert entry(["run", *request, "--store", store, "--scheduler", address]) == 0
    assert entry(["status", "--store", store]) == 0
    assert entry(["verify", "--store", store]) == 0
    out = capsys.readouterr().out
    for part in ("estimate", "categories   14", "image 24×24×3 uint8", "a second", "0 faults"):
        assert part in out


def test_a_full_disk_has_its_exit_status(
    address: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def full(*arguments: object, **keywords: object) -> None:
        raise TargetError("to write a.zarr", "No space left on device", "make room")

    monkeypatch.setattr(jobs, "execute", full)
    arguments = ["--root", str(root), "--store", str(tmp_path / "a.zarr")]
    assert entry(["run", "bsds", *arguments, "--scheduler", address]) == 1
    err = capsys.readouterr().err
    assert err == "Error: expected to write a.zarr, found No space left on device; make room\n"


def test_quarantine_has_its_exit_status(
    address: str, root: Path, tmp_path: Path, capsys: Captured
) -> None:
    (root / "groundTruth" / "train" / "1000.mat").unlink()
    store = ["--store", str(tmp_path / "a.zarr")]
    assert entry(["run", "bsds", "--root", str(root), *store, "--scheduler", address]) == 3
    out = capsys.readouterr().out
    assert "1 scenes quarantined" in out
    assert "1000 (images/train/1000.jpg): expected a ground truth" in out
    assert entry(["status", *store]) == 0
    assert "quarantined  1000" in capsys.readouterr().out
    assert entry(["verify", *store]) == 0, "the store is as it was written"


def test_damage_has_its_exit_status(
    address: str, root: Path, tmp_path: Path, capsys: Captured
) -> None:
    store = tmp_path / "a.zarr"
    common = ["--store", str(store), "--scheduler", address]
    assert entry(["run", "bsds", "--root", str(root), *common]) == 0
    (store / "image/c/0/0/0/0").unlink()
    assert entry(["verify", "--store", str(store)]) == 1
    assert f"resume --store {store} --redo 0" in capsys.readouterr().out
    assert entry(["resume", *common, "--redo", "0"]) == 0
    assert entry(["verify", "--store", str(store)]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "bsds", "--root", "EMPTY", "--store", "NEW"],
        ["run", "bsds", "--root", "RAW", "--store", "NEW", "--unit", "0"],
        ["run", "bsds", "--root", "RAW", "--store", "NEW", "--workers", "0"],
        ["resume", "--store", "NEW"],
        ["verify", "--store", "NEW"],
        ["status", "--store", "EMPTY"],
        ["sample", "--root", "NEW", "--size", "big"],
        ["sample", "--root", "NEW", "--size", "8x8"],
        ["sample", "--root", "RAW", "--train", "0", "--test", "0"],
    ],
)
def test_a_users_error_is_one_sentence(
    root: Path, tmp_path: Path, arguments: list[str], capsys: Captured
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"EMPTY": tmp_path / "empty", "RAW": root, "NEW": tmp_path / "new"}
    assert entry([str(places.get(each, each)) for each in arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: expected ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["run"], ["run", "voc"], ["sweep"], ["run", "bsds", "--no"]])
def test_a_wrong_command_line(arguments: list[str], capsys: Captured) -> None:
    assert entry(arguments) == 2
    assert "Usage: python -m pipelines" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["run"], ["resume"], ["sample"]])
def test_help_has_examples(command: list[str], capsys: Captured) -> None:
    assert entry([*command, "--help"]) == 0
    assert "python -m pipelines " in capsys.readouterr().out.partition("\n")[2]


def alive(group: int) -> list[psutil.Process]:
    """The processes of a group that are not merely waiting to be reaped."""

    def belongs(process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
        except (ProcessLookupError, psutil.NoSuchProcess):
            return False

    return [process for process in psutil.process_iter() if belongs(process)]


def test_ctrl_c_leaves_a_store_that_resumes(client: Client, tmp_path: Path) -> None:
    raw, store = tmp_path / "raw", tmp_path / "store.zarr"
    write_sample(raw, train=2, test=1, size=(36, 48))
    for copy in range(60):
        for kind, suffix in (("images", "jpg"), ("groundTruth", "mat")):
            source = raw / kind / "train" / f"1000.{suffix}"
            os.link(source, source.with_name(f"{2000 + copy}.{suffix}"))
    command = ["run", "bsds", "--root", raw, "--store", store, "--unit", "1", "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the whole group, workers included
    )
    while not any(Ledger(store).folder.glob("unit-*")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "goes on from here" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 5
    while left := alive(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)

    done = len(Ledger(store).marks())
    assert 0 < done < 63
    resumed = jobs.resume(store, client=client, progress=False)
    assert (resumed.skipped, resumed.done) == (done, 63 - done)
    assert verify(store, progress=False).ok
    fresh = jobs.run("bsds", raw, tmp_path / "b.zarr", unit=1, client=client, progress=False)
    assert fresh.digest == resumed.digest
