"""A network that the project does not know, explored in JupyterLab and in the app."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser.figures import titled
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.pixels import changed, painted
from tests.browser.server import app
from tests.probe.networks import convolutional, write_images, write_truths
from workbench.evaluation.scenes.probes import evaluate_probe
from workbench.probe import Probe, probe
from workbench.widgets import AcrossExplorer

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    folder = tmp_path_factory.mktemp("probed")
    images = write_images(folder / "images", count=2, size=(160, 120))
    truths = write_truths(folder / "truths", count=2, size=(160, 120))
    found = probe(
        convolutional(), images, ["1", "4"], truths=truths, path=folder / "run", progress=False
    )
    evaluate_probe(found, progress=False)
    return found


def test_explore_answers_in_a_cell(
    probed: Probe,
    page: "Page",
    project: Path,
    open_notebook: Callable[[str], Notebook],
    keep: Callable[[str], None],
) -> None:
    cells = ["import workbench", f"workbench.explore(workbench.Probe({str(probed.path)!r}))"]
    write_notebook(project / "notebooks" / "probe.ipynb", cells)
    notebook = open_notebook("probe.ipynb")
    notebook.run(0)
    notebook.run(1)
    where = f"image {probed.images[0]}, layer 4"
    picture = titled(page, f"{where}: row of M")
    before = picture.pixels()
    assert painted(before) > 0.3
    picture.click(100, 30)
    picture = titled(page, f"{where}: row of M, pixel x 100, y 30")
    assert changed(before, picture.pixels()) > 0.1
    keep("workspace")
    page.get_by_label("Affinity", exact=True).select_option(index=1)
    page.get_by_text("approximated: error of its entries").wait_for()
    titled(page, "Eigenvalues of M").click(2, 0.1)
    picture = titled(page, f"{where}: eigenvector 2")
    picture.click(100, 30)
    page.keyboard.press("s")
    picture = titled(page, f"{where}: ")
    page.get_by_text("covering of annotators").wait_for()
    keep("segments")
    page.get_by_text("All images", exact=True).click()
    light_up_the_like(page, probed)
    keep("all-images")
    page.get_by_text("Workspace", exact=True).click()
    assert titled(page, f"{where}: ").title.endswith("segments")
    assert (notebook.errors(), notebook.warnings()) == ([], [])


def test_the_app_shows_a_probe(
    chromium: str, probed: Probe, page: "Page", tmp_path: Path, keep: Callable[[str], None]
) -> None:
    with app(probed.path, tmp_path) as address:
        page.goto(address)
        titled(page, f"image {probed.images[0]}, layer 4: row of M")
        page.get_by_text("All images", exact=True).first.click()
        light_up_the_like(page, probed)
        keep("all-images")


def place(probed: Probe, number: int, pixel: tuple[int, int]) -> tuple[float, float]:
    """Point of the sheet of all photographs at a pixel of one of them."""
    explorer = AcrossExplorer(probed)
    return explorer._sheet(explorer.on_page).point(number, pixel)


def light_up_the_like(page: "Page", probed: Probe) -> None:
    """Click the dark half of the first photograph: the other one's dark half is lit, not light."""
    sheet = titled(page, "eigenvectors 2, 3, 4")
    assert painted(sheet.pixels()) > 0.05
    sheet.click(*place(probed, 0, (40, 20)))
    sheet = titled(page, "affinity to pixel x 20, y 40 of photo0")
    shown = sheet.pixels().astype(float).sum(axis=2)
    points = np.array([place(probed, 1, pixel) for pixel in ((120, 20), (120, 100))])
    columns, rows = sheet.at(*points.T)
    dark, light = (
        shown[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6].mean()
        for x, y in zip(columns, rows, strict=True)
    )
    assert dark > light + 100
