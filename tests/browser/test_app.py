"""The app, `workbench lab --app`, without JupyterLab."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.figures import titled
from tests.browser.pixels import changed, painted
from tests.browser.server import marked, started
from tests.browser.trainings import eventually
from workbench.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def address(chromium: str, trained: Run, tmp_path: Path) -> Iterator[str]:
    """Of an app that serves the trained run."""
    said = tmp_path / "app.log"
    code = "from workbench.cli import main; main()"
    command = [sys.executable, "-c", code, "lab", "--app", str(trained.path)]
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


def test_it_draws_and_answers_a_click(
    page: "Page", address: str, trained: Run, keep: Callable[[str], None]
) -> None:
    page.goto(address)
    page.get_by_text("Affinity", exact=True).first.click()
    image = titled(page, f"scene {trained.snapshot_names()[0]}, step {trained.step}")
    rows = titled(page, "M, row of pixel")
    before = rows.pixels()
    assert min(painted(before), painted(image.pixels())) > 0.5
    keep("affinity")
    image.click(5, 70)
    titled(page, "M, row of pixel x 5, y 70;")
    assert changed(before, rows.pixels()) > 0.1
