"""The plan: what its fingerprint sees, and that it survives the ledger."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import jobs
from pipelines.errors import PipelineError
from pipelines.plan import Plan, plan_bsds


def test_units_cover_every_slot_once(samples: Path) -> None:
    plan = plan_bsds(samples / "bsds500", unit=3)
    assert [(unit.start, unit.stop) for unit in plan.units] == [(0, 3), (3, 6), (6, 8)]
    assert sum((unit.records for unit in plan.units), ()) == plan.records
    assert (plan.canvas, plan.splits) == ((48, 48), {"train": 5, "test": 3})


def test_it_is_hashable_and_survives_json(samples: Path) -> None:
    plan = plan_bsds(samples / "bsds500")
    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert again == plan
    assert hash(again) == hash(plan)
    assert again.fingerprint == plan.fingerprint


def test_a_moved_or_touched_dataset_keeps_its_fingerprint(samples: Path, tmp_path: Path) -> None:
    plan = plan_bsds(samples / "bsds500")
    moved = shutil.copytree(samples / "bsds500", tmp_path / "elsewhere" / "BSDS500" / "data")
    for path in moved.rglob("*"):
        os.utime(path, (1, 1))
    assert plan_bsds(tmp_path / "elsewhere").fingerprint == plan.fingerprint


def test_whatever_decides_the_content_changes_the_fingerprint(root: Path) -> None:
    plan = plan_bsds(root)
    image = root / plan.records[0].image.path
    image.write_bytes(image.read_bytes() + b" ")
    others = [
        plan_bsds(root),
        replace(plan, unit=plan.unit + 1),
        replace(plan, protocol="bsds500"),
        replace(plan, schema_version=plan.schema_version + 1),
        replace(plan, code_version=plan.code_version + 1),
        replace(plan, records=plan.records[1:]),
    ]
    assert len({plan.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)


def test_describe_says_what_would_run(samples: Path) -> None:
    plan = plan_bsds(samples / "bsds500", unit=3)
    text = plan.describe()
    for part in ("8 (5 train, 3 test)", "3 of 3 scenes", "48×48 px", plan.fingerprint):
        assert part in text
    assert "8 scenes in 3 units" in repr(plan)


def test_unusable_requests(samples: Path) -> None:
    with pytest.raises(PipelineError, match="a protocol out of bsds300, bsds500"):
        plan_bsds(samples / "bsds500", protocol="voc")
    with pytest.raises(PipelineError, match="at least one scene a unit"):
        plan_bsds(samples / "bsds500", unit=0)
    with pytest.raises(PipelineError, match="a kind out of bsds"):
        jobs.plan("voc", samples)


def test_the_root_may_come_from_the_environment(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(jobs.DATA_VARIABLE, raising=False)
    with pytest.raises(PipelineError, match="set WORKBENCH_DATA"):
        jobs.plan("bsds")
    shutil.copytree(samples / "bsds500", tmp_path / "BSDS500" / "data")
    monkeypatch.setenv(jobs.DATA_VARIABLE, str(tmp_path))
    assert jobs.plan("bsds").root == str(tmp_path / "BSDS500" / "data")
