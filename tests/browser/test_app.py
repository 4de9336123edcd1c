"""The app, `workbench lab --app`, without JupyterLab."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.figures import titled
from tests.browser.pixels import changed, painted
from tests.browser.server import app
from workbench.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def address(chromium: str, trained: Run, tmp_path: Path) -> Iterator[str]:
    """Of an app that serves the trained run."""
    with app(trained.path, tmp_path) as found:
        yield found


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
