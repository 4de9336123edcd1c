"""The benchmark of the pipelines on a tiny sample: tables, equal work, plans. Nothing is timed."""

import gc
import json
import os
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import torch

from pipelines import jobs
from pipelines.sources.coco_records import ImageRecord
from pipelines.sources.sample import write_sample
from workbench.bench.pipeline.data import part_of, synthetic_coco
from workbench.bench.pipeline.loading import (
    Crops,
    LoadingSizes,
    Photographs,
    Shelf,
    fill_shelf,
)
from workbench.bench.pipeline.planning import plan_cost
from workbench.bench.pipeline.preprocess import cut, decode_unit, save_image
from workbench.bench.pipeline.report import PipelineReport, in_turn, rates
from workbench.bench.pipeline.run import PipelineSizes, bench_pipeline
from workbench.data import Regions

TINY = PipelineSizes(
    images=3,
    copies=2,
    workers=(1,),
    rounds=1,
    loading=LoadingSizes(seconds=0.0, crops=10, photographs=10, rounds=1),
    shares=(0.0005,),
    sample=(4, 3, 64, 96),
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw") / "coco"
    write_sample(root, train=5, test=2, size=(64, 96), layout="coco")
    return root


@pytest.fixture(scope="module")
def shelf(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return fill_shelf(sample, tmp_path_factory.mktemp("shelf"), workers=1)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def others() -> set[int]:
    """The processes that other tests have left."""
    return {each.pid for each in psutil.Process().children(recursive=True)}


@pytest.fixture(scope="module")
def report(scratch: Path, others: set[int]) -> PipelineReport:
    return bench_pipeline(TINY, scratch=scratch)


def test_every_case_has_ours_and_its_rivals(report: PipelineReport) -> None:
    cases = dict.fromkeys(row.case for row in report.rows)
    assert [sum(row.case == case for row in report.rows) for case in cases] == [4, 7, 7]
    for case in cases:
        ours = next(row for row in report.rows if row.case == case)
        assert ours.method.startswith("workbench")
        assert ours.ratio == 1
    assert all(row.seconds and row.ratio for row in report.rows)


def test_a_sample_is_said_and_not_judged(report: PipelineReport) -> None:
    assert "No real data" in report.notes[0]
    assert len(report.targets) >= 9
    assert all(target.met is None for target in report.targets)


def test_the_report_is_written_with_its_plans(report: PipelineReport, tmp_path: Path) -> None:
    paths = {path.suffix: path for path in report.save(tmp_path)}
    values = json.loads(paths[".json"].read_text())
    assert values["plans"][0]["instances"] == report.plans[0].instances
    assert "| of COCO | images |" in paths[".md"].read_text()
    assert all(row.method in paths[".txt"].read_text() for row in report.rows)


def test_nothing_is_left(report: PipelineReport, scratch: Path, others: set[int]) -> None:
    assert report.rows
    assert list(scratch.iterdir()) == []
    gc.collect()
    children = psutil.Process().children(recursive=True)
    commands = [" ".join(each.cmdline()) for each in children if each.pid not in others]
    assert [each for each in commands if "tracker" not in each] == []


def test_the_floor_does_what_the_store_holds(sample: Path, shelf: Shelf) -> None:
    """Same pixels and masks, region after region."""
    made = jobs.planned("coco", sample)
    regions = Regions.open(shelf.store("local"))
    records = [
        msgspec.json.decode(line, type=ImageRecord) for line in b"".join(made.records).splitlines()
    ]
    found = [each for record in records for each in cut(sample, record)]
    assert len(found) == len(regions) == sum(decode_unit(sample, unit) for unit in made.records)
    for (annotation, pixels, mask), region in zip(found, regions, strict=True):
        assert annotation.id == region.annotation_id
        height, width = mask.shape
        top, left = (227 - height) // 2, (227 - width) // 2
        place = slice(top, top + height), slice(left, left + width)
        assert np.array_equal(region.pixels[place], pixels)
        assert np.array_equal(region.mask[place], mask)


def test_the_bag_saves_the_same_frames(sample: Path, shelf: Shelf, tmp_path: Path) -> None:
    made = jobs.planned("coco", sample)
    line = made.records[0].splitlines()[0]
    count = save_image(sample, tmp_path, line)
    (path,) = tmp_path.glob("*-image.npy")
    assert np.array_equal(np.load(path), shelf.frames("image")[:count])


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
@pytest.mark.parametrize("kind", [Crops, Photographs])
def test_rivals_give_the_same_regions(kind: type, shelf: Shelf) -> None:
    """To a JPEG's and a rounded mask's tolerance."""
    regions, dataset = Regions.open(shelf.store("local")), kind(shelf, True)
    assert len(dataset) == len(regions)
    for position in range(0, len(regions), 5):
        image, mask = dataset[position]
        region = regions[position]
        assert image.dtype == torch.uint8
        assert image.shape == (3, 227, 227)
        difference = image.permute(1, 2, 0).int() - torch.from_numpy(region.pixels).int()
        assert difference.abs().float().mean() < 4
        assert (mask.numpy() != region.mask).mean() < 0.01
    assert len(kind(shelf, False)[0]) == 1


def test_copies_have_ids_of_their_own(sample: Path, tmp_path: Path) -> None:
    part = part_of(sample, tmp_path / "part", images=2, copies=3)
    plans = [jobs.plan("coco", root) for root in (part, sample)]
    assert plans[0].items % 3 == 0
    images = {path.name.partition("-")[2] for path in part.glob("train2017/*")}
    assert len(images) == 2
    assert len(list(part.glob("train2017/*"))) == 6


def test_the_synthetic_annotations_are_planned_whole(tmp_path: Path) -> None:
    images, instances = synthetic_coco(tmp_path, 0.001)
    plan = jobs.plan("coco", tmp_path)
    crowds = instances // 100
    assert (images, instances) == (118, 860)
    assert plan.items == instances - crowds
    content = (tmp_path / "annotations" / "instances_train2017.json").read_bytes()
    assert 400 < len(content) / instances < 800  # COCO's own have 521
    assert not any(path.stat().st_blocks for path in tmp_path.glob("train2017/*.jpg"))


def test_planning_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    held = np.ones(2**28, np.uint8)  # this process's memory must not count
    cost = plan_cost(0.0005, tmp_path)
    assert held.nbytes <= 2**28
    assert 2**25 < cost.before <= cost.peak < cost.before + 2**27
    assert cost.plan_bytes > 0
    assert cost.record_bytes > cost.annotation_bytes / 2
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names, not paths


def test_ratios_are_of_the_same_round() -> None:
    (ours, other) = rates("case", {"ours": [1.0, 10.0, 2.0], "other": [2.0, 20.0, 6.0]}, "ours")
    assert (ours.ratio, other.ratio) == (1.0, 2.0)
    assert (other.seconds, other.fastest) == (6.0, 2.0)


def test_turns_change_direction() -> None:
    calls: list[str] = []
    tasks = {name: lambda name=name: len(calls.append(name) or "x") for name in "ab"}
    found = in_turn(tasks, 2, lambda: calls.append("clear"))
    assert calls[1::2] == ["a", "b", "b", "a"]
    assert calls[::2] == ["clear"] * 4
    assert {len(times) for times in found.values()} == {2}
