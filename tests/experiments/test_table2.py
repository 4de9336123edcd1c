"""Table 2 in small: resumed anywhere to the same figures, refused when asked something else.

What it shares with other tables is tested in `test_tables`.
"""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workbench.data import Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.monitor import CoveringMonitor
from workbench.experiments.other_store import OtherStore
from workbench.experiments.scenes.columns import COLUMNS, Column, Figures
from workbench.experiments.scenes.table2 import TABLE2, Table2Request
from workbench.experiments.tables.assemble import assemble
from workbench.experiments.tables.elsewhere import evaluate_table
from workbench.experiments.tables.run import result_path, run_columns
from workbench.models import ArchitectureConfig
from workbench.runs import Run, Status
from workbench.segmentation import PoolConfig
from workbench.segmentation.contour_cuts import ContourConfig
from workbench.training.scenes.config import DeepNCutsConfig
from workbench.views.scenes.figure3 import draw_figure3
from workbench.views.scenes.table2 import table_view

STAGE = DeepNCutsConfig(
    store="",
    architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), enlarge=1.0),
    learning_rate=3e-3,
    head_multiplier=1.0,
    passes=2,
    holdout=2,
)
STEPS = 10
"""Of a pass: twelve scenes, two held out."""
CONTOURS = Column(
    name="contours",
    title="NCuts",
    minutes=0,
    contours=ContourConfig(side=40),
    cuts=(("flat", PoolConfig()),),
)
PLAIN = Column(
    name="plain",
    title="NCuts tiny",
    minutes=0,
    paper=Figures(0.6, 0.5),
    architecture=ArchitectureConfig(backbone="tiny", taps=("relu3",), head="none", enlarge=1.0),
)
DEEP = Column(
    name="deep",
    title="DeepNCuts tiny",
    minutes=1,
    stages=(replace(STAGE, frozen=True), replace(STAGE, passes=1)),
    against=("plain",),
)
ALL = [CONTOURS, PLAIN, DEEP]


@pytest.fixture
def request_(sample_store: Path, tmp_path: Path) -> Table2Request:
    return Table2Request(sample_store, tmp_path / "table", seeds=(0,), limit=2, device="cpu")


