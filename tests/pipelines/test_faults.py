"""What goes wrong around a run: each has one sentence, and loses nothing."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed import Client
from distributed.scheduler import KilledWorker

from pipelines import execute, jobs, lock, task
from pipelines.datasets import prepare, read_items
from pipelines.errors import PipelineError, TargetError
from pipelines.execute import UnitError, store_digest
from pipelines.ledger import Ledger
from pipelines.store import open_store, read_attributes
from pipelines.verify import verify
from tests.pipelines.conftest import SMALL, copied
from tests.reliability.cases import idle

ITEMS = 58


def run(root: Path, store: Path, client: Client, **more: object) -> jobs.Summary:
    return jobs.run("coco", root, store, client=client, progress=False, **SMALL, **more)


def test_a_second_run_is_refused_with_who_holds_the_store(
    coco: Path, client: Client, tmp_path: Path
) -> None:
    store = tmp_path / "a.zarr"
    with lock.exclusive(store):
        with pytest.raises(PipelineError, match=rf"found process {os.getpid()} on \S+ writing it"):
            run(coco, store, client)
        assert not store.exists()
    assert run(coco, store, client).items == ITEMS
    with lock.exclusive(store), pytest.raises(PipelineError, match=r"no other run on a\.zarr"):
        jobs.resume(store, client=client, progress=False)
    assert not list(tmp_path.glob(".*.lock"))


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    script = (
        "import os, signal; from pathlib import Path; from pipelines.lock import exclusive\n"
        f"with exclusive(Path({str(store)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    died = subprocess.run([sys.executable, "-c", script], check=False)
    assert died.returncode == -signal.SIGKILL
    left = tmp_path / ".a.zarr.lock"
    assert json.loads(left.read_text())["pid"]
    with lock.exclusive(store):
        assert json.loads(left.read_text())["pid"] == os.getpid()
    assert not left.exists()


def test_where_there_are_no_locks_a_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_locks(handle: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with lock.exclusive(tmp_path / "a.zarr"):
        assert "knows no file locks" in capsys.readouterr().err


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file of this process can grow beyond some bytes: what the kernel does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("profile", ["local", "remote"])
def test_a_full_disk_leaves_no_part_behind(coco: Path, tmp_path: Path, profile: str) -> None:
    made = prepare("coco", coco, profile=profile, **SMALL)  # type: ignore[arg-type]
    store, plan = tmp_path / "a.zarr", made.plan
    jobs.begin(made, store)
    with full_disk(8000), pytest.raises(TargetError, match=r"to write .*image.*found File too"):
        task.write_unit(0, str(store), plan.fingerprint, plan.root)
    assert not list(Ledger(store).parts.iterdir())
    assert not (store / "image" / "c").exists()
    assert not Ledger(store).done()
    task.write_unit(0, str(store), plan.fingerprint, plan.root)
    assert Ledger(store).done() == {0}


def limit_files(bytes_: int) -> None:
    """In a worker: as `full_disk`."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))


def test_a_disk_that_fills_up_stops_the_run_and_a_resumed_one_ends_the_same(
    coco: Path, client: Client, tmp_path: Path, stores: Path
) -> None:
    expected = store_digest(Ledger(stores / "local").marks())
    store = tmp_path / "a.zarr"
    jobs.begin(prepare("coco", coco, **SMALL), store)  # type: ignore[arg-type]
    plan = Ledger(store).plan()
    for index in (1, 4):
        task.write_unit(index, str(store), plan.fingerprint, plan.root)
    client.run(limit_files, 8000)
    try:
        with pytest.raises(TargetError, match=r"2 of 8 units are done and stay so; .* resume"):
            jobs.resume(store, client=client, progress=False)
        # Tasks that were under way when the run ended find the disk full too.
        idle(client)
    finally:
        client.run(limit_files, resource.RLIM_INFINITY)
    resumed = jobs.resume(store, client=client, progress=False)
    assert (resumed.skipped, resumed.digest) == (2, expected)
    assert verify(store, progress=False).ok


