"""A network that the project does not know, explored in JupyterLab: layers, clicks, tabs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.figures import titled
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.pixels import changed, painted
from tests.probe.networks import convolutional, write_images, write_truths
from workbench.evaluation.scenes.probes import evaluate_probe
from workbench.probe import Probe, probe

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

    page.get_by_label("affinity", exact=True).select_option(index=1)
    titled(page, "M, row of pixel x 100, y 30;")
    page.get_by_text("approximated: error of its entries").wait_for()

    page.get_by_role("tab", name="Segmentations").click()
    titled(page, "average covering, 4, cosine: click one")
    page.get_by_label("cut", exact=True).select_option(label="hierarchy, by number")
    page.get_by_text("covering of the annotators").wait_for()
    cut = titled(page, "6 segments, mean covering")
    assert painted(cut.pixels()) > 0.5
    keep("segmentations")
    assert (notebook.errors(), notebook.warnings()) == ([], [])
