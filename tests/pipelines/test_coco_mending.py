"""COCO's data sets as exporters write them: what a record lacks concerns it alone, and is said."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.datasets import prepare, read_items
from pipelines.errors import PipelineError
from pipelines.plan import Plan
from pipelines.records import Item

VAL = "annotations/instances_val2017.json"
REQUEST = {"longest": 30, "size": 34, "splits": ("val",), "crowds": "include"}
Change = Callable[[dict], object]


def edit(root: Path, change: Change) -> None:
    content = json.loads((root / VAL).read_text())
    change(content)
    (root / VAL).write_text(json.dumps(content))


def read(root: Path, **request: Any) -> tuple[Plan, list[Item]]:
    made = prepare("coco", root, **{**REQUEST, **request})
    return made.plan, [item for lines in made.records for item in read_items(made.plan, lines)]


def all_of(key: str, **values: Callable[[Any], object]) -> Change:
    """Change values of every record, which may lack them."""

    def change(content: dict) -> None:
        for record in content[key]:
            for name, of in values.items():
                record[name] = of(record.get(name))

    return change


def first(key: str, **values: object) -> Change:
    return lambda content: content[key][0].update(values)


def without(key: str, name: str) -> Change:
    return lambda content: [record.pop(name) for record in content[key]]


def as_text(content: dict) -> None:
    all_of("images", id=str, height=str, width=float)(content)
    all_of("categories", id=float)(content)
    all_of("annotations", id=str, image_id=str, category_id=str, area=str)(content)
    all_of("annotations", iscrowd=bool, bbox=lambda box: [str(edge) for edge in box])(content)


@pytest.mark.parametrize(
    "change",
    [
        as_text,
        without("images", "height"),
        all_of(
            "annotations", segmentation=lambda each: each[0] if isinstance(each, list) else each
        ),
        all_of("images", height=lambda _: 0, width=lambda _: None),
        all_of("images", file_name=lambda name: f"val2017\\\\{name}"),
        all_of("images", file_name=lambda name: f"/home/me/{name}"),
        all_of("images", file_name=lambda name: f"../upload/1/{name}"),
        all_of("images", file_name=lambda _: None, coco_url=lambda _: None),
        lambda content: content["images"].append(content["images"][0]),
    ],
)
def test_what_says_the_same_in_other_words_reads_the_same(
    coco_to_damage: Path, change: Change
) -> None:
    _, before = read(coco_to_damage)
    names = {
        each["id"]: each["file_name"]
        for each in json.loads((coco_to_damage / VAL).read_text())["images"]
    }
    edit(coco_to_damage, change)
    edit(coco_to_damage, lambda content: [
        each.update(coco_url=f"http://images.org/val2017/{names[each['id']]}")
        for each in content["images"] if each["file_name"] is None
    ])  # fmt: skip
    _, after = read(coco_to_damage)
    assert len(before) == len(after)
    for one, other in zip(before, after, strict=True):
        assert one.row == other.row
        assert one.pixels is not None
        assert other.pixels is not None
        np.testing.assert_array_equal(one.pixels["mask"], other.pixels["mask"])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(coco_to_damage: Path, encoding: str) -> None:
    edit(coco_to_damage, lambda content: content["info"].update(by="café") if "info" in content
         else content.update(info={"by": "café"}))  # fmt: skip
    content = json.loads((coco_to_damage / VAL).read_text())
    content["images"][0]["file_name"] = "über.jpg"
    image = sorted((coco_to_damage / "val2017").iterdir())[0]
    image.rename(image.with_name("über.jpg"))
    (coco_to_damage / VAL).write_bytes(json.dumps(content, ensure_ascii=False).encode(encoding))
    plan, items = read(coco_to_damage)
    assert any(item.row["image_source"] == "val2017/über.jpg" for item in items)
    latin = [note for note in plan.notes if "are not UTF-8 and are read as Latin-1: 0x" in note]
    assert len(latin) == (encoding == "latin-1"), plan.notes


@pytest.mark.parametrize(
    ("change", "lost", "note"),
    [
        (first("annotations", id=2**63), 1, r"1 annotations .* as `id`.* left out: 92233"),
        (first("annotations", id="a7"), 1, r"1 annotations .* as `id`.* left out: a7"),
        (first("annotations", category_id=2**40), 1, r"as `category_id`.*\(1099511627776\)"),
        (first("annotations", category_id=99), 1, r"not declared and are left out: .* 99\)"),
        (first("annotations", image_id=None), 1, r"as `image_id`.* \(None\)"),
        (lambda c: c["annotations"].append(7), 0, "1 annotations .* no objects of JSON .*: 7"),
        (lambda c: c["annotations"].append(c["annotations"][0]), -1, r"new ids: \d+ \(2 times\)"),
        (lambda c: c.pop("categories"), 0, r"categories .* their ids for names"),
        (first("annotations", bbox=[float("nan"), 1, 2, 3]), 0, "1 annotations .* no box of four"),
        (lambda c: c["annotations"][0].pop("bbox"), 0, "1 annotations .* no box of four"),
        (first("annotations", bbox=None, segmentation=None), 0, "neither a box nor a segm"),
        (first("annotations", segmentation=[[]]), 0, "1 of .* no segmentation: the box is the"),
    ],
)  # fmt: skip
def test_a_record_that_lacks_something_is_mended_or_left_out_alone(
    coco_to_damage: Path, change: Change, lost: int, note: str
) -> None:
    _, before = read(coco_to_damage)
    edit(coco_to_damage, change)
    plan, after = read(coco_to_damage)
    assert len(before) - len(after) == lost
    assert any(re.search(note, each) for each in plan.notes), plan.notes
    broken = [item.problem for item in after if item.pixels is None]
    assert len(broken) == ("neither" in note)
    assert all("a box or a segmentation of annotation" in each for each in broken)


def test_the_image_ids_of_several_files_are_left_out_with_their_objects(
    coco_to_damage: Path,
) -> None:
    edit(coco_to_damage, lambda c: c["images"][1].update(id=c["images"][0]["id"]))
    plan, items = read(coco_to_damage)
    assert any("1 image ids in instances_val2017.json are those of several files" in note
               for note in plan.notes)  # fmt: skip
    names = sorted(path.name for path in (coco_to_damage / "val2017").iterdir())
    assert not {Path(item.source).name for item in items} & set(names[:2])


@pytest.mark.parametrize("product", ["regions", "scenes"])
def test_boxes_alone_are_a_dataset(coco_to_damage: Path, product: str) -> None:
    edit(coco_to_damage, all_of("annotations", segmentation=lambda _: [], area=lambda _: None))
    plan, items = read(coco_to_damage, product=product)
    assert any("have no segmentation: the box is the mask" in note for note in plan.notes)
    for item in items:
        assert item.pixels is not None
        if product == "regions":
            assert item.pixels["mask"].all()
            assert item.row["area"] == item.row["box"][2] * item.row["box"][3]
        else:
            assert item.pixels["label"].all()
            assert item.pixels["label"].max() <= item.row["instances"]


def test_a_box_follows_from_run_lengths_and_polygons(coco_to_damage: Path) -> None:
    def runs_and_polygon(content: dict) -> None:
        one, other = content["annotations"][:2]
        size = next(each for each in content["images"] if each["id"] == one["image_id"])
        height, width = size["height"], size["width"]
        counts = [3 * height + 5, 7, height - 7, 7, height * (width - 4) - 12]
        one.update(segmentation={"size": [height, width], "counts": counts}, bbox="x", area=None)
        other.update(segmentation=[[2, 3, 12, 3, 12, 13.5, 2, 13.5]], bbox=[1, 2, 3])

    edit(coco_to_damage, runs_and_polygon)
    _, items = read(coco_to_damage)
    assert items[0].row["box"] == [3, 5, 2, 7]
    assert items[0].row["area"] == 14
    assert items[0].pixels is not None
    assert items[0].pixels["mask"].all()
    assert items[1].row["box"] == [2, 3, 10, 10.5]


def test_a_box_beside_its_segmentation_is_quarantined_with_the_share_inside(
    coco_to_damage: Path,
) -> None:
    square = [[10, 10, 30, 10, 30, 30, 10, 30]]
    edit(coco_to_damage, first("annotations", segmentation=square, bbox=[20, 20, 20, 10]))
    (item,) = [each for each in read(coco_to_damage)[1] if each.pixels is None]
    assert "25% of the segmentation's pixels inside" in item.problem
    assert f"annotation {item.id}" in item.problem


@pytest.mark.parametrize("kind", ["pipe", "loop", "nowhere", "folder", "name"])
def test_what_is_no_regular_file_is_left_out(coco_to_damage: Path, kind: str) -> None:
    path = sorted((coco_to_damage / "val2017").iterdir())[0]
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "name":
        edit(coco_to_damage, first("images", file_name="a\0b.jpg"))
    else:
        path.symlink_to(path.name if kind == "loop" else "gone")
    plan, items = read(coco_to_damage)
    assert any("1 images in instances_val2017.json have no file" in note for note in plan.notes)
    assert all(item.pixels is not None for item in items)


@pytest.mark.parametrize("product", ["regions", "scenes"])
def test_images_beyond_the_limit_take_no_room(coco_to_damage: Path, product: str) -> None:
    """By the annotations (first), by the file (second), and by annotations within the limit."""
    names = sorted((coco_to_damage / "val2017").iterdir())
    Image.new("L", (400, 300)).save(names[1])
    edit(coco_to_damage, first("images", height=10**12, width=10**12))
    edit(coco_to_damage, lambda content: content["images"][1].update(height=300, width=400))
    edit(coco_to_damage, lambda content: content["images"][2].update(height=90, width=1000))
    plan, items = read(coco_to_damage, product=product, most_pixels=100_000)
    if product == "scenes":
        assert plan.schema.pixels[0].shape == (36, 48, 3)
    broken = {Path(item.source).name: item.problem for item in items if item.pixels is None}
    assert sorted(broken) == [path.name for path in names[:3]]
    assert "--most-pixels" in broken[names[0].name]
    assert "found 400×300" in broken[names[1].name]
    with pytest.raises(PipelineError, match="--most-pixels from 1 to"):
        prepare("coco", coco_to_damage, most_pixels=10**12)


def test_whatever_is_not_taken_is_counted(coco_to_damage: Path) -> None:
    shutil.copytree(coco_to_damage / "val2017", coco_to_damage / "test2017")
    image = sorted((coco_to_damage / "val2017").iterdir())[0]
    shutil.copy(image, image.with_name("more.jpg"))
    (coco_to_damage / "train2017").rename(coco_to_damage / "elsewhere")
    (coco_to_damage / "annotations/captions_val2017.json").write_text("{}")
    plan, _ = read(coco_to_damage, splits=())
    notes = "\n".join(plan.notes)
    assert (
        "1 images in val2017/ are named by no annotations that are read: val2017/more.jpg" in notes
    )
    assert "4 images in test2017/ are left out: no annotations name that folder" in notes
    assert "8 images in elsewhere/ are left out" in notes
    assert "1 other files of annotations/ are not taken: annotations/captions_val2017.json" in notes
    lost = r"8 images in instances_train2017.json have no folder \(train2017/, .*images/\) and are "
    assert re.search(lost + r"left out with their \d\d objects", notes)
    assert read(coco_to_damage)[0].notes == tuple(n for n in plan.notes if "train2017" not in n)


def test_where_nothing_is_left_the_reasons_are_said(coco_to_damage: Path) -> None:
    edit(coco_to_damage, all_of("annotations", iscrowd=lambda _: 1))
    with pytest.raises(PipelineError, match=r"none; \d+ crowds of val .*; --crowds include keeps"):
        prepare("coco", coco_to_damage, splits=("val",))
    edit(coco_to_damage, all_of("images", file_name=lambda name: f"other/{name}"))
    with pytest.raises(PipelineError, match=r"no file in val2017/ .* objects: other/"):
        prepare("coco", coco_to_damage, splits=("val",))


def roboflow(root: Path) -> dict[str, Any]:
    for split, name in (("train", "train2017"), ("val", "valid")):
        (root / f"{split}2017").rename(root / name)
        (root / f"annotations/instances_{split}2017.json").rename(
            root / name / "_annotations.coco.json"
        )
    (root / "train2017").rename(root / "train")
    return {}


def cvat(root: Path) -> dict[str, Any]:
    for split in ("train", "val"):
        shutil.copytree(root / f"{split}2017", root / "images", dirs_exist_ok=True)
        shutil.rmtree(root / f"{split}2017")
    return {}


def of_split(root: Path) -> dict[str, Any]:
    (root / "train2017").rename(root / "train")
    (root / "images").mkdir()
    (root / "val2017").rename(root / "images/val")
    return {}


def label_studio(root: Path) -> dict[str, Any]:
    edit(root, all_of("images", file_name=lambda name: f"images/{name}"))
    (root / VAL).rename(root / "result.json")
    (root / "val2017").rename(root / "images")
    shutil.rmtree(root / "train2017")
    shutil.rmtree(root / "annotations")
    return {}


def any_other(root: Path) -> dict[str, Any]:
    (root / VAL).rename(root / "labels.json")
    (root / "val2017").rename(root / "JPEGImages")
    return {"annotations": "labels.json", "images": "JPEGImages"}


@pytest.mark.parametrize(
    ("arrange", "splits"),
    [
        (roboflow, {"train": 8, "valid": 4}),
        (cvat, {"train": 8, "val": 4}),
        (of_split, {"train": 8, "val": 4}),
        (label_studio, {"all": 4}),
        (any_other, {"all": 4}),
    ],
)
def test_layouts(
    coco_to_damage: Path, arrange: Callable[[Path], dict[str, Any]], splits: dict[str, int]
) -> None:
    options = arrange(coco_to_damage)
    plan, items = read(coco_to_damage, product="scenes", splits=(), **options)
    assert dict(plan.splits) == splits
    assert all(item.pixels is not None for item in items)
