"""`workbench lab`: what JupyterLab is told of the cluster."""

import json
import os
from pathlib import Path

import pytest
from jupyterlab_server.settings_utils import _get_overrides

from workbench.cli.lab import environment_of

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
