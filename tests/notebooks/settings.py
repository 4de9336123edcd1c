"""Notebooks with less to do: every cell runs, on fewer passes and scenes than a reader's."""

import re
from pathlib import Path
from typing import Any

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"
LESS = {"PASSES": 2, "WORKERS": 1, "TEST_SCENES": 2, "DRAWS": 4, "IMAGES": 4, "STEPS": 10}
"""Values for what a first cell of code names."""


def read(path: Path) -> Any:
    """A notebook as it is committed."""
    return nbformat.read(path, as_version=nbformat.NO_CONVERT)


def shortened(path: Path) -> Any:
    """A notebook with `LESS` in its first cell of code, where the settings are."""
    notebook = read(path)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    for name, value in LESS.items():
        first.source = re.sub(rf"^{name} = .*", f"{name} = {value}", first.source, flags=re.M)
    return notebook
