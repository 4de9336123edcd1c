"""COCO: what arrives is what pycocotools and Pillow make of it; broken input has a clear end."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client
from PIL import Image
from pycocotools.coco import COCO

from pipelines import jobs
from pipelines.datasets import prepare, read_items
from pipelines.errors import PipelineError
from pipelines.records import Item
from pipelines.sources.sample_scenes import draw_scene
from pipelines.store import open_store
from pipelines.verify import verify

VAL = "annotations/instances_val2017.json"
SMALL = {"longest": 30, "size": 34, "splits": ("val",)}


def edit(root: Path, change: Callable[[dict], object], path: str = VAL) -> None:
    """Change the annotations of a split."""
    content = json.loads((root / path).read_text())
    change(content)
    (root / path).write_text(json.dumps(content))


def read(root: Path, **request: Any) -> list[Item]:
    """The items of the split val, read in this process."""
    made = prepare("coco", root, **{**SMALL, **request})
    return [item for lines in made.records for item in read_items(made.plan, lines)]


def problem(root: Path, **request: Any) -> str:
    """Why the only item that is quarantined is."""
    (item,) = [each for each in read(root, **request) if each.pixels is None]
    return item.problem


def notes_of(root: Path, **request: Any) -> tuple[str, ...]:
    made = prepare("coco", root, **{**SMALL, **request})
    return made.plan.notes


def first_image(root: Path) -> Path:
    return sorted((root / "val2017").iterdir())[0]


def spoil(segmentation: object) -> Callable[[dict], object]:
    """Give the first object that is no crowd another segmentation."""

    def change(content: dict) -> None:
        (each, *_) = [one for one in content["annotations"] if not one["iscrowd"]]
        each["segmentation"] = segmentation

    return change


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""pycocotools' own, where the tests let it decode."""


@pytest.fixture
def quiet_coco(coco: Path, capsys: pytest.CaptureFixture[str]) -> COCO:
    return COCO(coco / VAL)