@pytest.fixture(scope="module")
def whole(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of all columns, never interrupted."""
    out = tmp_path_factory.mktemp("table2") / "whole"
    request = Table2Request(sample_store, out, seeds=(0, 1), limit=2, device="cpu")
    run_columns(TABLE2, request, ALL)
    return out


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, object]]:
    """What happens at a step of a training when its monitor looks."""
    happens: dict[int, object] = {}
    look = CoveringMonitor.__call__

    def watched(self: CoveringMonitor, step: int) -> dict[str, float]:
        event = happens.pop(step, None)
        if event is KeyboardInterrupt:
            raise KeyboardInterrupt
        if event is not None:
            os.kill(os.getpid(), signal.SIGINT)
        return look(self, step)

    monkeypatch.setattr(CoveringMonitor, "__call__", watched)
    yield happens
    assert not happens, "it never came to that"


def scores_of(path: Path) -> dict:
    return json.loads(path.read_text())["cuts"]


def without_time(cuts: dict) -> dict:
    return {name: {k: v for k, v in cut.items() if k != "seconds"} for name, cut in cuts.items()}


@pytest.mark.parametrize(
    ("step", "event", "left"),
    [
        (0, KeyboardInterrupt, Status.FAILED),  # before the first checkpoint
        (2 * STEPS, KeyboardInterrupt, Status.FAILED),  # between checkpoints of the first stage
        (STEPS, signal.SIGINT, Status.INTERRUPTED),  # asked to stop
    ],
)
def test_an_interrupted_table_goes_on_to_the_same_figures(
    request_: Table2Request,
    whole: Path,
    dies: dict[int, object],
    capsys: pytest.CaptureFixture[str],
    step: int,
    event: object,
    left: Status,
) -> None:
    dies[step] = event
    with pytest.raises(KeyboardInterrupt):
        run_columns(TABLE2, request_, [PLAIN, DEEP])
    done = result_path(request_.out, "plain", 0)
    before = done.read_bytes()
    assert not result_path(request_.out, "deep", 0).exists()
    assert Run.open(request_.out / "runs/deep/seed0/1-frozen").status is left
    capsys.readouterr()
    run_columns(TABLE2, request_, [PLAIN, DEEP])
    assert "plain, seed 0: done before" in capsys.readouterr().out
    assert done.read_bytes() == before
    expected = scores_of(whole / "results/deep/seed0.json")
    assert without_time(scores_of(result_path(request_.out, "deep", 0))) == without_time(expected)


def test_between_two_stages_the_finished_one_is_not_trained_again(
    request_: Table2Request, dies: dict[int, object], capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = replace(DEEP, stages=DEEP.stages[:1]).frozen_variant()
    assert frozen.name == "deep"  # nothing but frozen stages: it is its own variant
    run_columns(TABLE2, request_, [DEEP.frozen_variant()])
    first = request_.out / "runs/deep/seed0/1-frozen/events.jsonl"
    before = first.read_bytes()
    run_columns(TABLE2, request_, [DEEP])
    assert "1-frozen: trained before" in capsys.readouterr().out
    assert first.read_bytes() == before
    assert {p.name for p in (request_.out / "results").iterdir()} == {"deep", "deep-frozen"}


def test_what_was_asked_differently_before_is_refused_by_name(
    sample_store: Path, whole: Path
) -> None:
    same = Table2Request(sample_store, whole, seeds=(0, 1), limit=2, device="cpu")
    longer = replace(DEEP, stages=(replace(DEEP.stages[0], passes=3), DEEP.stages[1]))
    with pytest.raises(WorkbenchError, match=r"deep, seed 0.*stages\[0\]\.passes 3, was 2;"):
        run_columns(TABLE2, same, [longer])
    with pytest.raises(WorkbenchError, match=r"cuts\.flat\.min_fraction 0\.1, was 0\.008"):
        run_columns(
            TABLE2, same, [replace(CONTOURS, cuts=(("flat", PoolConfig(min_fraction=0.1)),))]
        )
    with pytest.raises(WorkbenchError, match=r'split "train", was "test"'):
        run_columns(TABLE2, replace(same, split="train"), [CONTOURS])
    # The stage on a frozen backbone is the same in every precision.
    with pytest.raises(WorkbenchError, match=r"found stages\[1\]\.precision [^;]*;"):
        run_columns(TABLE2, replace(same, precision="bf16-mixed"), [CONTOURS, PLAIN, DEEP])


def test_an_unfinished_training_is_not_continued_as_another_one(
    request_: Table2Request, dies: dict[int, object]
) -> None:
    dies[2 * STEPS] = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        run_columns(TABLE2, request_, [DEEP])
    slower = replace(DEEP, stages=(replace(DEEP.stages[0], learning_rate=1e-3), DEEP.stages[1]))
    with pytest.raises(WorkbenchError, match=r"1-frozen.*learning_rate 0\.001, was 0\.003"):
        run_columns(TABLE2, request_, [slower])


def test_the_table_says_what_was_found(whole: Path) -> None:
    values = assemble(TABLE2, whole, [*ALL, COLUMNS["ncuts-vgg16-relu4"]])
    json.dumps(values, allow_nan=False)
    rows = {row["key"]: row for row in values["rows"]}
    assert list(rows) == [
        "contours · flat", "plain · flat", "plain · hierarchy", "deep · flat", "deep · hierarchy",
    ]  # fmt: skip
    assert values["missing"] == ["ncuts-vgg16-relu4"]
    deep = rows["deep · hierarchy"]
    seeds = [scores_of(whole / f"results/deep/seed{i}.json")["hierarchy"] for i in (0, 1)]
    best = np.array([[np.max(s["coverings"]) for s in seed["images"].values()] for seed in seeds])
    assert best.shape == (2, 2)
    assert deep["mean"]["best"]["mean"] == pytest.approx(best.mean())
    assert deep["seed_means"]["best"] == pytest.approx(best.mean(axis=1))
    assert deep["seed_spread"]["best"] == pytest.approx(best.mean(axis=1).std(ddof=1))
    assert deep["heights"] == [seed["heights"] for seed in seeds]
    assert deep["heights"][0] != deep["heights"][1]  # each seed held other scenes out
    assert 1 <= deep["effective_rank_after"] <= deep["rank"] <= 20
    assert rows["plain · flat"]["seeds"] == [0]
    assert rows["plain · flat"]["effective_rank_before"] is None
    assert rows["contours · flat"]["rank"] is None
    assert 0 < deep["seconds"] < deep["seconds_with_backbone"]
    leads = {(t["row"], t["against"]): t for t in values["tests"]}
    assert set(leads) == {
        ("deep · flat", "plain · flat"),
        ("deep · hierarchy", "plain · hierarchy"),
        ("deep · hierarchy", "deep · flat"),
        ("plain · hierarchy", "plain · flat"),
    }
    lead = leads["deep · hierarchy", "plain · hierarchy"]
    difference = deep["mean"]["best"]["mean"] - rows["plain · hierarchy"]["mean"]["best"]["mean"]
    assert lead["best"]["mean"] == pytest.approx(difference)


def test_the_pages_are_written_and_need_nothing_else(whole: Path, tmp_path: Path) -> None:
    view = table_view(assemble(TABLE2, whole, ALL), "figure3.html")
    markdown, table, chart = view.write(tmp_path)
    for path in (markdown, table):
        text = path.read_text()
        assert "0.60 (0.50)" in text
        assert "DeepNCuts tiny" in text
    assert "workbench table2 --store" in text
    assert chart.read_bytes().startswith(b"\x89PNG")
    page, picture = draw_figure3(whole, ALL)
    assert page.read_text().count("<img") == 2 * (1 + 3 + 1)
    assert "http" not in page.read_text()
    assert picture.read_bytes().startswith(b"\xff\xd8")  # JPEG
    assert "Table 2 on 2 images" in view.to_text()
    assert view.to_markdown().count("| DeepNCuts tiny |") == 4
    assert "convolutions in" not in view.to_markdown()


def test_a_training_in_less_than_float32_is_said(
    request_: Table2Request, capsys: pytest.CaptureFixture[str]
) -> None:
    run_columns(TABLE2, replace(request_, precision="bf16-mixed"), [PLAIN, DEEP])
    said = capsys.readouterr().out
    assert "2-end-to-end: training" in said
    values = assemble(TABLE2, request_.out, ALL)
    note = "Trained with convolutions in bf16-mixed: DeepNCuts tiny."
    assert note in table_view(values).to_markdown()
    commands = {row["column"]: row["command"].partition(" --precision ") for row in values["rows"]}
    assert [commands[name][2] for name in ("plain", "deep")] == ["", "bf16-mixed"]
    stages = [Run.open(p).config["precision"] for p in sorted(request_.out.glob("runs/deep/*/*"))]
    assert stages == ["32-true", "bf16-mixed"]


def test_columns_are_varied(tmp_path: Path) -> None:
    names = ("deep-ncuts-hypercolumn", "deep-ncuts-vgg16-relu4")
    deep, hyper = TABLE2.columns_named(names, frozen=True)
    assert deep.name == "deep-ncuts-vgg16-relu4-frozen"
    request = Table2Request(tmp_path, tmp_path, passes=2)
    assert [stage.passes for stage in request.stages(deep, 0)] == [2]
    assert all(stage.frozen for stage in (*deep.stages, *hyper.stages))
    assert len(hyper.stages) == 1  # end-to-end training is left out
    assert "--column deep-ncuts-vgg16-relu4 --frozen" in deep.command


def test_every_column_says_what_it_is() -> None:
    paper = {name: column.paper for name, column in COLUMNS.items() if column.paper}
    assert len(paper) == 7
    assert paper["deep-ncuts-vgg16-relu5"] == Figures(0.74, 0.63)
    for column in COLUMNS.values():
        kinds = [column.contours is not None, column.architecture is not None, bool(column.stages)]
        assert sum(kinds) == 1, column.name
        assert set(column.against) <= set(COLUMNS)
        assert column.shown in dict(column.cuts)


def test_a_table_is_evaluated_on_another_store(sample_store: Path, whole: Path) -> None:
    """The training scenes as the other store: cut at the heights that the table's results have."""
    out = evaluate_table(TABLE2, whole, OtherStore(str(sample_store), "train", device="cpu"), ALL)
    values = assemble(TABLE2, out, ALL)
    assert values["images"] == len(Scenes.open(sample_store, "train"))
    assert "train of" in table_view(values).heading
    first, again = (assemble(TABLE2, place, ALL)["rows"] for place in (whole, out))
    assert [row["key"] for row in again] == [row["key"] for row in first]
    assert [row["heights"] for row in again] == [row["heights"] for row in first]
    assert not any("gPb" in test["against"] for test in values["tests"])
