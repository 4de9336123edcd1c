"""Table 1 in small: resumed to the same figures, refused when asked otherwise, and what it says.

What it shares with other tables is tested in `test_tables`.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from workbench.data import Regions
from workbench.errors import WorkbenchError
from workbench.evaluation.regions.scores import ErrorMonitor
from workbench.evaluation.statistics import holm
from workbench.experiments.other_store import OtherStore
from workbench.experiments.regions import evaluate as region_evaluation
from workbench.experiments.regions.columns import RegionColumn
from workbench.experiments.regions.results import RegionResult
from workbench.experiments.regions.sift_o2p import SiftO2PConfig
from workbench.experiments.regions.summary import picture_of
from workbench.experiments.regions.table1 import TABLE1, Table1Request
from workbench.experiments.tables.assemble import assemble, finished
from workbench.experiments.tables.elsewhere import evaluate_table
from workbench.experiments.tables.run import result_path, run_columns
from workbench.models import Backbone
from workbench.models.regions import RegionArchitecture
from workbench.models.sift import SiftConfig
from workbench.runs import Run, Status
from workbench.training.regions.config import RegionConfig
from workbench.views.regions.table1 import table_view

TRAINING = RegionConfig(
    store="",
    architecture=RegionArchitecture("tiny", "relu3", pooling="average"),
    learning_rate=0.05,
    head_multiplier=1.0,
    passes=2,
    batch=20,
    jitter=0,
)
STEPS = 5
"""Of a pass."""
SIFT = RegionColumn("sift-o2p", "SIFT-O2P", 0, paper=36.4)
PLAIN = RegionColumn("plain", "Plain", 0, paper=25.3, training=TRAINING, pretrained=False)
DEEP = RegionColumn(
    "deep",
    "Deep",
    0,
    paper=28.6,
    training=replace(TRAINING, architecture=RegionArchitecture("tiny", "relu3")),
    pretrained=False,
    against=("plain", "sift-o2p", "missing"),
)
ALL = [SIFT, PLAIN, DEEP]


@pytest.fixture(scope="module", autouse=True)
def _coarse_sift() -> Iterator[None]:
    """Few descriptors, which cost seconds."""
    with pytest.MonkeyPatch.context() as patch:
        coarse = SiftO2PConfig(SiftConfig(steps=(24,)))
        patch.setattr(region_evaluation, "SiftO2PConfig", lambda: coarse)
        yield


@pytest.fixture
def request_(sample_regions: Path, tmp_path: Path) -> Table1Request:
    return Table1Request(
        sample_regions, tmp_path / "table", seeds=(0,), limit=90, device="cpu", workers=1
    )


@pytest.fixture(scope="module")
def whole(sample_regions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of all columns, never interrupted."""
    out = tmp_path_factory.mktemp("table1") / "whole"
    run_columns(
        TABLE1,
        Table1Request(sample_regions, out, seeds=(0, 1), limit=90, device="cpu", workers=1),
        ALL,
    )
    return out


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Steps of a training at which its monitor is told to stop."""
    steps: list[int] = []
    look = ErrorMonitor.__call__

    def watched(self: ErrorMonitor, step: int) -> dict[str, float]:
        if step in steps:
            steps.remove(step)
            os.kill(os.getpid(), signal.SIGINT)
        return look(self, step)

    monkeypatch.setattr(ErrorMonitor, "__call__", watched)
    yield steps
    assert not steps, "it never came to that"


def essence(path: Path) -> dict[str, Any]:
    """Everything but time and place."""
    values = json.loads(path.read_text())
    passing = ("minutes", "trained_per_second", "tested_per_second", "provenance")
    return {name: value for name, value in values.items() if name not in passing}


def test_an_interrupted_table_goes_on_to_the_same_figures(
    request_: Table1Request, whole: Path, interrupted_at: list[int]
) -> None:
    interrupted_at.append(STEPS)
    with pytest.raises(KeyboardInterrupt):
        run_columns(TABLE1, request_, [DEEP])
    path = result_path(request_.out, "deep", 0)
    assert not path.exists()
    assert Run.open(request_.out / "runs/deep/seed0").status is Status.INTERRUPTED
    run_columns(TABLE1, request_, [DEEP])
    assert essence(path) == essence(whole / "results/deep/seed0.json")


def test_a_result_reads_back_as_it_was_written(whole: Path, tmp_path: Path) -> None:
    for name in ("deep", "sift-o2p"):
        path = whole / "results" / name / "seed0.json"
        RegionResult.read(path).write(tmp_path / name)
        assert json.loads((tmp_path / name).read_text()) == json.loads(path.read_text())
    values = json.loads((whole / "results/deep/seed0.json").read_text())
    values["outcomes"]["rank"][0] = 0.5
    (tmp_path / "broken").write_text(json.dumps(values))
    with pytest.raises(WorkbenchError, match=r"outcomes.rank.*delete it"):
        RegionResult.read(tmp_path / "broken")


def test_what_was_asked_differently_before_is_refused_by_name(
    sample_regions: Path, whole: Path
) -> None:
    same = Table1Request(sample_regions, whole, seeds=(0, 1), limit=90, device="cpu", workers=1)
    longer = replace(DEEP, training=replace(DEEP.network, passes=3))
    with pytest.raises(WorkbenchError, match=r"deep, seed 0.*config\.passes 3, was 2;"):
        run_columns(TABLE1, same, [longer])
    with pytest.raises(WorkbenchError, match=r'config\.precision "bf16-mixed", was "32-true"'):
        run_columns(TABLE1, replace(same, precision="bf16-mixed"), [DEEP])
    with pytest.raises(WorkbenchError, match=r'protocol "official", was "pooled"'):
        run_columns(TABLE1, replace(same, protocol="official"), [PLAIN])
    with pytest.raises(WorkbenchError, match="leave these or --frozen out"):
        run_columns(TABLE1, same, [PLAIN.frozen_variant()])


def test_a_network_may_begin_with_what_its_frozen_column_left(
    request_: Table1Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "tiny.safetensors"
    save_file(Backbone("tiny", "relu3").state_dict(), weights)
    monkeypatch.setattr("workbench.experiments.regions.table1.known_weights", lambda name: weights)
    column = replace(DEEP, pretrained=True, on_features={"passes": 3, "learning_rate": 0.02})
    both = replace(request_, head_first=True)
    run_columns(TABLE1, both, [column])
    head, whole = (Run.open(both.out / "runs" / name / "seed0") for name in ("deep-frozen", "deep"))
    assert (head.config["frozen"], head.config["passes"]) == (True, 3)
    assert (whole.config["frozen"], whole.config["start"]) == (False, str(head.path))
    before = head.metrics()["held_out_loss"].dropna().iloc[-1]
    assert whole.metrics()["held_out_loss"].iloc[0] == pytest.approx(before)
    run_columns(TABLE1, request_, [column.frozen_variant()])  # the same training, evaluated
    assert len(head.events("resumed")) == 0
    (result,) = (both.out / "results" / "deep").iterdir()
    assert RegionResult.read(result).question["head_first"]["passes"] == 3
    with pytest.raises(WorkbenchError, match="head_first"):
        run_columns(TABLE1, request_, [column])


def test_columns_are_tested_against_each_other_on_the_same_regions(whole: Path) -> None:
    values = assemble(TABLE1, whole, [*ALL, RegionColumn("later", "Later", 0)])
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert [row["key"] for row in values["rows"]] == ["sift-o2p", "plain", "deep"]
    assert values["missing"] == ["later"]
    by_key = {row["key"]: row for row in values["rows"]}
    deep = by_key["deep"]
    found = [RegionResult.read(whole / f"results/deep/seed{seed}.json") for seed in (0, 1)]
    errors = [float((result.outcomes.rank > 0).mean()) for result in found]
    assert deep["summary"]["seeds"] == pytest.approx(errors)
    assert deep["summary"]["error"]["mean"] == pytest.approx(np.mean(errors))
    assert deep["spread"] == pytest.approx(np.std(errors, ddof=1))
    assert deep["seeds"] == [0, 1]
    assert by_key["sift-o2p"]["seeds"] == [0]
    assert by_key["sift-o2p"]["limits"] == [None]
    tests = {test["against"]: test for test in values["tests"]}
    assert set(tests) == {"Plain", "SIFT-O2P"}
    lead = deep["summary"]["error"]["mean"] - by_key["plain"]["summary"]["error"]["mean"]
    assert tests["Plain"]["mean"] == pytest.approx(lead)


def test_orderings_of_the_paper_are_judged_by_paired_tests(whole: Path) -> None:
    values = assemble(TABLE1, whole, ALL)
    pairs = {(each["better"], each["worse"]): each for each in values["orderings"]}
    assert set(pairs) == {("Plain", "Deep"), ("Plain", "SIFT-O2P"), ("Deep", "SIFT-O2P")}
    assert pairs["Plain", "Deep"]["paper"] == pytest.approx(25.3 - 28.6)
    for each in pairs.values():
        difference = each["difference"]
        sure = difference["p"] < 0.05
        expected = "undecided" if not sure else "holds" if difference["mean"] < 0 else "reversed"
        assert each["verdict"] == expected


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_table_is_written_with_pictures_and_limits(whole: Path, tmp_path: Path) -> None:
    values, found = assemble(TABLE1, whole, ALL), finished(TABLE1, whole, ALL)
    view = table_view(values, picture_of(found, "deep"))
    assert {path.name for path in view.write(tmp_path)} == {
        "table1.md", "table1.html", "table1.png", "reliability.png", "confusion.png",
        "categories.png",
    }  # fmt: skip
    text = view.to_markdown()
    assert "| Deep | 28.6 |" in text
    assert "What limits them" in text
    page = (tmp_path / "table1.html").read_text()
    assert page.count("<svg") == 4
    assert "Deep, from close by" in page
    assert "undecided" in view.to_text()
    best = picture_of(found).key
    means = {row["key"]: row["summary"]["error"]["mean"] for row in values["rows"]}
    assert means[best] == min(means.values())
    with pytest.raises(WorkbenchError, match="out of sift-o2p, plain, deep"):
        picture_of(found, "wide")


def test_a_table_is_evaluated_on_another_store_whose_categories_have_another_order(
    sample_regions: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training store itself, its categories numbered from the end: another digest, same scores.

    All of its regions are scored here, those of the table's own test among them.
    """
    own = {path: path.read_bytes() for path in whole.rglob("results/*/*.json")}
    opened, categories = Regions.open(sample_regions), Regions.open(sample_regions).names
    last = len(categories) - 1

    def reversed_regions(*arguments: Any) -> Regions:
        table = opened.table.assign(category=("region", (last - opened.categories)))
        listed = opened.table.attrs["categories"][::-1]
        return Regions(
            table.assign_attrs(categories=listed), opened.items, [c["name"] for c in listed]
        )

    other = OtherStore(str(sample_regions), "all", device="cpu")
    monkeypatch.setattr(Regions, "open", reversed_regions)
    out = evaluate_table(TABLE1, whole, other, ALL[1:])
    monkeypatch.undo()
    assert out.parent.parent == whole / "evaluations"
    values = assemble(TABLE1, out, ALL)
    assert values["regions"] == len(opened)
    assert [row["key"] for row in values["rows"]] == ["plain", "deep"]
    (test,) = values["tests"]
    assert (test["against"], test["images"]) == ("Plain", values["rows"][0]["summary"]["images"])
    assert test["low"] <= test["mean"] <= test["high"]
    assert "have other numbers in the store" in table_view(values).to_markdown()
    for column in ("plain", "deep"):
        before, after = (
            RegionResult.read(result_path(place, column, 1)).outcomes for place in (whole, out)
        )
        there = dict(zip(after.regions, after.rank, strict=True))
        assert [there[region] for region in before.regions] == before.rank.tolist()
    assert all(path.read_bytes() == content for path, content in own.items())
    evaluate_table(TABLE1, whole, OtherStore(str(sample_regions), "val", device="cpu"), ALL)
    results = "results/sift-o2p/seed0.json"
    assert RegionResult.read(out.with_name("val") / results).error <= 1
