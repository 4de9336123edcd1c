"""CIFAR-10: three layouts of the same images give the same store; what is wrong is said."""

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest
from distributed import Client
from PIL import Image

from pipelines import images, jobs
from pipelines.errors import PipelineError
from pipelines.execute import UnitError
from pipelines.records import Item
from pipelines.sources import arrays_only, cifar
from pipelines.sources.cifar_batches import BATCHES
from pipelines.sources.sample import write_sample
from pipelines.store import open_store
from pipelines.verify import verify

STEP = 3073
META = "batches.meta.txt"
REAL = "cifar10-jpeg.zip"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve rows a batch file, in the binary layout; not to be changed."""
    root = tmp_path_factory.mktemp("cifar")
    write_sample(root / "raw", train=60, test=12, layout="cifar10")
    return root / "raw"


@pytest.fixture
def binary(sample: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    folder = tmp_path / "binary"
    folder.mkdir()
    for path in (sample / "cifar-10-batches-bin").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def rows_of(path: Path) -> np.ndarray:
    return np.frombuffer(path.read_bytes(), np.uint8).reshape(-1, STEP)


class _OfPython2(pickle._Pickler):
    """Strings as Python 2 wrote them, which made the official pickles."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def _string(self, value: str | bytes) -> None:
        content = value if isinstance(value, bytes) else value.encode()
        self.write(pickle.BINSTRING + len(content).to_bytes(4, "little") + content)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = _string