@pytest.mark.parametrize("profile", ["local", "remote"])
def test_regions_are_what_the_paper_asks_for(
    coco: Path, client: Client, tmp_path: Path, profile: str, quiet_coco: COCO
) -> None:
    store = tmp_path / "store.zarr"
    request = {**SMALL, "unit": 7, "profile": profile, "crowds": "include"}
    jobs.run("coco", coco, store, client=client, progress=False, **request)
    dataset = open_store(store)
    ids = quiet_coco.getAnnIds()
    assert sorted(dataset["annotation_id"].values.tolist()) == sorted(ids)
    assert verify(store, progress=False).ok
    names = [each["name"] for each in dataset.attrs["categories"]]
    for index in range(dataset.sizes["region"]):
        row = dataset.isel(region=index)
        each = quiet_coco.loadAnns(int(row["annotation_id"]))[0]
        assert each["image_id"] == row["image_id"]
        assert each["category_id"] == row["category_id"]
        assert quiet_coco.cats[each["category_id"]]["name"] == names[int(row["category"])]
        assert row["box"].values.tolist() == each["bbox"]
        assert (row["area"], row["crowd"]) == (each["area"], bool(each["iscrowd"]))
        assert row["split"].item() == "val"

        height, width = int(row["height"]), int(row["width"])
        top, left = int(row["top"]), int(row["left"])
        assert max(height, width) == 30
        assert (top, left) == ((34 - height) // 2, (34 - width) // 2)
        inside = np.zeros((34, 34), bool)
        inside[top : top + height, left : left + width] = True
        image, mask = row["image"].values, row["mask"].values
        assert not image[~inside].any()
        assert not mask[~inside].any()
        x, y, w, h = (int(edge) for edge in each["bbox"])
        path = coco / row["image_source"].item()
        with Image.open(path) as raw:
            crop = raw.convert("RGB").crop((x, y, x + w, y + h))
        expected = np.asarray(crop.resize((width, height), Image.Resampling.BILINEAR))
        np.testing.assert_array_equal(image[inside].reshape(expected.shape), expected)
        whole = quiet_coco.annToMask(each)[y : y + h, x : x + w]
        covered = np.asarray(
            Image.fromarray(whole * np.uint8(255)).resize(
                (width, height), Image.Resampling.BILINEAR
            )
        )
        np.testing.assert_array_equal(mask[inside].reshape(covered.shape), covered >= 128)
        assert mask.any()


def test_regions_lie_in_the_order_split_image_annotation(coco: Path) -> None:
    items = read(coco, splits=())
    splits = [item.row["split"] for item in items]
    assert splits == sorted(splits, key=["train", "val"].index)
    keys = [(each.row["split"], each.row["image_id"], each.row["annotation_id"]) for each in items]
    assert keys == sorted(keys)
    assert {each.row["crowd"] for each in items} == {False}
    numbers = sorted({(each.row["category_id"], each.row["category"]) for each in items})
    assert all(official == 2 * number + 1 for official, number in numbers)


def test_scenes_hold_the_truth_that_was_drawn(coco: Path, client: Client, tmp_path: Path) -> None:
    store = tmp_path / "scenes.zarr"
    request = {"product": "scenes", "crowds": "include", "splits": ("val",), "unit": 2}
    jobs.run("coco", coco, store, client=client, progress=False, **request)
    dataset = open_store(store)
    assert dataset["label"].dims == ("scene", "annotator", "y", "x")
    exact = 0
    for index in range(dataset.sizes["scene"]):
        row = dataset.isel(scene=index)
        rng = np.random.default_rng((0, int(row["image_id"]) - 1000))
        size = (36, 48) if rng.random() < 2 / 3 else (48, 36)
        truth = draw_scene(rng, *size)
        labels = row["label"].values[0, : size[0], : size[1]]
        # Outlines of polygons are rounded: a pixel of an edge may go to the neighbour.
        exact += int((labels == truth.annotations[0]).mean() > 0.97)
        count = int(row["instances"])
        assert row["category"].values[:count].tolist() == list(truth.textures)
        assert not row["category"].values[count:].any()
    assert exact == 4


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([[1, 1, 9, 9]], "no polygon of three points"),
        ([[1, 1, 9, 9, 3]], "a polygon is a list of x, y"),
        ([[5, 5, 5, 5, 5, 5]], "covers a pixel in its box, found none covered"),
        ({"counts": [1, 2], "size": [48, 36]}, "run lengths of 3 pixels"),
        ({"counts": [-1, 1729], "size": [48, 36]}, "run lengths"),
        ({"counts": "0", "size": [48, 36]}, "run lengths of 0 pixels"),
        ({"counts": "oo", "size": [48, 36]}, "compressed run lengths that end"),
        ({"counts": [4], "size": [2, 2]}, "run lengths of height and width"),
        ({"size": [48, 36]}, "counts"),
        ("circle", "neither a list nor an object, but str"),
        ([[1, 1, 9, None, 9, 9]], "a list of finite numbers"),
        ([[0, 0, 1e9, 0, 1e9, 1e9]], "points beyond 10 times the image's sides"),
        ([[0, 0, 300, 300] * 50_000], "outlines of"),
        ({"counts": [0.5, 1727.5], "size": [48, 36]}, "no whole numbers"),
        ({"counts": [2**62] * 4 + [1728], "size": [48, 36]}, "run lengths of from"),
        ({"counts": "o" * 30 + "0", "size": [48, 36]}, "beyond 60 bits"),
        ({"counts": [4], "size": [2**40, 2**40]}, "run lengths of height and width"),
    ],
)
def test_a_broken_segmentation_is_quarantined(
    coco_to_damage: Path, segmentation: object, message: str
) -> None:
    edit(coco_to_damage, spoil(segmentation))
    assert message in problem(coco_to_damage)


def test_a_polygon_that_crosses_itself_is_filled_as_pycocotools_does(coco_to_damage: Path) -> None:
    bow = [[2.0, 2.0, 30.0, 30.0, 30.0, 2.0, 2.0, 30.0]]
    edit(coco_to_damage, spoil(bow))
    edit(coco_to_damage, lambda content: content["annotations"][0].update(bbox=[2, 2, 28, 28]))
    item = read(coco_to_damage)[0]
    assert item.pixels is not None
    assert 0.4 < item.pixels["mask"].mean() < 0.6


