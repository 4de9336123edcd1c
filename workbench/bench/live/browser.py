"""The workspace in a real browser: from an action to the frame after its answer, by its clock.

Needs playwright and chromium, as the tests in a browser do; without them the rows are left out.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from workbench.bench.records import Row, Target
from workbench.bench.report import at_most, find
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run

PAGE = "the page in chromium"
PAINT, IMAGE, RUN, CLICK, SCRUB = (
    "first paint", "another image", "another run", "click to overlay", "a step scrubbed",
)  # fmt: skip
LIMITS = {PAINT: 1.5, IMAGE: 0.3, RUN: 0.7, CLICK: 0.15, SCRUB: 0.1}
"""Promised seconds."""
_CHROMIUM = "chromium"
_TITLES = """
const titles = () => {
  const found = []
  const walk = (view) => {
    const text = view.model?.title?.text
    if (typeof text === "string" && /(scene|step) /.test(text) && view.el.offsetWidth)
      found.push(text)
    for (const child of view.child_views ?? []) walk(child)
  }
  for (const root of window.Bokeh?.index?.roots ?? []) walk(root)
  return found.join("|")
}
const changed = (before) => new Promise((done) => {
  const look = () => titles() !== before && titles() !== ""
    ? requestAnimationFrame(() => done(performance.now())) : setTimeout(look, 2)
  look()
})
"""


@dataclass(frozen=True)
class PageSizes:
    """Sizes of the measurement.

    Attributes:
        steps: snapshots of each of two images of two runs.
        repeats: number of times that each action is done.
    """

    steps: int = 6
    repeats: int = 9


def page_rows(sizes: PageSizes, folder: Path, snapshot: Snapshot) -> Iterator[Row]:
    """Rows of the measurement; none without a browser.

    Args:
        sizes: sizes of the measurement.
        folder: folder for the runs.
        snapshot: snapshot that the runs have at each step.
    """
    browser = shutil.which(_CHROMIUM)
    if browser is None or find_spec("playwright") is None:
        return
    for name, images in (("first", "ab"), ("second", "cd")):  # titles that differ
        run = Run.create(folder / "page" / name, {})
        for step in range(1, sizes.steps + 1):
            run.log(step, loss=1 / step)
            for image in images:
                run.snapshot(step, image, snapshot.to_arrays())
    code = "from workbench.cli import main; main()"
    command = [sys.executable, "-c", code, "lab", "--app", str(folder / "page")]
    app = subprocess.Popen(
        [*command, "--port", "0", "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert app.stdout is not None
        address = re.match(r"http://\S+", app.stdout.readline())
        if address is None:
            raise WorkbenchError("an app that starts", "one that ends", "run workbench lab --app")
        found = _measured(address[0], browser, sizes)
    finally:
        app.terminate()
        app.communicate()
    yield from (Row(PAGE, name, median(seconds)) for name, seconds in found.items())


def page_targets(rows: list[Row]) -> Iterator[Target]:
    """Targets of the measurement."""
    for name, limit in LIMITS.items():
        if (row := find(rows, PAGE, name)) is not None:
            yield at_most(f"{name} within {limit} s, in chromium", row.seconds, limit, "{} s")


def _measured(address: str, browser: str, sizes: PageSizes) -> dict[str, list[float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        query = f"{address}/?runs=first&image=a&step=1"
        page.goto(query)  # what is loaded once is loaded
        found: dict[str, list[float]] = {name: [] for name in LIMITS}
        for _ in range(max(sizes.repeats // 3, 1)):
            page.goto(query, wait_until="commit")
            found[PAINT].append(page.evaluate(f"() => {{ {_TITLES} return changed('') }}") / 1e3)
        page.wait_for_timeout(3000)
        box = _picture(page)
        for turn in range(sizes.repeats):
            at = box["x"] + box["width"] * (0.3 + 0.04 * turn), box["y"] + box["height"] / 2
            found[CLICK].append(_timed(page, partial(page.mouse.click, *at)))
            key = "ArrowUp" if turn % 2 else "ArrowDown"
            found[IMAGE].append(_timed(page, partial(page.keyboard.press, key)))
        for turn in range(max(sizes.repeats // 3, 2)):
            key, last = ("ArrowLeft", 1) if turn % 2 else ("ArrowRight", sizes.steps)
            found[SCRUB].append(_scrubbed(page, key, last, sizes.steps - 1))
        for turn in range(max(sizes.repeats // 3, 2)):
            row = page.locator(".tabulator-row").nth(turn % 2)
            found[RUN].append(_timed(page, row.click))
        chromium.close()
    return found


def _picture(page: Any) -> dict[str, Any]:
    """Place of the large picture on the page."""
    boxes = [each.bounding_box() for each in page.locator(".bk-Figure").all()]
    largest: dict[str, Any] = max(
        (box for box in boxes if box), key=lambda box: box["width"] * box["height"]
    )
    return largest


def _scrubbed(page: Any, key: str, last: int, steps: int) -> float:
    """Seconds a step, of a key that is pressed again and again until the last step is shown."""
    page.evaluate(
        f"() => {{ {_TITLES} const begun = performance.now(); window.answered = new Promise("
        f"(done) => {{ const look = () => titles().includes('step {last}:') ? "
        "requestAnimationFrame(() => done(performance.now() - begun)) : setTimeout(look, 2);"
        " look() }) }"
    )
    for _ in range(steps):
        page.keyboard.press(key)
    seconds: float = page.evaluate("() => window.answered") / 1e3
    page.wait_for_timeout(400)
    return seconds / steps


def _timed(page: Any, act: Callable[[], object]) -> float:
    """Seconds from an action to the frame after the large picture's title has changed."""
    page.evaluate(
        f"() => {{ {_TITLES} const begun = performance.now();"
        " window.answered = changed(titles()).then((end) => end - begun) }"
    )
    act()
    seconds: float = page.evaluate("() => window.answered") / 1e3
    page.wait_for_timeout(400)  # until all other panels have answered too
    return seconds
