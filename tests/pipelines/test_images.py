"""A folder of images becomes a store; what is lost or not taken is named."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from PIL import Image

from pipelines import jobs
from pipelines.__main__ import entry
from pipelines.errors import PipelineError
from pipelines.execute import Summary
from pipelines.folders import image_names, search, unique_names
from pipelines.images import decode_photo
from pipelines.ledger import Ledger
from pipelines.store import open_store, summary
from pipelines.verify import verify
from workbench.data import Scenes
from workbench.data.catalog import Catalog
from workbench.errors import WorkbenchError
from workbench.widgets import DatasetBrowser

IDS = {
    "a.jpg": "a-jpg",
    "a.png": "a-png",
    "beach day/été 1.PNG": "beach_day-été_1",
    "broken.jpg": "broken",
    "deep/er/été 1.png": "deep-er-été_1",
    "elsewhere/far.png": "far",
    "grey16.png": "grey16",
    "sideways.tif": "sideways",
    "small.png": "small",
    "turned.jpg": "turned",
    "un/clear.webp": "clear",
}
"""Images of the folder below by their path, in the store's order, with their ids."""
LOST = {"broken", "small"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of images as people have them; not to be changed."""
    root = tmp_path_factory.mktemp("mine") / "holiday"
    far = root.with_name("far")
    for place in (root / "beach day", root / "deep" / "er", root / "un", root / ".cache", far):
        place.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def image(height: int, width: int, channels: int = 3) -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, (height, width, channels), np.uint8))

    sideways = Image.Exif()
    sideways[0x0112] = 6
    image(40, 50).save(root / "a.jpg")
    image(48, 36).save(root / "a.png")
    image(36, 40).save(root / "beach day" / "été 1.PNG")
    image(33, 40).save(root / "deep" / "er" / "été 1.png")
    image(34, 60).save(root / "turned.jpg", exif=sideways)
    image(34, 58).save(root / "sideways.tif", exif=sideways)
    image(40, 44, 4).save(root / "un" / "clear.webp", lossless=True)
    Image.fromarray(rng.integers(0, 65536, (35, 37), np.uint16)).save(root / "grey16.png")
    image(8, 900).save(root / "small.png")
    image(40, 40).save(far / "far.png")
    image(40, 40).save(root / ".hidden.png")
    image(40, 40).save(root / ".cache" / "thumbnail.png")
    (root / "broken.jpg").write_bytes((root / "a.jpg").read_bytes()[:700])
    (root / "notes.txt").write_text("no image")
    (root / "paper.pdf").write_bytes(b"%PDF")
    (root / "gone.jpg").symlink_to(root / "never.jpg")
    (root / "deep" / "loop").symlink_to("..")
    (root / "up").symlink_to("..")
    (root / "again").symlink_to("deep")
    (root / "elsewhere").symlink_to("../far")
    os.mkfifo(root / "pipe.jpg")
    return root


@pytest.fixture(scope="module")
def done(folder: Path, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    store = tmp_path_factory.mktemp("stores") / "holiday.zarr"
    return jobs.run("images", folder, store, unit=2, client=client, progress=False)


def test_every_image_is_as_the_reader_of_photographs_has_it(done: Summary, folder: Path) -> None:
    dataset = open_store(done.store)
    kept = {path: id for path, id in IDS.items() if id not in LOST}
    assert dataset["image_source"].values.tolist() == list(kept)
    assert dataset["id"].values.tolist() == list(kept.values())
    assert set(dataset["split"].values) == {"all"}
    for scene, path in zip(Scenes.open(done.store), kept, strict=True):
        content = (folder / path).read_bytes()
        np.testing.assert_array_equal(scene.pixels, decode_photo(content, path))
        row = dataset.isel(scene=dataset["id"].values.tolist().index(scene.id))
        assert row["image_sha256"].item() == hashlib.sha256(content).hexdigest()
    turned = dict(zip(kept, Scenes.open(done.store), strict=True))
    assert turned["turned.jpg"].size == (60, 34)
    assert turned["sideways.tif"].size == (58, 34)
    assert dataset["image"].shape[1:] == (60, 50, 3), "what is lost takes no room"
    assert verify(done.store, progress=False).ok


def test_what_is_lost_or_not_taken_is_named(done: Summary) -> None:
    reasons = {each.id: each.reason for each in done.quarantined}
    assert set(reasons) == LOST
    assert "a whole image in broken.jpg" in reasons["broken"]
    assert "at least 32×32 pixels in small.png, found 900×8" in reasons["small"]
    assert done.notes == (
        "4 files that are no images are not taken: gone.jpg, notes.txt, paper.pdf, pipe.jpg",
        "2 hidden files and folders are not taken: .cache, .hidden.png",
        "3 links to folders that are searched already are not taken: again, deep/loop, up",
    )
    assert "scenes of a folder of images" in str(summary(done.store))


def test_a_killed_run_ends_the_same(
    done: Summary, folder: Path, client: Client, tmp_path: Path
) -> None:
    store = tmp_path / "again.zarr"
    shutil.copytree(folder.parent, tmp_path, symlinks=True, dirs_exist_ok=True,
                    ignore=lambda *_: {"pipe.jpg"})  # fmt: skip
    moved = tmp_path / "holiday"
    (moved / "new.txt").write_text("not in the plan's fingerprint")
    first = jobs.run("images", moved, store, unit=2, client=client, progress=False)
    assert first.digest == done.digest
    # As a kill leaves it: no mark, whatever has reached the arrays.
    (Ledger(store).folder / "unit-00001.json").unlink()
    shutil.rmtree(store / "image" / "c" / "1")
    resumed = jobs.resume(store, root=folder, client=client, progress=False)
    assert (resumed.done, resumed.digest) == (1, done.digest)


def test_a_file_without_permission_is_quarantined(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "grey16.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with Client(processes=False, n_workers=1, dashboard_address=None) as client:
        found = jobs.run("images", folder, tmp_path / "a.zarr", client=client, progress=False)
    (reason,) = (each.reason for each in found.quarantined if each.id == "grey16")
    assert reason == "expected permission to read grey16.png, found none; give permission"


def test_names_that_are_not_utf8_are_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    shutil.copy(tmp_path / "a.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    plan = jobs.plan("images", tmp_path)
    assert plan.items == 1
    assert plan.notes == (r"1 files whose names are not UTF-8 are not taken: caf\xe9.png",)


def test_names_stay_apart_and_are_names_of_files() -> None:
    root = Path("x")
    expected = {
        "a b.png": "a_b-png-1",
        "a_b.png": "a_b-png-2",
        "A_b.png": "A_b",
        "b.c.png": "b_c",
        "e\u0301.png": "é-png",
        "é.gif": "é-gif",
        "u/v.jpg": "u-v-jpg-1",
        "u-v.jpg": "u-v-jpg-2",
        "w/v.jpg": "w-v",
    }
    names = image_names(root, [root / path for path in expected])
    assert names == list(expected.values())
    assert unique_names(names) == names, "a probe of the store calls them the same"


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("empty", r"images in .*empty .*found none among 0 files; name another folder"),
        ("texts", r"images in .*texts .*found none among 1 files; name another folder"),
        ("texts/a.txt", r"found a file; name the folder that holds the images"),
        ("nowhere", r"found no such folder"),
        (None, r"expected a folder for images, found none; name one with --root"),
    ],
)
def test_a_root_without_images_is_one_sentence(
    root: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    monkeypatch.setenv(jobs.DATA_VARIABLE, str(tmp_path))
    with pytest.raises(PipelineError, match=message):
        jobs.plan("images", root and tmp_path / root)


def test_readers_of_scenes_do_without_label_maps(done: Summary) -> None:
    scenes = Scenes.open(done.store)
    assert scenes[0].truths.shape == (0, *scenes[0].size)
    assert "annotators" not in scenes._repr_html_()
    with pytest.raises(WorkbenchError, match="scenes with label maps"):
        scenes.annotated()
    catalog = Catalog(done.store)
    assert catalog.annotators == []
    assert catalog.item(2).layers.shape == (0, 36, 40)
    browser = DatasetBrowser(done.store)
    assert browser.options("layer") == {"None": browser.layer}
    browser.check_raw_file()
    assert "is the recorded one" in browser.readout


def test_a_folder_of_nothing_but_broken_images(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"broken")
    done = jobs.run("images", tmp_path, tmp_path / "a.zarr", client=client, progress=False)
    assert [each.id for each in done.quarantined] == ["a"]
    with pytest.raises(WorkbenchError, match="none that could be read; see why: python -m"):
        Scenes.open(done.store)


def test_the_command_line_says_what_it_did(
    folder: Path, client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = str(client.scheduler_info()["address"])
    store = ["--store", str(tmp_path / "a.zarr")]
    assert entry(["plan", "images", "--root", str(folder)]) == 0
    assert "11 (11 all)" in capsys.readouterr().out
    assert entry(["run", "images", "--root", str(folder), *store, "--scheduler", address]) == 3
    out = capsys.readouterr().out
    assert "note: 2 hidden files and folders are not taken" in out
    assert "2 scenes quarantined" in out
    assert entry(["status", *store]) == 0
    assert len(search(folder).files) == 11
