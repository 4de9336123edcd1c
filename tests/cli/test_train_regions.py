"""`workbench train <column>` as a user meets it; interrupted, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from pipelines.jobs import run as run_pipeline
from pipelines.sources.sample import write_sample
from workbench.cli import main
from workbench.data import Regions
from workbench.runs import Run, Status

COMMAND = [sys.executable, "-c", "from workbench.cli import main; main()"]
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "WORKBENCH_DATA"}
ENVIRONMENT["OMP_NUM_THREADS"] = "1"


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    return workbench("train", *arguments)


def workbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in this process, which has torch already."""
    asked, out, err = [*map(str, arguments)], StringIO(), StringIO()
    with (
        patch.dict(os.environ, ENVIRONMENT, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as status,
    ):
        main(asked)
    return subprocess.CompletedProcess(
        asked, status.value.code or 0, out.getvalue(), err.getvalue()
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-regions")
    write_sample(folder / "raw", train=12, test=4, seed=2, size=(60, 80), layout="coco")
    frames = {"longest": 40, "size": 48}
    run_pipeline("coco", folder / "raw", folder / "coco.zarr", workers=1, progress=False, **frames)
    return folder / "coco.zarr"


def tiny(store: Path, run: Path, *more: object) -> list[str]:
    given = ("deep-o2p", "--store", store, "--run", run, "--backbone", "tiny", "--tap", "relu3")
    options = ("--from-scratch", "--batch", 8, "--jitter", 2, "--passes", 3, "--device", "cpu")
    return [str(each) for each in (*given, *options, *more)]


def test_a_column_is_trained_stopped_and_resumed_by_two_processes(
    store: Path, tmp_path: Path
) -> None:
    """Ctrl-C, which the terminal sends to every process of the group."""
    path = tmp_path / "run"
    asked = tiny(store, path, "--processes", 2, "--passes", 300, "--masked")
    started = subprocess.Popen(
        [*COMMAND, "train", *asked],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and started.poll() is None:
        if (path / "events.jsonl").exists() and Run.open(path).step > 3:
            break
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=100)
    assert started.returncode == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    run = Run.open(path)
    assert run.status is Status.INTERRUPTED
    assert run.config["architecture"]["classes"] == len(Regions.open(store).names)
    stopped = run.step
    refused = train(*asked, "--resume", "--seed", 1)
    assert refused.returncode == 2
    assert "another seed" in refused.stderr
    assert (run.step, run.status) == (stopped, Status.INTERRUPTED)


def test_a_run_is_made_with_the_columns_configuration(store: Path, tmp_path: Path) -> None:
    done = train(*tiny(store, tmp_path / "run", "--fully-connected", 8, "--reduce", 6))
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run/config.json").read_text())
    shape = config["architecture"]
    assert (shape["pooling"], shape["fully_connected"], shape["reduce"]) == ("log", [8], 6)
    assert (config["optimizer"], config["jitter"], config["processes"]) == ("sgd", 2, 1)
    assert Run.open(tmp_path / "run").status is Status.FINISHED
    seen = workbench("evaluate", tmp_path / "run", "--split", "held", "--device", "cpu")
    assert seen.returncode == 0, seen.stderr
    for said in ("regions in", "error", "calibration"):
        assert said in seen.stdout
    assert (tmp_path / "run/evaluations/held-outcomes.json").is_file()
    wrong = workbench("evaluate", tmp_path / "run", "--split", "val")
    assert wrong.returncode == 2
    assert "out of train, held, test" in wrong.stderr
    assert workbench("report", tmp_path / "run").returncode == 0
    for asked in (
        ("ranks", tmp_path / "run"),
        ("cuts", tmp_path / "run"),
        ("export", tmp_path / "run", tmp_path / "model.safetensors"),
        ("segment", tmp_path / "photo.jpg", "--model", tmp_path / "run"),
    ):
        refused = workbench(*asked)
        assert refused.returncode == 2
        assert "a run of scenes, found one of regions" in refused.stderr


def test_what_a_network_costs_is_said_without_a_store() -> None:
    done = train("deep-o2p", "--describe")
    assert done.returncode == 0, done.stderr
    for said in ("28.6 %", "32,896 entries", "2,631,760", "activations"):
        assert said in done.stdout


def test_help_names_the_paper_and_the_cache() -> None:
    done = train("alexnet-s", "--help")
    assert done.returncode == 0
    for said in ("27.2 %", "--cache", "--processes", "workbench train alexnet-s --store"):
        assert said in done.stdout
    names = train("--help").stdout
    assert "deep-o2p-fc-s" in names
    assert "sift-o2p" not in names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--run", "r"), "Missing option '--store'"),
        (("--store", "none.zarr", "--run", "r", "--from-scratch"), "none.zarr"),
    ],
)
def test_errors_are_one_sentence(options: tuple[str, ...], message: str) -> None:
    done = train("deep-o2p", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_weights_are_asked_for(store: Path, tmp_path: Path) -> None:
    done = train("deep-o2p", "--store", store, "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "give --weights FILE, or --from-scratch" in done.stderr
    assert not (tmp_path / "run").exists()