def test_a_place_that_is_a_file(coco: Path, client: Client, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(
        TargetError, match=r"to write beside .* found (Not a directory|File exists)"
    ):
        run(coco, tmp_path / "taken" / "a.zarr", client)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(coco: Path, client: Client, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(TargetError, match="Permission denied"):
        run(coco, closed / "a.zarr", client)


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
def test_whatever_the_disk_says_is_one_sentence(
    coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    made = prepare("coco", coco, **SMALL)  # type: ignore[arg-type]
    jobs.begin(made, tmp_path / "a.zarr")

    def refuse(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("pipelines.chunks.os.fsync", refuse)
    found = task.attempt_unit(0, str(tmp_path / "a.zarr"), made.plan.fingerprint, made.plan.root)
    assert isinstance(found, TargetError)
    assert os.strerror(code) in str(found)
    assert not list(Ledger(tmp_path / "a.zarr").parts.iterdir())


def test_a_quarantined_item_is_tried_again_when_asked(
    coco_to_damage: Path, client: Client, tmp_path: Path, stores: Path
) -> None:
    expected = store_digest(Ledger(stores / "local").marks())
    path = sorted((coco_to_damage / "train2017").iterdir())[2]
    content = path.read_bytes()
    path.write_bytes(content[:300] + bytes(len(content) - 300))
    store = tmp_path / "a.zarr"
    first = run(coco_to_damage, store, client)
    broken = {each.source for each in first.quarantined}
    assert broken == {f"train2017/{path.name}"}
    assert open_store(store).sizes["region"] == ITEMS - len(first.quarantined)
    path.write_bytes(content)
    assert jobs.resume(store, client=client, progress=False).quarantined == first.quarantined
    mended = jobs.resume(store, retry_quarantined=True, client=client, progress=False)
    assert 0 < mended.done < 8
    assert (mended.quarantined, mended.digest) == ((), expected)
    assert verify(store, progress=False).ok
    assert open_store(store).sizes["region"] == ITEMS


def test_a_raw_file_that_changed_since_the_plan_fails_its_units(
    coco_to_damage: Path, client: Client, tmp_path: Path
) -> None:
    store = tmp_path / "a.zarr"
    jobs.begin(prepare("coco", coco_to_damage, **SMALL), store)  # type: ignore[arg-type]
    path = sorted((coco_to_damage / "train2017").iterdir())[0]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UnitError, match=r"the first unit 0: .* bytes in train2017/.* plan anew"):
        jobs.resume(store, client=client, progress=False)
    assert len(Ledger(store).done()) == 7


def test_units_that_are_not_there_cannot_be_redone(
    stores: Path, client: Client, tmp_path: Path
) -> None:
    copied(stores, "local", tmp_path / "a.zarr")
    with pytest.raises(PipelineError, match=r"units from 0 to 7, found 8, 99; correct --redo"):
        jobs.resume(tmp_path / "a.zarr", redo=[3, 99, 8], client=client, progress=False)


def test_parts_of_a_killed_run_are_taken_away(
    coco: Path, client: Client, tmp_path: Path, stores: Path
) -> None:
    store = copied(stores, "local", tmp_path / "a.zarr")
    (Ledger(store).parts / "00001-image.host-1").write_bytes(b"half")
    assert run(coco, store, client).skipped == 8
    assert not list(Ledger(store).parts.iterdir())


def test_two_writers_of_one_unit_do_not_disturb_each_other(coco: Path, tmp_path: Path) -> None:
    made = prepare("coco", coco, **SMALL)  # type: ignore[arg-type]
    store = tmp_path / "a.zarr"
    jobs.begin(made, store)
    arguments = (0, str(store), made.plan.fingerprint, made.plan.root)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        marks = pool.starmap(task.write_unit, [arguments] * 4)
    assert len(set(marks)) == 1
    shutil.rmtree(Ledger(store).parts)


DYING = """
import os, signal, sys
from pipelines import task
from pipelines.sources import coco_items
cut, calls = coco_items._cut, []
def die(*arguments):
    calls.append(arguments)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return cut(*arguments)
coco_items._cut = die
task.write_unit(1, *sys.argv[1:])
"""


def test_a_worker_that_dies_from_a_signal_leaves_the_name_of_its_item(
    coco: Path, client: Client, tmp_path: Path, stores: Path
) -> None:
    store, expected = tmp_path / "a.zarr", read_attributes(stores / "local")["digest"]
    made = prepare("coco", coco, **SMALL)  # type: ignore[arg-type]
    jobs.begin(made, store)
    arguments = str(store), made.plan.fingerprint, made.plan.root
    dead = subprocess.run([sys.executable, "-c", DYING, *arguments], check=False)
    assert dead.returncode == -signal.SIGSEGV
    tenth = [item for lines in made.records for item in read_items(made.plan, lines)][10]
    killed = KilledWorker("attempt_unit", SimpleNamespace(address="tcp://worker"), 3)
    error = execute._error({0: killed, 1: killed}, made.plan, store)
    assert f"at region 10, annotation {tenth.id} of {tenth.source}: too little mem" in str(error)
    assert run(coco, store, client).digest == expected
    assert not list(Ledger(store).parts.iterdir())
