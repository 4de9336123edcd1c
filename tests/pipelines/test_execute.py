"""A run survives broken scenes, broken units and interruptions, and comes out the same."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from distributed import Client

from pipelines import execute as execution
from pipelines import jobs
from pipelines.datasets import prepare
from pipelines.errors import PipelineError
from pipelines.execute import Summary, UnitError
from pipelines.ledger import Ledger
from pipelines.store import StoreError, open_store

Build = Callable[..., Summary]


def marks_written_at(store: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in Ledger(store).folder.glob("unit-*")}


def test_a_run_writes_every_unit_and_a_second_one_none(build: Build) -> None:
    first = build()
    assert (first.done, first.skipped, first.items) == (4, 0, 8)
    assert first.quarantined == ()
    before = marks_written_at(first.store)
    second = build()
    assert (second.done, second.skipped, second.digest) == (0, 4, first.digest)
    assert marks_written_at(first.store) == before


def test_resuming_redoes_unfinished_units_only(build: Build, client: Client) -> None:
    whole = build()
    ledger = Ledger(whole.store)
    # As a kill leaves it: no mark, whatever has reached the arrays.
    (ledger.folder / "unit-00002.json").unlink()
    shutil.rmtree(whole.store / "image" / "c" / "2")
    before = marks_written_at(whole.store)
    resumed = jobs.resume(whole.store, client=client, progress=False)
    assert (resumed.done, resumed.skipped, resumed.digest) == (1, 3, whole.digest)
    after = marks_written_at(whole.store)
    assert {name for name in after if after[name] != before.get(name)} == {"unit-00002.json"}


def test_two_runs_give_the_same_digest(build: Build) -> None:
    first = build()
    assert build(overwrite=True).digest == first.digest


def test_broken_scenes_are_quarantined_and_the_rest_goes_on(build: Build, root: Path) -> None:
    jpeg = root / "images" / "train" / "1001.jpg"
    jpeg.write_bytes(jpeg.read_bytes()[:-300])
    (root / "groundTruth" / "val" / "1006.mat").write_bytes(b"broken")
    summary = build()
    assert [each.id for each in summary.quarantined] == ["1001", "1006"]
    assert "a whole image in images/train/1001.jpg" in summary.quarantined[0].reason
    assert "`groundTruth`" in summary.quarantined[1].reason
    assert "2 scenes quarantined" in str(summary)
    assert open_store(summary.store)["id"].values.tolist() == [
        "1000", "1002", "1003", "1004", "1005", "1007",
    ]  # fmt: skip
    assert build().quarantined == summary.quarantined, "a later run says so too"


def test_a_dataset_of_nothing_but_broken_scenes(build: Build, root: Path) -> None:
    for path in root.glob("images/*/*.jpg"):
        path.write_bytes(b"broken")
    summary = build()
    assert len(summary.quarantined) == 8
    assert open_store(summary.store).sizes["scene"] == 0


def test_a_unit_that_fails_does_not_stop_the_others(
    build: Build, client: Client, root: Path
) -> None:
    image = root / "images" / "train" / "1002.jpg"
    store = root.parent / "store.zarr"
    jobs.begin(prepare("bsds", root, unit=2), store)
    content = image.read_bytes()
    image.unlink()
    image.mkdir()  # reading it is an OSError: the disk's fault, not the scene's
    with pytest.raises(UnitError, match=r"1 that failed, the first unit 1: IsADirectoryError"):
        jobs.resume(store, client=client, progress=False)
    assert sorted(Ledger(store).marks()) == [0, 2, 3]
    with pytest.raises(StoreError, match="3 of 4 units done"):
        open_store(store)
    image.rmdir()
    image.write_bytes(content)
    assert build().done == 1


def test_an_interruption_leaves_what_is_done(
    build: Build, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = build(overwrite=True).digest

    class Impatient(execution.tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execution, "tqdm", Impatient)
        with pytest.raises(KeyboardInterrupt):
            build(overwrite=True)
    store = root.parent / "store.zarr"
    assert len(Ledger(store).marks()) >= 1
    assert build().digest == expected


def test_another_plan_is_refused_and_nothing_lost(build: Build) -> None:
    first = build()
    with pytest.raises(StoreError, match=r"found one of another plan .* --overwrite"):
        build(unit=3)
    assert build().digest == first.digest
    assert build(unit=3, overwrite=True).done == 3


def test_a_request_that_cannot_run_gives_up_no_store(build: Build) -> None:
    first = build()
    with pytest.raises(PipelineError, match="at least one worker"):
        build(client=None, workers=0, overwrite=True)
    assert open_store(first.store).sizes["scene"] == 8


def test_what_was_left_out_is_said(build: Build, root: Path) -> None:
    shutil.copytree(root / "images" / "val", root / "images" / "test")
    assert "note: 3 images of BSDS500's test folder are left out" in str(build())


def test_a_foreign_folder_is_refused(build: Build, tmp_path: Path) -> None:
    (tmp_path / "store.zarr").mkdir()
    (tmp_path / "store.zarr" / "thesis.tex").touch()
    with pytest.raises(PipelineError, match=r"plan\.json, found no such file"):
        build()
    assert (tmp_path / "store.zarr" / "thesis.tex").exists()


def test_a_moved_dataset_is_resumed(build: Build, client: Client, root: Path) -> None:
    whole = build()
    (Ledger(whole.store).folder / "unit-00003.json").unlink()
    moved = root.rename(root.with_name("moved"))
    with pytest.raises(UnitError, match="FileNotFoundError"):
        jobs.resume(whole.store, client=client, progress=False)
    resumed = jobs.resume(whole.store, root=moved, client=client, progress=False)
    assert (resumed.done, resumed.digest) == (1, whole.digest)


def test_a_begun_ledger_without_a_store_is_begun_anew(build: Build, tmp_path: Path) -> None:
    first = build()
    shutil.rmtree(tmp_path / "store.zarr")
    assert build().digest == first.digest


def test_as_many_tasks_as_units(
    build: Build, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[object] = []
    submit = client.submit

    def counting(*arguments: object, **options: object) -> object:
        submitted.append(arguments)
        return submit(*arguments, **options)

    monkeypatch.setattr(client, "submit", counting)
    build(unit=8)
    assert len(submitted) == 1


def test_a_relative_store_is_the_same_for_workers(
    root: Path, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = jobs.run("bsds", Path("raw"), Path("a/store.zarr"), client=client, progress=False)
    np.testing.assert_equal(open_store(tmp_path / "a" / "store.zarr").sizes["scene"], 8)
    assert summary.store == Path("a/store.zarr")