def pickled(content: object) -> bytes:
    file = io.BytesIO()
    _OfPython2(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def write_pickles(binary: Path, folder: Path, dump: Callable[[object], bytes] = pickled) -> Path:
    folder.mkdir(exist_ok=True)
    for name, _ in BATCHES:
        rows = rows_of(binary / f"{name}.bin")
        batch = {"data": rows[:, 1:].copy(), "labels": rows[:, 0].tolist(), "batch_label": name}
        (folder / name).write_bytes(dump(batch))
    names = (binary / META).read_text().split("\n")[:-1]
    (folder / "batches.meta").write_bytes(dump({"label_names": names, "num_vis": 3072}))
    return folder


def write_zip(binary: Path, folder: Path, extension: str = "png") -> Path:
    folder.mkdir(exist_ok=True)
    names = (binary / META).read_text().split("\n")[:-1]
    counts: dict[str, int] = {}
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for batch, split in BATCHES:
            for row in rows_of(binary / f"{batch}.bin"):
                where = f"{split}/{names[row[0]]}"
                counts[where] = counts.get(where, -1) + 1
                file = io.BytesIO()
                pixels = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                Image.fromarray(pixels).save(file, extension)
                archive.writestr(f"{where}/{counts[where]:04d}.{extension}", file.getvalue())
    return folder


def items_of(root: Path) -> list[Item]:
    listing = cifar.discover(root)
    numbers = {number: number for number, _ in listing.categories}
    return [each for r in listing.records for each in cifar.items(r, listing.root, {}, numbers)]


def sorted_by_category(found: list[Item], names: dict[int, str]) -> list[Item]:
    return sorted(
        found, key=lambda each: (each.row["split"] == "test", names[each.row["category"]])
    )


def test_three_layouts_give_the_same(binary: Path, tmp_path: Path) -> None:
    raw = np.concatenate([rows_of(binary / f"{name}.bin") for name, _ in BATCHES])
    folders = [
        binary,
        write_pickles(binary, tmp_path / "py2"),
        write_pickles(binary, tmp_path / "py3", lambda each: pickle.dumps(each, protocol=5)),
        write_zip(binary, tmp_path / "zip"),
    ]
    of_rows = [items_of(folder) for folder in folders[:3]]
    for found in of_rows:
        assert [each.row["category"] for each in found] == raw[:, 0].tolist()
        assert [each.row["number"] for each in found] == [*range(60), *range(12)]
        assert [each.row["split"] for each in found] == ["train"] * 60 + ["test"] * 12
        planes = np.stack([each.pixels["image"] for each in found]).transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(planes.reshape(-1, 3072), raw[:, 1:])
    zipped, names = items_of(folders[3]), dict(cifar.discover(binary).categories)
    names_of_zip = dict(cifar.discover(folders[3]).categories)
    expected = sorted_by_category(of_rows[0], names)
    for one, other in zip(expected, zipped, strict=True):
        np.testing.assert_array_equal(one.pixels["image"], other.pixels["image"])
        assert names[one.row["category"]] == names_of_zip[other.row["category"]]
        assert (one.row["split"], other.row["number"]) == (other.row["split"], -1)


def test_a_unit_reads_the_bytes_of_its_own_images(
    binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [binary, write_pickles(binary, tmp_path / "py"), write_zip(binary, tmp_path / "zip")]
    listings = [cifar.discover(folder) for folder in folders]
    read: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda f, n, at: read.append(n) or pread(f, n, at))
    monkeypatch.setattr(zipfile, "ZipFile", None)
    for listing in listings:
        record = listing.records[1].part(3, 5)
        record = msgspec.json.decode(msgspec.json.encode(record), type=type(record))
        read.clear()
        numbers = {number: number for number in range(10)}
        assert len(list(cifar.items(record, listing.root, {}, numbers))) == 2
        assert sum(read) < 2 * 5000


def test_a_store_with_a_damaged_member(binary: Path, client: Client, tmp_path: Path) -> None:
    folder = write_zip(binary, tmp_path / "zip", "jpeg")
    with zipfile.ZipFile(folder / "images.zip") as archive:
        names = [each for each in archive.namelist() if each.startswith("train")]
        member = archive.getinfo(names[7])
    content = bytearray((folder / "images.zip").read_bytes())
    content[member.header_offset + 120 : member.header_offset + 140] = bytes(20)
    (folder / "images.zip").write_bytes(content)
    done = jobs.run("cifar10", folder, tmp_path / "s.zarr", unit=20, client=client, progress=False)
    (lost,) = done.quarantined
    assert lost.id == names[7].removesuffix(".jpeg")
    assert f"the bytes of {lost.id} of images.zip as the zip's directory has them" in lost.reason
    dataset = open_store(done.store)
    assert dataset["image"].dims == ("image", "y", "x", "channel")
    assert dataset.sizes["image"] == 71
    assert lost.id not in dataset["id"].values
    assert dataset.attrs["kind"] == "structured-layers-images"
    assert verify(done.store, progress=False).ok


def test_a_member_that_is_no_image_of_this_size(binary: Path, tmp_path: Path) -> None:
    folder = write_zip(binary, tmp_path / "zip")
    large = io.BytesIO()
    Image.new("RGB", (40, 32)).save(large, "png")
    with zipfile.ZipFile(folder / "images.zip", "a") as archive:
        archive.writestr("train/coarse dots/0900.jpg", b"no image")
        archive.writestr("data/test/checkerboard/0901.PNG", large.getvalue())
        archive.writestr("LICENSE", "none")
    with pytest.raises(PipelineError, match=r"10 categories in .* found 11: checkerboard, coarse"):
        cifar.discover(folder)
    with zipfile.ZipFile(folder / "images.zip") as archive:
        kept = {name: archive.read(name) for name in archive.namelist() if "coarse d" not in name}
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:  # stored this time
        for name, content in kept.items():
            archive.writestr(name, content)
        archive.writestr("train/checkerboard/0900.jpg", b"no image")
    assert cifar.discover(folder).notes == ("1 other members of images.zip are left out: LICENSE",)
    problems = [each.problem for each in items_of(folder) if each.problem]
    assert "an image in train/checkerboard/0900 of images.zip" in problems[0]
    assert "32×32 pixels in test/checkerboard/0901 of images.zip, found 40×32" in problems[1]


def shorten(folder: Path) -> None:
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_category(folder: Path) -> None:
    path = folder / "test_batch.bin"
    rows = rows_of(path)
    path.write_bytes(rows[rows[:, 0] != 4].tobytes())


def relabel(folder: Path) -> None:
    path = folder / "data_batch_1.bin"
    path.write_bytes(b"\x0b" + path.read_bytes()[1:])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            shorten,
            r"rows of 3,073 bytes in .*data_batch_3.bin, found 36,875 bytes, 3,072 more",
        ),
        (lose_a_category, "all 10 categories in test of .*, found none of fine waves at 90°"),
        (relabel, "labels from 0 to 9 in .*data_batch_1.bin, found 11"),
        (lambda folder: (folder / "data_batch_5.bin").unlink(), "data_batch_5.bin in .* no such"),
        (lambda folder: (folder / META).unlink(), "batches.meta.txt in .*, found no such file"),
    ],
)
def test_damaged_binary_files(binary: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(binary)
    with pytest.raises(PipelineError, match=message):
        jobs.plan("cifar10", binary)


class _Harm:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("harm", [_Harm(), np.random.default_rng, Path("x"), np.save])
def test_a_pickle_that_names_anything_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, harm: object
) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({b"data": np.zeros(2), b"labels": [harm]}, protocol=protocol)
    with pytest.raises(PipelineError, match=r"found one that would call \S+, which was not done"):
        arrays_only.load(content, "data_batch_1")
    assert not (tmp_path / "harm").exists()


