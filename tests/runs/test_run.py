"""A run's folder: what is written comes back, and what is there is not lost."""

import json
import math
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.runs.files import atomic_write
from workbench.runs import Run, Status


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "runs" / "one", {"taps": ("relu5",), "rate": 1e-4})


def test_configuration_and_provenance_are_kept(run: Run) -> None:
    again = Run.open(run.path)
    assert again.config == {"taps": ["relu5"], "rate": 1e-4}
    assert again.provenance == run.provenance
    assert run.provenance["libraries"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"started", "command", "python", "machine"} <= run.provenance.keys()
    assert sorted(p.name for p in run.path.parent.iterdir()) == ["one"]


def test_provenance_names_the_commit_of_the_code(run: Run) -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("the code is no git checkout here")
    assert run.provenance["commit"] == done.stdout.strip()
    assert isinstance(run.provenance["dirty"], bool)


def test_metrics_of_a_step_make_one_row(run: Run) -> None:
    run.log(1, loss=2.0, rank=np.int64(12))
    run.log(2, loss=torch.tensor(1.5))
    run.log(2, covering=0.5)
    table = Run.open(run.path).metrics()
    assert table.index.tolist() == [1, 2]
    assert table.index.name == "step"
    assert table.loc[2, ["loss", "covering"]].tolist() == [1.5, 0.5]
    assert table.loc[1, "rank"] == 12
    assert math.isnan(table.loc[1, "covering"])


def test_a_run_without_metrics_has_an_empty_table(run: Run) -> None:
    table = run.metrics()
    assert table.empty
    assert table.index.name == "step"


def test_numbers_that_are_not_finite_survive(run: Run) -> None:
    run.log(1, a=math.nan, b=math.inf, c=-math.inf)
    (event,) = Run.open(run.path).events("metrics")
    assert math.isnan(event.fields["a"])
    assert (event.fields["b"], event.fields["c"]) == (math.inf, -math.inf)


def test_events_are_numbered_and_can_be_polled(run: Run) -> None:
    run.log(1, loss=1.0)
    run.append("note", None, text="größer", where=Path("a/b"), spectrum=np.arange(2))
    seen = run.events()
    assert [e.seq for e in seen] == [1, 2, 3]
    assert [e.kind for e in seen] == ["started", "metrics", "note"]
    assert seen[-1].fields == {"text": "größer", "where": "a/b", "spectrum": [0, 1]}
    run.log(2, loss=0.5)
    assert [e.step for e in run.events(since=seen[-1].seq)] == [2]
    assert run.events("note", since=3) == []
    assert seen[0].time <= seen[1].time <= seen[2].time


@pytest.mark.parametrize("fields", [{"seq": 1}, {"time": 0}, {"what": object()}])
def test_fields_that_cannot_be_recorded_are_refused_and_leave_no_trace(run: Run, fields) -> None:
    before = (run.path / "events.jsonl").read_bytes()
    with pytest.raises(WorkbenchError):
        run.append("note", 1, **fields)
    assert (run.path / "events.jsonl").read_bytes() == before


def test_a_configuration_without_json_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="to record"):
        Run.create(tmp_path / "run", {"f": object()})
    assert list(tmp_path.iterdir()) == []


def test_snapshots_come_back_as_they_were(run: Run) -> None:
    arrays = {
        "labels": np.arange(12, dtype=np.uint16).reshape(3, 4).T,
        "mask": np.array([True, False]),
        "rank": np.array(7),
        "half": np.ones((2, 0), np.float16),
    }
    run.snapshot(20, "scene-1.x", arrays)
    run.snapshot(3, "scene-1.x", {"labels": np.zeros(1)})
    run.snapshot(4, "other", {"labels": np.zeros(1)})
    again = Run.open(run.path)
    assert again.snapshots("scene-1.x") == [3, 20]
    assert again.snapshots() == [3, 4, 20]
    assert again.snapshot_names() == ["scene-1.x", "other"]
    loaded = again.load_snapshot(20, "scene-1.x")
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array, strict=True)


def test_a_snapshot_that_is_not_there_is_named(run: Run) -> None:
    with pytest.raises(WorkbenchError, match=r"00000005/scene\.safetensors"):
        run.load_snapshot(5, "scene")


@pytest.mark.parametrize(
    ("name", "array"), [("../x", np.ones(1)), ("", np.ones(1)), ("x", np.array(["text"]))]
)
def test_snapshots_that_no_file_can_hold_are_refused(run: Run, name, array) -> None:
    with pytest.raises(WorkbenchError):
        run.snapshot(1, name, {"a": array})
    assert run.snapshots() == []


def test_an_existing_run_is_refused_and_left_alone(run: Run) -> None:
    run.log(1, loss=1.0)
    before = {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}
    with pytest.raises(WorkbenchError, match="continue it with --resume"):
        Run.create(run.path, {})
    assert before == {p: p.read_bytes() for p in run.path.rglob("*") if p.is_file()}


def test_a_folder_with_other_things_is_refused_and_an_empty_one_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("\\bye")
    with pytest.raises(WorkbenchError, match="new or empty folder"):
        Run.create(tmp_path, {})
    with pytest.raises(WorkbenchError, match="found a file"):
        Run.create(tmp_path / "thesis.tex", {})
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", {}).metrics().empty


def test_what_is_no_run_is_not_opened(tmp_path: Path, run: Run) -> None:
    with pytest.raises(WorkbenchError, match="no such folder; give the path that --run had"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(WorkbenchError, match=r"no config\.json"):
        Run.open(tmp_path)
    (run.path / "config.json").write_text('{"rate": ')
    with pytest.raises(WorkbenchError, match=r"a JSON object in .*config\.json"):
        Run.open(run.path)


def test_a_file_is_replaced_whole_or_not_at_all(run: Run) -> None:
    path = run.checkpoints / "latest.pt"
    with atomic_write(path) as file:
        file.write(b"first")

    def fail_half_way() -> None:
        with atomic_write(path) as file:
            file.write(b"sec")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail_half_way()
    assert path.read_bytes() == b"first"
    assert list(run.checkpoints.iterdir()) == [path]


def test_a_run_says_what_it_is(run: Run) -> None:
    run.log(7, loss=0.25)
    run.log(8, covering=0.5)
    assert repr(run).startswith(f"Run({str(run.path)!r}: status=running, step=8")
    assert "loss=0.25, covering=0.5" in repr(run)
    html = run._repr_html_()
    assert "<th>status</th><td>running</td>" in html
    assert "<th>loss</th><td>0.25</td>" in html


@pytest.mark.parametrize("kind", ["finished", "failed", "interrupted"])
def test_status_is_what_the_log_said_last(run: Run, kind: str) -> None:
    assert run.status is Status.RUNNING
    run.append(kind, 3)
    assert run.status is Status(kind)
    run.append("evaluated", 3, covering=0.6)
    assert run.status is Status(kind)
    run.resume(3)
    assert run.status is Status.RUNNING


def test_the_log_is_one_json_object_a_line(run: Run) -> None:
    run.log(1, loss=1.0)
    lines = (run.path / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[1]).keys() == {"seq", "time", "step", "kind", "loss"}
