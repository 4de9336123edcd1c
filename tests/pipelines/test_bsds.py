"""The source: both layouts, what the splits mean, and every way in which a scene can be broken."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from pipelines import label_maps
from pipelines.errors import BadInput, PipelineError
from pipelines.sources import bsds
from pipelines.sources.bsds import SceneRecord


def scene_files(root: Path, scene_id: str = "1000") -> tuple[Path, Path]:
    (image,) = root.glob(f"images/*/{scene_id}.jpg")
    (truth,) = root.glob(f"groundTruth/*/{scene_id}.mat")
    return image, truth


def record_of(root: Path, scene_id: str = "1000") -> SceneRecord:
    (record,) = [each for each in bsds.discover(root).records if each.id == scene_id]
    return record


def test_both_layouts_hold_the_same_scenes(samples: Path) -> None:
    old, new = (bsds.discover(samples / layout) for layout in ("bsds300", "bsds500"))
    assert (old.layout, new.layout) == ("BSDS300", "BSDS500")
    for one, other in zip(old.records, new.records, strict=True):
        assert (one.id, one.split) == (other.id, other.split)
        assert (one.height, one.width, one.annotators) == (
            other.height,
            other.width,
            other.annotators,
        )
        first, second = bsds.read(one, old.root), bsds.read(other, new.root)
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("nested", ["", "data", "BSDS500/data", "BSR/BSDS500/data", "BSDS500"])
def test_the_dataset_is_found_where_its_archives_unpack(
    samples: Path, tmp_path: Path, nested: str
) -> None:
    shutil.copytree(samples / "bsds500", tmp_path / "there" / nested, dirs_exist_ok=True)
    listing = bsds.discover(tmp_path / "there")
    assert listing.root == tmp_path / "there" / nested
    assert listing.records == bsds.discover(samples / "bsds500").records


def test_the_protocol_says_what_is_held_out(root: Path) -> None:
    shutil.copytree(root / "images" / "val", root / "images" / "test")
    default = bsds.discover(root)
    assert [record.split for record in default.records] == ["train"] * 5 + ["test"] * 3
    assert all("/val/" in record.image.path for record in default.records[5:])
    assert default.notes == (
        "3 images of BSDS500's test folder are left out: protocol bsds300 does not use them",
    )
    full = bsds.discover(root, "bsds500")
    assert [record.split for record in full.records] == ["train"] * 5 + ["val"] * 3 + ["test"] * 3
    assert full.notes == ()


def test_bsds300s_test_images_are_bsds500s_val(samples: Path) -> None:
    splits = [record.split for record in bsds.discover(samples / "bsds300", "bsds500").records]
    assert splits == ["train"] * 5 + ["val"] * 3


@pytest.mark.parametrize("layout", ["bsds300", "bsds500"])
def test_ground_truths_without_image_are_noted(samples: Path, tmp_path: Path, layout: str) -> None:
    root = shutil.copytree(samples / layout, tmp_path / "raw")
    next(root.glob("images/*/1006.jpg")).unlink()
    assert "1 ground truths have no image: 1006" in bsds.discover(root).notes


def test_bsds300s_lists_say_which_images_count(samples: Path, tmp_path: Path) -> None:
    root = shutil.copytree(samples / "bsds300", tmp_path / "raw")
    (root / "iids_train.txt").write_text("1000\n1003\n4711\n")
    listing = bsds.discover(root)
    assert [each.id for each in listing.records] == ["1000", "1003", "1005", "1006", "1007"]
    assert listing.notes == (
        "3 images of train are left out: iids_train.txt does not name 1001, 1002, 1004",
        "iids_train.txt names 1 images that are absent: 4711",
    )
    (root / "iids_train.txt").unlink()
    assert len(bsds.discover(root).records) == 8


def test_grey_annotations_serve_only_where_there_are_no_others(
    samples: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(samples / "bsds300", tmp_path / "raw")
    shutil.copytree(root / "human" / "color" / "1101", root / "human" / "gray" / "1199")
    assert bsds.discover(root).records == bsds.discover(samples / "bsds300").records
    shutil.rmtree(root / "human" / "color")
    assert record_of(root).annotations[0].path == "human/gray/1199/1000.seg"


def test_an_empty_folder_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"images/ beside groundTruth/.*found an empty folder"):
        bsds.discover(tmp_path)
    with pytest.raises(PipelineError, match="found no such folder"):
        bsds.discover(tmp_path / "nowhere")


def test_a_wrong_folder_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").touch()
    with pytest.raises(PipelineError, match=r"found holiday\.png"):
        bsds.discover(tmp_path)


def test_folders_without_images_are_refused(root: Path) -> None:
    shutil.rmtree(root / "images")
    (root / "images" / "train").mkdir(parents=True)
    with pytest.raises(PipelineError, match=r"images in images/\{train,val\}/"):
        bsds.discover(root)


def test_missing_ground_truth(root: Path) -> None:
    scene_files(root)[1].unlink()
    with pytest.raises(BadInput, match=r"a ground truth for images/train/1000\.jpg, found none"):
        bsds.read(record_of(root), root)


def test_truncated_jpeg(root: Path) -> None:
    image, _ = scene_files(root)
    image.write_bytes(image.read_bytes()[:-500])
    with pytest.raises(BadInput, match="a whole image in"):
        bsds.read(record_of(root), root)


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_file_that_is_no_image(root: Path, content: bytes) -> None:
    scene_files(root)[0].write_bytes(content)
    record = record_of(root)
    assert (record.height, record.width) == (0, 0)
    with pytest.raises(BadInput, match="an image in"):
        bsds.read(record, root)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "bits", "another variable"])
def test_unreadable_mat(root: Path, damage: str) -> None:
    _, truth = scene_files(root)
    content = truth.read_bytes()
    if damage == "another variable":
        scipy.io.savemat(truth, {"other": np.ones(3)})
    else:
        truth.write_bytes(
            {
                "empty": b"",
                "truncated": content[: len(content) // 2],
                "text": b"not a MATLAB file\n" * 40,
                "bits": content[:300] + bytes(200) + content[500:],
            }[damage]
        )
    with pytest.raises(BadInput, match=r"`groundTruth` .* in groundTruth/train/1000\.mat"):
        bsds.read(record_of(root), root)


def saved(**variables: object) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


def structures(count: int, field: str = "Segmentation") -> np.ndarray:
    found = np.zeros((1, count), dtype=[(field, object)])
    for index in range(count):
        found[0, index] = (np.full((36, 48), index + 1, np.uint16),)
    return found


def cells(*maps: np.ndarray) -> np.ndarray:
    found = np.empty((1, len(maps)), object)
    for index, each in enumerate(maps):
        found[0, index] = each
    return found


@pytest.mark.parametrize(
    ("truth", "count"),
    [
        (structures(2), 2),
        (structures(1), 1),
        (np.full((36, 48), 3, np.uint8), 1),
        (cells(np.full((36, 48), 1.0), np.full((36, 48), 2, np.uint8)), 2),
    ],
)
def test_dialects_of_mat(root: Path, truth: np.ndarray, count: int) -> None:
    scene_files(root)[1].write_bytes(saved(groundTruth=truth))
    record = record_of(root)
    assert record.annotators == count
    first = 3 if truth.dtype == np.uint8 else 1
    found = [int(labels.max()) for labels in bsds.read(record, root).labels]
    assert found == list(range(first, first + count))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"MATLAB 7.3 MAT-file".ljust(700), "save it with `-v7`"),
        (saved(groundTruth=structures(2, "Boundaries")), "found the fields Boundaries"),
        (
            saved(seg=np.ones((36, 48)), note="x"),
            r"variables seg \(36×48 double\), note \(1 char\)",
        ),
        (saved(groundTruth=cells(*[np.ones(1)] * 1001)), "at most 1000 segmentations"),
    ],
)
def test_a_mat_of_another_kind_says_what_it_holds(root: Path, content: bytes, message: str) -> None:
    scene_files(root)[1].write_bytes(content)
    record = record_of(root)
    assert record.annotators <= 2
    with pytest.raises(BadInput, match=message):
        bsds.read(record, root)


def test_images_of_any_suffix_are_taken_and_what_is_no_file_is_named(root: Path) -> None:
    image, truth = scene_files(root)
    for name, mode in (("a.PNG", "RGB"), ("b.jpeg", "L"), ("c.tif", "CMYK")):
        Image.new(mode, (48, 36)).save(image.with_name(name))
        shutil.copy(truth, truth.with_name(f"{name[0]}.mat"))
    Image.new("RGB", (48, 36)).save(image.with_name("a.webp"))
    image.with_name("loop.jpg").symlink_to("loop.jpg")
    image.with_name("gone.jpg").symlink_to("never.jpg")
    os.mkfifo(image.with_name("pipe.jpg"))
    os.mkfifo(truth.with_name("pipe.mat"))
    (root / "iids_train.txt").write_bytes(b"a b c 1000 \xff\xfe")
    listing = bsds.discover(root)
    assert [each.id for each in listing.records[:4]] == ["1000", "a", "b", "c"]
    for record in listing.records[1:4]:
        assert bsds.read(record, root).image.shape == (36, 48, 3)
    (note,) = (each for each in listing.notes if "are not taken" in each)
    assert note.startswith("4 files of images/train are not taken")
    for name in ("a.webp", "loop.jpg", "gone.jpg", "pipe.jpg"):
        assert f"images/train/{name}" in note


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((10, 10), np.uint16), "label maps of .* found 10×10"),
        (np.zeros((36, 48), np.uint16), "labels from 0 to 0"),
        (np.full((36, 48), 70000), "labels from 70000 to 70000"),
        (np.full((36, 48), -1), "labels from -1"),
        (np.full((36, 48), 1.5), "label maps of whole numbers"),
        (np.full((36, 48), np.nan), "label maps of whole numbers"),
        (np.ones((36, 48, 2), np.uint16), "label maps of whole numbers"),
    ],
)
def test_impossible_labels(root: Path, labels: np.ndarray, message: str) -> None:
    image, truth = scene_files(root)
    Image.new("RGB", (48, 36)).save(image)
    truth.write_bytes(label_maps.encode_mat([labels], [np.zeros((1, 1), np.uint8)]))
    with pytest.raises(BadInput, match=message):
        bsds.read(record_of(root), root)


def test_a_ground_truth_without_segmentations(root: Path) -> None:
    scene_files(root)[1].write_bytes(label_maps.encode_mat([], []))
    with pytest.raises(BadInput, match="at least one segmentation"):
        bsds.read(record_of(root), root)


def test_a_file_that_changed_since_the_plan_is_no_bad_input(root: Path) -> None:
    record = record_of(root)
    image, _ = scene_files(root)
    image.write_bytes(image.read_bytes() + b" ")
    with pytest.raises(PipelineError, match="as the plan has it") as caught:
        bsds.read(record, root)
    assert not isinstance(caught.value, BadInput)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colour_modes_become_rgb(root: Path, mode: str) -> None:
    image, _ = scene_files(root)
    with Image.open(image) as original:
        original.convert(mode).save(image, format="JPEG")
    scene = bsds.read(record_of(root), root)
    with Image.open(image) as expected:
        np.testing.assert_array_equal(scene.image, np.array(expected.convert("RGB")))


def test_exif_turns_an_image_only_where_the_annotators_saw_it_turned(root: Path) -> None:
    image, truth = scene_files(root)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 255, (36, 48, 3), np.uint8)
    Image.fromarray(pixels).save(image, exif=exif)
    for shape in [(36, 48), (48, 36)]:
        truth.write_bytes(label_maps.encode_mat([np.ones(shape, np.uint16)], [np.zeros((1, 1))]))
        record = record_of(root)
        scene = bsds.read(record, root)
        assert scene.image.shape[:2] == shape
        assert record.height >= shape[0]
        assert record.width >= shape[1]


SEG = b"format ascii cr\nwidth 3\nheight 2\nsegments 2 # a comment\ndata\n"


def test_seg_rows_may_come_in_any_order() -> None:
    labels = label_maps.decode_seg(SEG + b"1 1 0 2\n1 0 2 2\n0 0 0 1\n", "a.seg")
    np.testing.assert_array_equal(labels, [[1, 1, 2], [2, 2, 2]])
    assert labels.dtype == np.uint16


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SEG + b"0 0 0 2\n", "every pixel of 2×3 named exactly once"),
        (SEG + b"0 0 0 2\n1 0 0 2\n", "every pixel"),
        (SEG + b"0 0 0 2\n1 2 0 2\n", "every pixel"),
        (SEG + b"0 0 0 3\n1 1 0 1\n", "every pixel"),
        (SEG + b"0 0 0 2\n1 1 0\n", "rows of four numbers"),
        (b"width 3\ndata\n0 0 0 2\n", "a .seg header"),
        (b"\xff\xd8\xff", "a .seg header"),
        (SEG.replace(b"ascii cr", b"binary map") + b"0 0 0 2\n1 1 0 2\n", "format `binary map`"),
        (b"flipflop 1\n" + SEG + b"0 0 0 2\n1 1 0 2\n", "flipflop 1"),
    ],
)
def test_broken_seg(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        label_maps.decode_seg(content, "a.seg")


def test_mat_written_twice_is_the_same() -> None:
    maps = [np.ones((3, 4), np.uint16), np.full((3, 4), 2, np.uint16)]
    content = label_maps.encode_mat(maps, maps)
    assert content == label_maps.encode_mat(maps, maps)
    np.testing.assert_array_equal(label_maps.decode_mat(content, "a.mat"), maps)
    loaded = scipy.io.loadmat(io.BytesIO(content))["groundTruth"]
    assert loaded.shape == (1, 2)
    assert loaded[0, 0]["Segmentation"][0, 0].dtype == np.uint16
