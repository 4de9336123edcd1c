"""A JupyterLab of this environment that touches nothing of its user's and leaves nothing behind.

Kernels, and trainings that are made to outlive their kernel, are in sessions of their own. What
they all inherit is their environment, so a mark in it says which processes are to be ended.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import psutil

from tests.browser.trainings import eventually
from tests.notebooks.settings import shortened
from workbench.cli.notebooks import copy_notebooks

ROOT = Path(__file__).parents[2]
PATIENCE = 60
"""Seconds for a server to come up or to go; far more than it takes."""
_MARK = "WORKBENCH_BROWSER_MARK"


def make_project(folder: Path) -> None:
    """Make the folder `notebooks`, as `workbench lab` does, of notebooks with less to do."""
    copy_notebooks(folder / "notebooks")
    for path in sorted((folder / "notebooks").glob("*.ipynb")):
        nbformat.write(shortened(path), path)


@contextmanager
def jupyter_lab(project: Path) -> Iterator[str]:
    """A server on the notebooks of a project; gives its address, ends all that came of it.

    Args:
        project: as `make_project` makes it; the server's own files go into its folder `jupyter`.
    """
    own = project / "jupyter"
    config, runtime = own / "config", own / "runtime"
    for folder in (config / "labconfig", runtime):
        folder.mkdir(parents=True)
    settings = {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        },
        # A notebook is saved when a test says so.
        "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    }
    (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(settings))
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(own / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(own / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(own / "workspaces"),
        "IPYTHONDIR": str(own / "ipython"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "DASK_LABEXTENSION__INITIAL": "[]",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    options = [
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--ServerApp.root_dir={project / 'notebooks'}",
        "--IdentityProvider.token=",
        "--ServerApp.allow_root=True",
        "--ServerApp.open_browser=False",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]
    with (
        (own / "server.log").open("wb") as log,
        marked(environment) as inherited,
        started([sys.executable, "-m", "jupyterlab", *options], inherited, log) as server,
    ):
        yield _address(server, runtime, own / "server.log")


@contextmanager
def app(subject: Path, folder: Path) -> Iterator[str]:
    """An app, `workbench lab --app`, on a run or a store; gives its address, and ends it.

    Args:
        subject: the run or the store.
        folder: for what it says.
    """
    said = folder / "app.log"
    code = "from workbench.cli import main; main()"
    command = [sys.executable, "-c", code, "lab", "--app", str(subject)]
    with (
        said.open("wb") as log,
        marked(dict(os.environ)) as environment,
        started([*command, "--port", "0", "--no-browser"], environment, log) as process,
    ):
        eventually(
            lambda: process.poll() is not None or "http://" in said.read_text(), "the app's address"
        )
        found = re.search(r"http://localhost:\d+", said.read_text())
        assert found is not None, f"the app does not come up; it says:\n{said.read_text()}"
        yield found[0]


@contextmanager
def marked(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """An environment by which all processes are known that inherit it; at the end they die."""
    mark = secrets.token_hex(8)
    try:
        yield environment | {_MARK: mark}
    finally:
        deadline = time.monotonic() + PATIENCE
        while left := _marked(mark):
            assert time.monotonic() < deadline, f"{left} cannot be ended"
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)


@contextmanager
def started(
    command: list[str], environment: dict[str, str], log: object
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, told to end afterwards."""
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE / 4)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(_MARK) == mark:
                found.append(process)
    return found


def _address(server: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Where a server listens, as it writes down itself."""
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        for path in runtime.glob("jpserver-*.json"):
            with suppress(ValueError):  # not all of it is written yet
                return str(json.loads(path.read_text())["url"])
        time.sleep(0.05)
    raise AssertionError(f"JupyterLab does not come up; it says:\n{log.read_text()}")
