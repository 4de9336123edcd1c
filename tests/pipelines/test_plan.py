"""The plan: what its fingerprint sees, how it is cut, and that it survives the ledger."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from distributed import Client

from pipelines import jobs
from pipelines.datasets import prepare, prepare_again
from pipelines.errors import PipelineError
from pipelines.estimate import estimate
from pipelines.ledger import Ledger
from pipelines.plan import Plan, Planned
from pipelines.sources.bsds import SceneRecord
from pipelines.sources.coco_records import ImageRecord


def bsds_plan(root: Path, **request: Any) -> Planned:
    return prepare("bsds", root, **request)


def test_units_cover_every_slot_once(samples: Path) -> None:
    made = bsds_plan(samples / "bsds500", unit=3)
    plan = made.plan
    assert [(unit.start, unit.stop) for unit in plan.units] == [(0, 3), (3, 6), (6, 8)]
    ids = [
        msgspec.json.decode(line, type=SceneRecord).id
        for lines in made.records
        for line in lines.splitlines()
    ]
    assert ids == [str(1000 + number) for number in range(8)]
    assert (plan.largest, plan.splits) == ((48, 48), (("train", 5), ("test", 3)))


@pytest.mark.parametrize("unit", [1, 2, 5, 1000])
def test_an_image_that_straddles_units_is_in_the_records_of_each(coco: Path, unit: int) -> None:
    made = prepare("coco", coco, unit=unit)
    whole = prepare("coco", coco, unit=10_000)

    def objects(planned: Planned) -> list[tuple[str, int]]:
        lines = b"".join(planned.records).splitlines()
        records = [msgspec.json.decode(line, type=ImageRecord) for line in lines]
        return [(each.file.path, one.id) for each in records for one in each.objects]

    assert objects(made) == objects(whole)
    for lines, each in zip(made.records, made.plan.units, strict=True):
        records = [msgspec.json.decode(line, type=ImageRecord) for line in lines.splitlines()]
        assert sum(record.items for record in records) == each.items <= unit


def test_a_unit_finds_its_own_records(samples: Path, tmp_path: Path) -> None:
    made = bsds_plan(samples / "bsds500", unit=3)
    ledger = Ledger(tmp_path / "store.zarr")
    ledger.open(made.plan, made.records)
    assert tuple(ledger.records(unit) for unit in made.plan.units) == made.records
    assert "Ledger" in repr(ledger)


def test_it_is_hashable_and_survives_json(samples: Path) -> None:
    plan = bsds_plan(samples / "bsds500").plan
    again = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.fingerprint == plan.fingerprint


@pytest.mark.parametrize(
    ("dataset", "request_"),
    [
        ("bsds", {"unit": 3, "protocol": "bsds500", "profile": "local"}),
        ("coco", {"longest": 30, "size": 32, "crowds": "include", "splits": ("val", "train")}),
        ("coco", {"product": "scenes", "profile": "local"}),
    ],
)
def test_the_request_can_be_told_from_the_plan(
    samples: Path, coco: Path, dataset: str, request_: dict[str, Any]
) -> None:
    root = coco if dataset == "coco" else samples / "bsds500"
    made = prepare(dataset, root, **request_)
    for name, value in request_.items():
        found = made.plan.options.get(name, getattr(made.plan, name, None))
        assert found == (",".join(value) if isinstance(value, tuple) else value)
    assert prepare_again(made.plan, root) == made


def test_a_moved_or_touched_dataset_keeps_its_fingerprint(samples: Path, tmp_path: Path) -> None:
    plan = bsds_plan(samples / "bsds500").plan
    moved = shutil.copytree(samples / "bsds500", tmp_path / "elsewhere" / "BSDS500" / "data")
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    assert bsds_plan(tmp_path / "elsewhere").plan.fingerprint == plan.fingerprint


def test_whatever_decides_the_content_changes_the_fingerprint(root: Path) -> None:
    plan = bsds_plan(root).plan
    image = root / "images" / "train" / "1000.jpg"
    image.write_bytes(image.read_bytes() + b" ")
    others = [
        bsds_plan(root).plan,
        bsds_plan(root, unit=plan.unit + 1).plan,
        bsds_plan(root, protocol="bsds500").plan,
        bsds_plan(root, profile="local").plan,
        replace(plan, schema_version=plan.schema_version + 1),
        replace(plan, code_version=plan.code_version + 1),
    ]
    assert len({plan.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


def test_an_annotation_that_changes_changes_the_fingerprint(coco_to_damage: Path) -> None:
    before = prepare("coco", coco_to_damage).plan
    path = coco_to_damage / "annotations" / "instances_val2017.json"
    path.write_text(path.read_text().replace('"counts": [', '"counts": [0, 0, ', 1))
    assert prepare("coco", coco_to_damage).plan.fingerprint != before.fingerprint


def test_describe_says_what_would_run(samples: Path, coco: Path) -> None:
    plan = bsds_plan(samples / "bsds500", unit=3).plan
    text = plan.describe()
    for part in ("8 (5 train, 3 test)", "3 of 3 scenes", "48×48 px", plan.fingerprint):
        assert part in text
    assert "8 scenes in 3 units" in repr(plan)
    text = prepare("coco", coco).plan.describe()
    for part in ("categories   14", "image 227×227×3 uint8", "crowds of train are left out"):
        assert part in text


@pytest.mark.parametrize(("profile", "full"), [("local", True), ("remote", False)])
def test_the_estimate_is_of_what_will_be_written(
    coco: Path, tmp_path: Path, client: Client, profile: str, full: bool
) -> None:
    made = prepare("coco", coco, unit=10, profile=profile)
    found = estimate(made, seconds=60.0)  # as long as it takes to read all
    assert found.tried == made.plan.items == 58
    assert found.seconds > 0
    assert (found.total_bytes == made.plan.array_bytes) == full
    store = tmp_path / "store.zarr"
    request = {"unit": 10, "profile": profile}
    done = jobs.run("coco", coco, store, client=client, progress=False, **request)
    # A chunk is full-sized, also the last one; contents compress a little better in their frames.
    assert 0.9 * found.total_bytes < done.written_bytes < 1.2 * found.total_bytes
    assert "from 58 regions at" in str(found)


@pytest.mark.parametrize(
    ("dataset", "request_", "message"),
    [
        ("bsds", {"protocol": "voc"}, "protocol out of bsds300, bsds500"),
        ("bsds", {"unit": 0}, "at least one item a unit"),
        ("bsds", {"product": "regions"}, "a product of bsds out of scenes"),
        ("bsds", {"profile": "fast"}, "a profile out of local, remote"),
        ("coco", {"longest": 300}, "regions that fit into frames of 227 px"),
        ("coco", {"crowds": "maybe"}, "crowds out of exclude, include"),
        ("coco", {"splits": ("dev",)}, "splits out of train, val"),
        ("voc", {}, "a dataset out of bsds, coco"),
    ],
)
def test_unusable_requests(
    samples: Path, coco: Path, dataset: str, request_: dict, message: str
) -> None:
    with pytest.raises(PipelineError, match=message):
        jobs.plan(dataset, coco if dataset == "coco" else samples / "bsds500", **request_)


def test_the_root_may_come_from_the_environment(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(jobs.DATA_VARIABLE, raising=False)
    with pytest.raises(PipelineError, match="set WORKBENCH_DATA"):
        jobs.plan("bsds")
    shutil.copytree(samples / "bsds500", tmp_path / "BSDS500" / "data")
    monkeypatch.setenv(jobs.DATA_VARIABLE, str(tmp_path))
    assert jobs.plan("bsds").root == str(tmp_path / "BSDS500" / "data")
