"""The notebooks that a new user opens first, from top to bottom in JupyterLab."""

from collections.abc import Callable

import pytest

from tests.browser.figures import figures
from tests.browser.notebook import SECONDS, Notebook
from tests.browser.pixels import painted

LEAST = {"00_quickstart": 40, "02_train_live": 6}
"""Figures that are drawn."""


@pytest.mark.parametrize("name", LEAST)
def test_runs_and_draws_everything(name: str, open_notebook: Callable[[str], Notebook]) -> None:
    notebook = open_notebook(f"{name}.ipynb")
    notebook.run_all(timeout=180 * SECONDS)
    assert notebook.errors() == []
    with notebook.unfolded() as whole:
        found = {
            f"{i}: {each.title}": each.within(whole)
            for i, each in enumerate(figures(notebook.page))
        }
    assert len(found) >= LEAST[name]
    blank = [title for title, pixels in found.items() if painted(pixels) < 0.03]
    assert not blank, f"of {len(found)} figures these are blank: {blank}"