@pytest.mark.parametrize("box", [[500, 2, 9, 9], [2, 2, 0, 9], [2, 2, 9, -1], [-20, 2, 9, 9]])
def test_a_box_with_nothing_inside_is_quarantined(coco_to_damage: Path, box: list[int]) -> None:
    edit(coco_to_damage, lambda content: content["annotations"][0].update(bbox=box))
    assert "a box of annotation" in problem(coco_to_damage)


def test_a_box_that_reaches_beyond_the_image_is_cut(coco_to_damage: Path) -> None:
    edit(coco_to_damage, lambda content: content["annotations"][0].update(bbox=[-9, -9, 99, 99]))
    item = read(coco_to_damage)[0]
    assert item.pixels is not None
    assert sorted(item.pixels["mask"].shape) == [22, 30]
    assert item.row["box"] == [-9, -9, 99, 99]


def test_a_corrupt_jpeg_takes_its_own_objects_only(coco_to_damage: Path) -> None:
    path = first_image(coco_to_damage)
    path.write_bytes(path.read_bytes()[:-400])
    items = read(coco_to_damage)
    for item in items:
        assert (item.pixels is None) == (Path(item.source).name == path.name)
        assert item.pixels is not None or "a whole image in val2017/" in item.problem
    assert len(items) == len(read(coco_to_damage.parent / "coco"))


def converted(mode: str) -> Callable[[Image.Image], bytes]:
    def save(image: Image.Image) -> bytes:
        buffer = io.BytesIO()
        image.convert(mode).save(buffer, format="JPEG", quality=95, subsampling=0)
        return buffer.getvalue()

    return save


@pytest.mark.parametrize("mode", ["CMYK", "L"])
def test_other_colours_become_rgb(coco_to_damage: Path, mode: str) -> None:
    path = first_image(coco_to_damage)
    with Image.open(path) as image:
        path.write_bytes(converted(mode)(image.convert("RGB")))
    item = read(coco_to_damage)[0]
    assert item.pixels is not None
    assert item.pixels["image"].shape[2] == 3
    assert item.pixels["image"].mean() > 30


def test_exif_turns_an_image_only_where_the_annotations_ask_for_it(coco_to_damage: Path) -> None:
    path = first_image(coco_to_damage)
    plain = read(coco_to_damage)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    with Image.open(path) as image:
        stored = image.convert("RGB")
    stored.save(path, quality=95, subsampling=0, exif=exif)
    as_stored = read(coco_to_damage)[0]
    assert plain.pixels is not None
    assert as_stored.pixels is not None
    difference = plain.pixels["image"].astype(int) - as_stored.pixels["image"]
    assert np.abs(difference).mean() < 6, "annotations refer to stored pixels"

    stored.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, subsampling=0, exif=exif)
    upright = read(coco_to_damage)[0]
    assert upright.pixels is not None, "stored sideways: the annotated size says upright"
    difference = plain.pixels["image"].astype(int) - upright.pixels["image"]
    assert np.abs(difference).mean() < 6


def test_an_image_of_another_size_is_quarantined(coco_to_damage: Path) -> None:
    path = first_image(coco_to_damage)
    Image.new("RGB", (20, 20)).save(path)
    broken = [item for item in read(coco_to_damage) if item.pixels is None]
    assert {Path(item.source).name for item in broken} == {path.name}
    assert re.search(r"expected \d+×\d+ pixels .* found 20×20", broken[0].problem)


def test_what_has_no_image_is_noted_and_nothing_else_lost(coco_to_damage: Path) -> None:
    def change(content: dict) -> None:
        content["annotations"][0]["image_id"] = 4711

    before = len(read(coco_to_damage))
    edit(coco_to_damage, change)
    made = prepare("coco", coco_to_damage, **SMALL)  # type: ignore[arg-type]
    assert any("1 annotations in instances_val2017.json point at no image" in note
               for note in made.plan.notes)  # fmt: skip
    assert made.plan.items == before - 1


