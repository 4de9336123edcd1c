"""The app, `workbench lab --app`, without JupyterLab."""

import re
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


def test_all_panels_answer_and_the_address_opens_the_same_view(
    page: "Page", address: str, trained: Run, keep: Callable[[str], None]
) -> None:
    scene = trained.snapshot_names()[0]
    steps = trained.snapshots(scene)
    page.goto(address)
    picture = titled(page, f"scene {scene}, step {trained.step}: row of M")
    before = picture.pixels()
    assert painted(before) > 0.3
    picture.click(5, 70)
    picture = titled(page, f"scene {scene}, step {trained.step}: row of M, pixel x 5, y 70")
    assert changed(before, picture.pixels()) > 0.1
    keep("affinity")
    titled(page, "2: λ = ").click(60, 60)
    titled(page, f"scene {scene}, step {trained.step}: eigenvector 2")
    page.get_by_text("segments", exact=True).click()
    for part in ("overlay=segments", f"step={trained.step}"):
        page.wait_for_url(re.compile(part))
    keep("segments")
    again = page.context.new_page()
    again.goto(re.sub(r"step=\d+", f"step={steps[0]}", page.url))
    assert titled(again, f"scene {scene}, step {steps[0]}: ").title.endswith("segments")
    again.close()
