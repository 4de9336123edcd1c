"""Every notebook runs from top to bottom, and is committed without what it put out."""

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESS = {"PASSES": 1, "WORKERS": 1, "TEST_SCENES": 2}
"""Values for what a first cell names: every cell runs, on less. Browsers run two at full length."""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def shorten(cells: list[Any]) -> None:
    """Put `LESS` into the first cell of code, where the settings are."""
    first = next(cell for cell in cells if cell.cell_type == "code")
    for name, value in LESS.items():
        first.source = re.sub(rf"^{name} = .*", f"{name} = {value}", first.source, flags=re.M)


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own, to show that it does not depend on the working directory."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(path)
    shorten(notebook.cells)
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