def test_images_that_are_not_there_are_noted_with_their_objects(coco_to_damage: Path) -> None:
    path = first_image(coco_to_damage)
    lost = sum(Path(item.source).name == path.name for item in read(coco_to_damage))
    path.unlink()
    assert (
        f"1 images in instances_val2017.json have no file in val2017/ and are left out with their "
        f"{lost} objects: {path.name}"
    ) in notes_of(coco_to_damage)


def twice(key: str, **other: object) -> Callable[[dict], object]:
    return lambda content: content[key].append({**content[key][0], **other})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("images"), "lists of `images` and .* annotations, categories"),
        (lambda content: content.update(annotations=None), "lists of `images` and `annotations`"),
        (lambda c: c["categories"][0].update(name="cat"), "as in the other split"),
        (twice("categories", name="cat"), "one name for category 1 .* found '.*' and 'cat'"),
    ],
)
def test_annotations_that_contradict_themselves_are_an_error_before_anything_is_written(
    coco_to_damage: Path,
    client: Client,
    tmp_path: Path,
    change: Callable[[dict], object],
    message: str,
) -> None:
    edit(coco_to_damage, change)
    with pytest.raises(PipelineError, match=message) as error:
        jobs.run("coco", coco_to_damage, tmp_path / "new.zarr", client=client, progress=False)
    assert "download" not in str(error.value)
    assert {path.name for path in tmp_path.iterdir()} == {"coco"}


def test_malformed_json_is_an_error(coco_to_damage: Path) -> None:
    path = coco_to_damage / VAL
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(PipelineError, match=r"instance annotations in .*no JSON \("):
        jobs.plan("coco", coco_to_damage)


def test_json_over_several_lines_is_the_same(coco_to_damage: Path) -> None:
    before = prepare("coco", coco_to_damage)
    path = coco_to_damage / VAL
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    after = prepare("coco", coco_to_damage)
    assert all(lines.count(b"\n") == lines.count(b'"objects"') for lines in after.records)
    items = [list(read_items(m.plan, b"".join(m.records))) for m in (before, after)]
    for one, other in zip(*items, strict=True):
        assert one.row == other.row
        assert one.pixels is not None
        assert other.pixels is not None
        np.testing.assert_array_equal(one.pixels["mask"], other.pixels["mask"])


def test_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text("{}")
    expected = r"annotations/instances_\*\.json beside .* found other files: labels\.json"
    with pytest.raises(PipelineError, match=expected + ".*--annotations FILE --images FOLDER"):
        jobs.plan("coco", tmp_path)


def test_a_store_of_one_split(coco: Path) -> None:
    assert [name for name, _ in jobs.plan("coco", coco, splits=("val",)).splits] == ["val"]


@pytest.mark.parametrize("rooted", [True, False])
def test_a_named_file_and_folder_are_read_resumed_and_moved(
    coco_to_damage: Path,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rooted: bool,
) -> None:
    (coco_to_damage / VAL).rename(coco_to_damage / "labels.json")
    store, moved = tmp_path / "a.zarr", tmp_path / "moved"
    places = {"annotations": coco_to_damage / "labels.json", "images": coco_to_damage / "val2017"}
    monkeypatch.chdir(tmp_path)
    given = {key: path.relative_to(tmp_path) for key, path in places.items()}
    root = coco_to_damage if rooted else None
    request = {"longest": 30, "size": 34, "client": client, "progress": False}
    done = jobs.run("coco", root, store, **request, **given)
    assert jobs.run("coco", root, store, **request, **given).skipped == 1
    coco_to_damage.rename(moved)
    resumed = jobs.resume(
        store, root=moved if rooted else moved / "val2017", redo=[0], client=client, progress=False
    )
    assert (resumed.done, resumed.digest) == (1, done.digest)
    with pytest.raises(PipelineError, match="give both --annotations FILE and --images FOLDER"):
        jobs.plan("coco", moved, annotations="labels.json")
