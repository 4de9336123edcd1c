"""The command line as a user meets it: in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def workbench(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if k != "WORKBENCH_DATA"} | environment
    return subprocess.run(
        [sys.executable, "-c", "from workbench.cli import main; main()", *map(str, arguments)],
        env=variables | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def train(store: Path, path: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return workbench(
        *("train", "deep-ncuts", "--store", store, "--run", path, "--backbone", "tiny"),
        *("--tap", "relu3", "--from-scratch", "--passes", 1, "--holdout", 1, "--enlarge", 1.0),
        *more,
    )


@pytest.fixture(scope="module")
def run(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "run"
    done = train(sample_store, path)
    assert done.returncode == 0, done.stderr
    assert "workbench evaluate" in done.stderr
    return path


def test_evaluation_prints_a_table_with_both_methods(run: Path) -> None:
    done = workbench("evaluate", run, "--split", "test")
    assert done.returncode == 0, done.stderr
    for word in ("untrained", "trained", "best", "average", "PRI", "VI"):
        assert word in done.stdout


def test_json_is_the_only_thing_on_stdout(run: Path) -> None:
    done = workbench("evaluate", run, "--json", "--limit", 2)
    values = json.loads(done.stdout)
    assert set(values["methods"]) == {"untrained", "trained"}
    assert len(values["methods"]["trained"]["images"]) == 2


def test_report_is_written(run: Path) -> None:
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
        (["lab", "--notebooks", "nowhere"], ["a folder of notebooks"]),
    ],
)
def test_errors_are_one_sentence_and_a_status(arguments: list[str], words: list[str]) -> None:
    done = workbench(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_an_existing_run_is_refused(run: Path, sample_store: Path) -> None:
    done = train(sample_store, run)
    assert done.returncode == 2
    assert "--resume" in done.stderr


def test_a_finished_run_resumed_has_nothing_left_to_do(run: Path, sample_store: Path) -> None:
    assert train(sample_store, run, "--resume").returncode == 0


def test_help_shows_examples() -> None:
    done = workbench("train", "deep-ncuts", "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
