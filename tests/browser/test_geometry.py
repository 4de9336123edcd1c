"""The geometry of layers, and of a run of small images, explored in JupyterLab and in the app."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import workbench
from pipelines.jobs import run as process
from pipelines.sources.sample import write_sample
from tests.browser.figures import Figure, figures, titled
from tests.browser.notebook import Notebook, write_notebook
from tests.browser.pixels import changed, painted
from tests.browser.server import app
from workbench.experiments.images.training import train_images
from workbench.models.chains import numbered_chain
from workbench.probe import LayerGeometry, Preprocessing
from workbench.training.images.config import ImageConfig
from workbench.views.geometry.pairs import SIDE

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A geometry on plain colours, so that a photograph is known by its colour."""
    folder = tmp_path_factory.mktemp("geometry")
    random = np.random.default_rng(0)
    for number in range(6):
        pixels = np.full((48, 48, 3), random.integers(0, 255, 3), np.uint8)
        pixels[:4] = random.integers(0, 255, (4, 48, 3))
        Image.fromarray(pixels).save(folder / f"photo{number}.png")
    look = workbench.layer_geometry(
        numbered_chain("tiny"), folder, ["relu1", "relu3"], beside="random",
        preprocessing=Preprocessing(shorter=48), progress=False,
    )  # fmt: skip
    return look.save(folder / "record").parent


def clicked(page: "Page", figure: Figure, look: LayerGeometry, layer: str, pair: int) -> None:
    """Click a pair: its two photographs are shown."""
    row = look.pairs_at(layer).iloc[pair]
    photographs = titled(page, f"pair at {layer}")
    before = photographs.pixels()
    figure.pixels()  # scrolls to it
    figure.click(row.angle_in, row.angle)
    page.wait_for_timeout(1000)
    shown = photographs.pixels()
    assert changed(before, shown) > 0.05
    for place, image in enumerate(look.pair(pair)):
        (column,), (line,) = photographs.at(
            np.array([SIDE / 2 + place * SIDE]), np.array([SIDE * 0.6])
        )
        expected = look.thumbnails[image][30, 24].astype(int)
        assert np.abs(shown[int(line), int(column)].astype(int) - expected).max() < 4


def test_a_click_shows_two_photographs_in_a_cell(
    saved: Path,
    page: "Page",
    project: Path,
    open_notebook: Callable[[str], Notebook],
    keep: Callable[[str], None],
) -> None:
    cells = [
        f"import workbench\n\nlook = workbench.probe.LayerGeometry.open({str(saved)!r})",
        "explore = workbench.explore  # imports the explorers",
        "explore(look)",
    ]
    write_notebook(project / "notebooks" / "geometry.ipynb", cells)
    notebook = open_notebook("geometry.ipynb")
    for cell in range(3):
        notebook.run(cell)
    look = LayerGeometry.open(saved)
    figure = titled(page, "relu1, given, gauge given")
    assert painted(figure.pixels()) > 0.01
    clicked(page, figure, look, "relu1", 3)
    keep("first-layer")
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    clicked(page, titled(page, "relu3, given, gauge given"), look, "relu3", 11)
    assert (notebook.errors(), notebook.warnings()) == ([], [])


def test_the_app_shows_a_geometry(
    chromium: str, saved: Path, page: "Page", tmp_path: Path, keep: Callable[[str], None]
) -> None:
    look = LayerGeometry.open(saved)
    with app(saved, tmp_path) as address:
        page.goto(address)
        clicked(page, titled(page, "relu1, given, gauge given"), look, "relu1", 7)
        bins = titled(page, "ratios at relu1")
        bins.pixels()
        bins.click(float(look.pairs_at("relu1").ratio.max()), 0.01)
        assert titled(page, "1–").pixels().size > 0
        keep("bin")


@pytest.fixture(scope="module", autouse=True)
def run_of_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one pass on textures, with its random start and one more kept network.

    Made before the browser, as all trainings here.
    """
    folder = tmp_path_factory.mktemp("images")
    write_sample(folder / "raw", train=120, test=60, layout="cifar10")
    store = process("cifar10", folder / "raw", folder / "a.zarr", workers=1, progress=False).store
    config = ImageConfig(
        store=str(store), width=4, passes=1, batch=20, anchors=20, errors=(99.0,)
    )  # fmt: skip
    return train_images(config, folder / "run", progress=False).path


def test_ratios_codes_and_nearest_images_of_a_run(
    chromium: str, run_of_images: Path, page: "Page", tmp_path: Path, keep: Callable[[str], None]
) -> None:
    with app(run_of_images, tmp_path) as address:
        page.goto(f"{address}/?bits=24")
        page.get_by_text("Geometry", exact=True).click()
        assert painted(titled(page, "block3").pixels()) > 0.01
        assert painted(titled(page, "control triplets").pixels()) > 0.05
        keep("ratios")
        titled(page, "block1").click(0, 1)
        page.wait_for_url("**network=start**")
        page.get_by_text(re.compile("^start, step 0, .* at block3")).wait_for()
        page.get_by_text("codes", exact=True).click()
        page.get_by_text("24 bits of block3 by random hyperplanes").wait_for()
        keep("codes")
        page.get_by_text("nearest images", exact=True).click()
        page.get_by_text("Query 0 of 60 test images").wait_for()
        page.locator("input.bk-input:visible").last.fill("7")
        page.keyboard.press("Enter")
        page.get_by_text("Query 7 of 60 test images").wait_for()
        sheet = figures(page)[-1]
        before = sheet.pixels()
        assert painted(before) > 0.2
        sheet.click(140.5 + 68 + 30, 30.5)
        page.get_by_text("Query 7 of 60 test images").wait_for(state="hidden")
        assert changed(before, sheet.pixels()) > 0.05
        keep("nearest")
