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


def test_a_click_in_the_tabs_of_explore_shows_the_row_of_a_pixel(
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
    picture = titled(page, f"image {probed.images[0]}, layer 4: row of M")
    keep("workspace")
    picture.click(100, 30)
    titled(page, f"image {probed.images[0]}, layer 4: row of M, pixel x 100, y 30")
    page.get_by_role("tab", name="Affinity", exact=True).click()
    image = titled(page, f"image {probed.images[0]}, layer 4")
    rows = titled(page, "M, row of pixel x ")
    before = rows.pixels()
    assert min(painted(before), painted(image.pixels())) > 0.5
    keep("before")
    image.click(100, 30)
    rows = titled(page, "M, row of pixel x 100, y 30;")
    after = rows.pixels()
    assert changed(before, after) > 0.1
    keep("after")

    page.get_by_label("Affinity", exact=True).select_option(index=1)
    titled(page, "M, row of pixel x 100, y 30;")
    page.get_by_text("approximated: error of its entries").wait_for()

    page.get_by_role("tab", name="Segmentations").click()
    titled(page, "average covering, 4, cosine: click one")
    page.get_by_label("Cut", exact=True).select_option(label="hierarchy, number of segments")
    page.get_by_text("covering of the annotators").wait_for()
    cut = titled(page, "6 segments, mean covering")
    assert painted(cut.pixels()) > 0.5
    keep("segmentations")
    assert (notebook.errors(), notebook.warnings()) == ([], [])


def test_tabs_draw_and_answer(
    probed: Probe,
    page: "Page",
    project: Path,
    open_notebook: Callable[[str], Notebook],
    keep: Callable[[str], None],
) -> None:
    cells = ["import workbench", f"workbench.explore({str(probed.path)!r})"]
    write_notebook(project / "notebooks" / "tabs.ipynb", cells)
    notebook = open_notebook("tabs.ipynb")
    notebook.run(0)
    notebook.run(1)
    picture = titled(page, f"image {probed.images[0]}, layer 4: row of M")
    titled(page, "Eigenvalues of M").click(2, 0.1)
    picture = titled(page, f"image {probed.images[0]}, layer 4: eigenvector 2")
    assert painted(picture.pixels()) > 0.3
    page.get_by_role("tab", name="Spectrum", exact=True).click()
    assert painted(titled(page, "eigenvalues of M").pixels()) > 0.05
    page.get_by_role("tab", name="All images", exact=True).click()
    light_up_the_like(page, probed)
    keep("all-images")
    page.get_by_role("tab", name="Workspace", exact=True).click()
    titled(page, f"image {probed.images[0]}, layer 4: eigenvector 2")
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
