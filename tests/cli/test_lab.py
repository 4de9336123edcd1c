"""`workbench lab`: the working folder, and what JupyterLab is told of the cluster."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from jupyterlab_server.settings_utils import _get_overrides

from workbench.cli import lab as command
from workbench.cli import main
from workbench.cli.lab import environment_of
from workbench.cli.notebooks import PATTERNS, templates

SCHEDULER, DASHBOARD = "tcp://127.0.0.1:1234", "http://127.0.0.1:8787/status"


def test_jupyterlab_finds_cluster_and_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/somewhere/else")
    with environment_of(SCHEDULER, DASHBOARD) as environment:
        assert environment["DASK_SCHEDULER_ADDRESS"] == SCHEDULER
        assert json.loads(environment["DASK_LABEXTENSION__INITIAL"]) == []
        folder, other = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
        assert other == "/somewhere/else"
        monkeypatch.setenv("JUPYTER_CONFIG_PATH", folder)
        overrides, error = _get_overrides("/nowhere")
        assert not error
        assert overrides["dask-labextension:plugin"]["defaultURL"] == "http://127.0.0.1:8787"
        assert environment["PATH"] == os.environ["PATH"]
    assert not Path(folder).exists()


class Cluster:
    """Cluster of Dask that starts nothing."""

    scheduler_address, dashboard_link = SCHEDULER, DASHBOARD

    def __init__(self, **_: object) -> None: ...
    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None: ...


def test_it_works_on_copies_and_leaves_edited_ones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []

    def run(line: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        started.append(line)
        return subprocess.CompletedProcess(line, 0)

    monkeypatch.setattr(command, "LocalCluster", Cluster)
    monkeypatch.setattr(command.subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.chdir(tmp_path)

    def lab(*arguments: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            main(["lab", *arguments])
        return capsys.readouterr().out

    said = lab()
    folder = tmp_path / "workbench-notebooks"
    assert str(folder) in said
    assert "Kept" not in said
    assert "root: JupyterLab is started with --allow-root" in said
    assert started[0][3:] == ["lab", "workbench-notebooks", "--allow-root"]
    files = {each.relative_to(templates()) for name in PATTERNS for each in templates().glob(name)}
    copies = {each.relative_to(folder) for each in folder.rglob("*") if each.is_file()}
    assert copies == files
    edited = folder / "02_train_live.ipynb"
    edited.write_text("mine")
    assert "Kept, as they differ from the project's: 02_train_live.ipynb. --fresh" in lab()
    assert edited.read_text() == "mine"
    lab("--fresh")
    assert edited.read_bytes() == (templates() / edited.name).read_bytes()
