"""The command line as a user meets it: once in a process of its own, then in this one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from workbench.cli import main


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Workbench = Callable[..., Said]


@pytest.fixture
def workbench(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """The command in this process: what it prints, wherever from, and its exit status."""
    monkeypatch.delenv("WORKBENCH_DATA", raising=False)

    def workbench(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as status:
            main([*map(str, arguments)])
        return Said(int(status.value.code or 0), *capfd.readouterr())

    return workbench


def training(store: Path, path: Path, *more: object) -> list[str]:
    given = (
        *("train", "deep-ncuts", "--store", store, "--run", path, "--backbone", "tiny"),
        *("--tap", "relu3", "--from-scratch", "--passes", 1, "--holdout", 1, "--enlarge", 1.0),
        *more,
    )
    return [*map(str, given)]


@pytest.fixture(scope="module")
def run(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "run"
    done = subprocess.run(
        [sys.executable, "-m", "workbench", *training(sample_store, path)],
        env={k: v for k, v in os.environ.items() if k != "WORKBENCH_DATA"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "workbench evaluate" in done.stderr
    return path


def test_evaluation_prints_a_table_with_both_methods(run: Path, workbench: Workbench) -> None:
    done = workbench("evaluate", run, "--split", "test")
    assert done.returncode == 0, done.stderr
    for word in ("untrained", "trained", "best", "average", "PRI", "VI"):
        assert word in done.stdout


def test_json_is_the_only_thing_on_stdout(run: Path, workbench: Workbench) -> None:
    done = workbench("evaluate", run, "--json", "--limit", 2)
    values = json.loads(done.stdout)
    assert set(values["methods"]) == {"untrained", "trained"}
    assert len(values["methods"]["trained"]["images"]) == 2


def test_report_is_written(run: Path, workbench: Workbench) -> None:
    done = workbench("report", run)
    assert done.returncode == 0, done.stderr
    assert (run / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "nowhere"], ["a run folder at nowhere", "no such folder"]),
        (["train", "deep-ncuts", "--store", "none.zarr", "--run", "r"], ["WORKBENCH_DATA"]),
        (
            ["train", "deep-ncuts", "--store", "none.zarr", "--run", "r", "--from-scratch"],
            ["none.zarr"],
        ),
        (["train", "deep-ncuts", "--run", "r"], ["--store"]),
        (["lab", "--notebooks", __file__], ["a folder of notebooks"]),
    ],
)
def test_errors_are_one_sentence_and_a_status(
    arguments: list[str], words: list[str], workbench: Workbench
) -> None:
    done = workbench(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_an_existing_run_is_refused(run: Path, sample_store: Path, workbench: Workbench) -> None:
    done = workbench(*training(sample_store, run))
    assert done.returncode == 2
    assert "--resume" in done.stderr


def test_a_finished_run_resumed_has_nothing_left_to_do(
    run: Path, sample_store: Path, workbench: Workbench
) -> None:
    assert workbench(*training(sample_store, run, "--resume")).returncode == 0


def test_help_shows_examples(workbench: Workbench) -> None:
    done = workbench("train", "deep-ncuts", "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
