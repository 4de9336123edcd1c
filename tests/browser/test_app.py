"""The app, `workbench lab --app`, without JupyterLab."""

import base64
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from PIL import Image

from tests.browser.figures import titled
from tests.browser.pixels import changed, painted
from tests.browser.server import app
from tests.browser.trainings import eventually
from workbench.runs import Run

if TYPE_CHECKING:
    from playwright.sync_api import Page


DROP = """({name, content}) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))
  const transfer = new DataTransfer()
  transfer.items.add(new File([bytes], name))
  document.body.dispatchEvent(
    new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}))
}"""
"""Drops a file, whose content is given in base 64, on the page."""


def photo(run: Run) -> str:
    """Picture of a run's first snapshot as a file, in base 64."""
    name = run.snapshot_names()[0]
    pixels = run.load_snapshot(run.snapshots(name)[0], name, ("image",))["image"]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


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
    titled(page, "eigenvector 2").click(60, 60)
    titled(page, f"scene {scene}, step {trained.step}: eigenvector 2")
    page.get_by_text("segments", exact=True).click()
    for part in ("overlay=segments", f"step={trained.step}"):
        page.wait_for_url(re.compile(part))
    picture = titled(page, f"scene {scene}, step {trained.step}: ")
    before = picture.pixels()
    picture.hover(5, 70)
    eventually(lambda: changed(before, picture.pixels()) > 0.001, "an outline under the pointer")
    keep("segments")
    page.keyboard.press("c")
    page.keyboard.press("ArrowLeft")
    sides = [titled(page, f"step {step}: ") for step in (steps[-2], steps[-1])]
    assert all(side.title.endswith("segments") for side in sides)
    keep("compared")
    page.evaluate(DROP, {"name": "photo.txt", "content": "bm8gcGljdHVyZQ=="})
    page.get_by_text("photo.txt").wait_for()
    page.evaluate(DROP, {"name": "mine.png", "content": photo(trained)})
    titled(page, f"scene mine.png, step {trained.step}: ")
    keep("dropped")
    again = page.context.new_page()
    again.goto(f"{address}/?image={scene}&step={steps[0]}&overlay=segments")
    assert titled(again, f"scene {scene}, step {steps[0]}: ").title.endswith("segments")
    again.close()


HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_are_text_and_the_table_is_filtered_and_saved(
    page: "Page", trained: Run, tmp_path: Path, keep: Callable[[str], None]
) -> None:
    """A name that became an element would ask for its picture, which the page's checks find."""
    shutil.copytree(trained.path, tmp_path / "runs" / "plain")
    hostile = Run.create(tmp_path / "runs" / HOSTILE, {"kind": HOSTILE, HOSTILE: HOSTILE})
    hostile.append("plan", 0, steps=8, steps_per_pass=2, samples=4)
    hostile.log(2, **{HOSTILE: 0.5})
    broken = shutil.copytree(trained.path, tmp_path / "runs" / f"b{HOSTILE}")
    (broken / "config.json").write_text("{")
    with app(tmp_path / "runs", tmp_path) as address:
        page.goto(address)
        page.get_by_text("1 run cannot be read").click()
        page.get_by_text(f"b{HOSTILE}: expected").wait_for()
        page.get_by_text("Columns, CSV").click()
        page.locator(".choices input").first.fill("config: <img")
        page.get_by_role("option", name=f"config: {HOSTILE}").click()
        page.locator(".tabulator-col-title", has_text="config: <img").wait_for()
        names = page.locator('.tabulator-cell[tabulator-field="name"]')
        assert names.count() == 3
        page.locator(".tabulator-header-filter input").first.press_sequentially("plain")
        names.nth(1).wait_for(state="detached")
        assert names.all_inner_texts() == ["plain"]
        keep("runs")
        with page.expect_download() as download:
            page.get_by_text("CSV", exact=True).click()
        table = pd.read_csv(download.value.path()).set_index("name")
        assert table.loc[HOSTILE, f"config: {HOSTILE}"] == HOSTILE
        assert table.loc[HOSTILE, "progress"] == 0.25
