"""Every notebook runs from top to bottom, and is committed without what it put out."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.settings import FOLDER, read, shortened

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FLAGSHIPS = {"00_quickstart", "02_train_live"}
"""Notebooks that tests/browser/test_flagships.py runs whole, where there is a browser."""
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
HERE = [path for path in NOTEBOOKS if not (BROWSER and path.stem in FLAGSHIPS)]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_valid_and_has_no_outputs(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code), (
        f"strip it: jupyter nbconvert --clear-output --inplace {path}"
    )


@pytest.mark.parametrize("path", HERE, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, to show that it does not depend on the working directory."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = shortened(path)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert any(
        "application/vnd.holoviews_exec.v0+json" in output.get("data", {})
        for cell in code
        for output in cell.outputs
    ), "no cell has drawn anything"
