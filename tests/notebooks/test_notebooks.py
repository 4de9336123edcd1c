"""Every notebook runs from top to bottom, and is committed without what it put out."""

import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.settings import FOLDER, read, shortened
from workbench.cli.notebooks import copy_notebooks

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FLAGSHIPS = {"00_quickstart", "02_train_live"}
"""Notebooks that tests/browser/test_flagships.py runs whole, where there is a browser."""
WIDGET = "application/vnd.jupyter.widget-view+json"
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
    """In a working folder, as `workbench lab` makes it; all that it writes lies below it."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    copy_notebooks(tmp_path)
    notebook = shortened(path)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert any(WIDGET in output.get("data", {}) for output in outputs), "nothing to explore"
    red = [output.text for output in outputs if output.get("name") == "stderr"]
    assert not red, "JupyterLab shows stderr like an error"
    assert (tmp_path / "runs").is_dir()
    assert copy_notebooks(tmp_path) == [], "it changes the copies"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_short(path: Path) -> None:
    """Imports and names of files, which teach nothing, take a screen at most."""
    first = [cell.source for cell in read(path).cells if cell.cell_type == "code"][:2]
    setting_up = [line for source in first for line in source.splitlines() if "import" in line]
    assert len(setting_up) <= 15