def test_pickles_of_something_else(binary: Path, tmp_path: Path) -> None:
    folder = write_pickles(binary, tmp_path / "py")
    path = folder / "data_batch_2"
    whole = path.read_bytes()
    data = rows_of(binary / "data_batch_2.bin")[:, 1:]
    labels = [0] * len(data)
    for content, message in [
        (whole[:-200], "found none that is whole"),
        (b"", "found none that is whole"),
        (pickle.dumps([1, 2]), "a dict with `data` in .*data_batch_2, found list"),
        (pickle.dumps({"data": data}), "a dict with `labels` in .*data_batch_2, found data"),
        (pickle.dumps({"data": data / 2, "labels": labels}), "found float64 of"),
        (pickle.dumps({"data": data, "labels": labels[1:]}), "a list of 12 whole numbers"),
        (
            pickle.dumps({"data": np.asfortranarray(data), "labels": labels}, protocol=5),
            "`data` in one piece, row by row, in .*, found an array that is stored in another way",
        ),
    ]:
        path.write_bytes(content)
        with pytest.raises(PipelineError, match=message):
            jobs.plan("cifar10", folder)


def test_bytes_that_changed_since_the_plan(binary: Path, client: Client, tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    jobs.begin(jobs.planned("cifar10", binary, unit=12), store)
    path = binary / "data_batch_4.bin"
    content = bytearray(path.read_bytes())
    content[5 * STEP + 77] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnitError, match=r"unit 3: .* train/00041 in data_batch_4.bin as the plan"):
        jobs.resume(store, client=client, progress=False)


def test_files_without_loss_come_first(binary: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_zip(binary, data, "jpeg").joinpath("images.zip").rename(data / "others.zip")
    assert cifar.discover(data).root == data
    write_zip(binary, data / "cifar10", "jpeg")
    assert cifar.discover(data).layout == "CIFAR-10, zip of images"
    write_pickles(binary, data / "cifar10" / "cifar-10-batches-py")
    assert cifar.discover(data).layout == "CIFAR-10, pickles"
    binary.rename(data / "cifar10" / "cifar-10-batches-bin")
    assert cifar.discover(data).layout == "CIFAR-10, binary"


def test_nothing_there_and_what_is_not_as_published(binary: Path, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"a zip of train/ and test/ in .*, found binary"):
        jobs.plan("cifar10", tmp_path)
    (note,) = jobs.plan("cifar10", binary).notes
    assert note.startswith("not 10,000 images a file as in CIFAR-10: data_batch_1.bin 12,")


@pytest.mark.data
def test_the_first_real_images(data_root: Path, client: Client, tmp_path: Path) -> None:
    """Twenty images of each category, as `zipfile` and Pillow read them."""
    if not (data_root / "cifar10" / REAL).is_file():
        pytest.skip(f"no cifar10/{REAL} in {data_root}")
    folder = tmp_path / "cifar10"
    folder.mkdir()
    with zipfile.ZipFile(data_root / "cifar10" / REAL) as archive:
        names = [name for name in archive.namelist() if name.split("/")[-1] < "0020"]
        contents = {name: archive.read(name) for name in names}
    with zipfile.ZipFile(folder / "some.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    done = jobs.run("cifar10", tmp_path, tmp_path / "a.zarr", client=client, progress=False)
    assert done.quarantined == ()
    dataset = open_store(done.store)
    assert dataset["id"].values.tolist() == [name.removesuffix(".jpg") for name in names]
    assert [each["name"] for each in dataset.attrs["categories"]][:2] == ["airplane", "automobile"]
    found = dataset["image"].values
    for pixels, content in zip(found, contents.values(), strict=True):
        np.testing.assert_array_equal(pixels, images.decode_image(content, "it"))
    assert 100 < found.mean() < 140
