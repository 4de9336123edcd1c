"""The explorer of the geometry of layers: what is clicked is what is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import holoviews as hv
import ipywidgets
import numpy as np
import panel as pn
import pytest
from PIL import Image
from torch import nn

import workbench
from tests.probe.networks import convolutional
from workbench.errors import WorkbenchError
from workbench.models.chains import numbered_chain
from workbench.probe import LayerGeometry, Preprocessing
from workbench.views.across import resized
from workbench.views.geometry import layers as charts
from workbench.views.geometry.pairs import SIDE, strip_sheet
from workbench.widgets import GeometryExplorer
from workbench.widgets.explorers.geometry import SHOWN
from workbench.widgets.page.application import Page
from workbench.widgets.page.library import Library
from workbench.widgets.shells.jupyter_shell import controls_of

Draw = Callable[[hv.DynamicMap], Any]
SMALL = Preprocessing(shorter=48, crop=(48, 48))
COUNT = 7


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    for number in range(COUNT):
        blocks = Image.fromarray(random.integers(0, 255, (3, 3, 3), dtype=np.uint8))
        blocks.resize((64, 56)).save(folder / f"photo{number}.png")
    return folder


def measured(images: Path, model: nn.Module, layers: list[str], **options: Any) -> LayerGeometry:
    options = {"preprocessing": SMALL, "progress": False, "directions": 32} | options
    return workbench.layer_geometry(model, images, layers, **options)


@pytest.fixture(scope="module")
def look(images: Path) -> LayerGeometry:
    return measured(images, numbered_chain("tiny"), ["relu1", "relu3"], beside="random")


@pytest.fixture(scope="module")
def other(images: Path) -> LayerGeometry:
    """Layers of other names, whose predictions fail."""
    return measured(images, convolutional(), ["1", "4", "6"])


def part(explorer: GeometryExplorer, picture: str, kind: type[hv.Element], label: str = "") -> Any:
    """Element of a picture; the first of its kind and label."""
    parts = explorer.pictures[picture][()]
    return next(each for each in parts if isinstance(each, kind) and each.label == label)


def test_a_click_on_a_pair_shows_its_photographs(look: LayerGeometry, drawn: Draw) -> None:
    explorer = workbench.explore(look)
    for picture in explorer.pictures.values():
        drawn(picture)
    assert explorer.pair == look.pairs_at("relu1").ratio.argmin()
    explorer.layer = "relu3"
    for pair, weights, name in ((4, "given", "given"), (17, "random 2", "random")):
        at = look.pairs_at("relu3", weights).iloc[pair]
        explorer._on_pair(0, name, at.angle_in, at.angle)
        assert explorer.pair == pair
        ring = explorer.pictures[f"{name} 0"][()].get(4)
        assert (at.angle_in, at.angle) in [tuple(each) for each in ring.array()]
    explorer._on_pair(0, "given", 0.0, 0.0)
    assert explorer.pair == 17, "there is no pair"
    first, second = look.pair(17)
    photos = part(explorer, "pair", hv.RGB, "")
    shown = np.dstack([photos.dimension_values(channel, flat=False) for channel in "RGB"])
    np.testing.assert_array_equal(
        shown[3 : SIDE + 3, 3 : SIDE + 3], resized(look.thumbnails[first], (SIDE, SIDE))
    )
    captions, words = (e for e in explorer.pictures["pair"][()] if isinstance(e, hv.Labels))
    assert list(captions["name"]) == [look.images[first], look.images[second]]
    row = look.pairs_at("relu3").iloc[17]
    assert f"given weights: {row.angle:.3f} rad, ratio {row.ratio:.3f}" in list(words["words"])
    assert any(each.startswith("predicted: ") for each in words["words"])


def test_a_click_on_a_bin_shows_its_pairs(look: LayerGeometry) -> None:
    explorer = GeometryExplorer(look)
    seen: list[int] = []
    ratios = look.pairs_at("relu1").ratio
    for left, right in zip(explorer._scales.edges, explorer._scales.edges[1:], strict=False):
        explorer._on_bin((left + right) / 2, 0.01)
        expected = ratios[(ratios >= left) & (ratios < right)].sort_values()
        pages = []
        for _ in range(explorer.pages):
            assert len(explorer.on_page) <= SHOWN
            pages += explorer.on_page
            explorer.next_pairs()
        assert pages == list(expected.index)
        seen += pages
    assert sorted(seen) == list(range(COUNT * (COUNT - 1) // 2)), "every pair is in one bin"
    explorer._on_bin(float(ratios[3]), 0.01)
    place = explorer.on_page.index(3)
    explorer._on_pairs(*strip_sheet(look, len(explorer.on_page)).point(place, (5, 5)))
    assert explorer.pair == 3
    assert explorer.pictures["pairs"][()].label.endswith("given weights")


def test_the_slider_moves_all_charts_and_keeps_the_axes(other: LayerGeometry, drawn: Draw) -> None:
    explorer = GeometryExplorer(other)
    plots = {name: drawn(picture) for name, picture in explorer.pictures.items()}
    before = plots["given 0"].state.y_range.end
    explorer._on_layer(0, 2.1, 1.0)
    assert explorer.layer == "4"
    assert plots["given 0"].state.title.text.startswith("4, given, gauge given")
    assert plots["given 0"].state.y_range.end == before
    assert "4: no exact prediction, for 0 (Conv2d): it has a bias" in explorer.message
    marks = explorer.pictures["given 0"][()].get(0)
    np.testing.assert_allclose(np.sort(marks["angle"]), np.sort(other.pairs_at("4").angle))
    names = [item.label.value for item in plots["ratios 0"].state.legend[0].items if item.visible]
    assert names == ["given weights"], "no theory of tanh"


def test_two_results_share_layer_pair_and_axes(
    look: LayerGeometry, other: LayerGeometry, images: Path, drawn: Draw
) -> None:
    explorer = workbench.explore([look, other])
    plots = {name: drawn(picture) for name, picture in explorer.pictures.items()}
    assert explorer.options("layer") == {"relu1 | 1": "relu1", "relu3 | 4": "relu3"}
    assert "matched by their position" in explorer.readout
    explorer.layer = "relu3"
    for chart in ("given", "ratios", "squared_width"):
        one, two = (plots[f"{chart} {k}"].state for k in (0, 1))
        assert (one.x_range.end, one.y_range.end) == (two.x_range.end, two.y_range.end) or (
            chart == "squared_width" and one.y_range.end == two.y_range.end
        )
    at = other.pairs_at("4").iloc[9]
    explorer._on_pair(1, "given", at.angle_in, at.angle)
    assert explorer.pair == 9
    words = [e for e in explorer.pictures["pair"][()] if isinstance(e, hv.Labels)][1]["words"]
    assert sum(each.startswith("given weights: ") for each in words) == 2
    fewer = measured(images, convolutional(), ["1"], count=COUNT - 1)
    with pytest.raises(WorkbenchError, match="1 only in the first"):
        workbench.explore([look, fewer])


def test_many_pairs_are_a_density(
    look: LayerGeometry, drawn: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "CROWDED", 5)
    explorer = GeometryExplorer(look)
    drawn(explorer.pictures["given 0"])
    assert isinstance(explorer.pictures["given 0"][()].get(0), hv.HexTiles)
    explorer.layer = "relu3"
    at = look.pairs_at("relu3").iloc[6]
    explorer._on_pair(0, "given", at.angle_in, at.angle)
    assert explorer.pair == 6


def test_dead_layers_are_said_and_drawn_empty(images: Path, drawn: Draw) -> None:
    model = convolutional()
    for name in ("weight", "bias"):
        getattr(model[0], name).data.zero_()
    explorer = GeometryExplorer(measured(images, model, ["1"]))
    for picture in explorer.pictures.values():
        drawn(picture)
    assert "dead: all features are 0" in explorer.message
    assert (explorer.pair, explorer.bin) == (-1, -1)
    assert explorer.pictures["pair"][()].label == "click a pair"


def test_both_shells_have_all_controls_and_pictures(look: LayerGeometry) -> None:
    explorer = GeometryExplorer(look)
    box, _ = controls_of(explorer).children
    slider = box.children[0].children[1]
    assert isinstance(slider, ipywidgets.SelectionSlider)
    slider.value = "relu3"
    assert explorer.layer == "relu3"
    layout = explorer.panel()
    layout.get_root()
    assert len(layout.select(pn.pane.HoloViews)) == len(explorer.pictures)


def test_saved_results_open_in_the_app(
    look: LayerGeometry, other: LayerGeometry, tmp_path: Path
) -> None:
    look.save(tmp_path / "first")
    other.save(tmp_path / "second")
    page = Page(Library([tmp_path]))
    assert list(page.tabs.options) == ["Geometry"]
    assert page.explorers["Geometry"].looks[0].layers == look.layers
    page.state.runs = ["second", "first"]
    assert [each.layers for each in page.explorers["Geometry"].looks] == [
        other.layers, look.layers,
    ]  # fmt: skip
    (tmp_path / "first" / "geometry.npz").write_bytes(b"nothing")
    page.state.runs = ["first"]
    assert "damaged or foreign" in page.message.object
    found = workbench.explore(tmp_path / "second")
    assert isinstance(found.explorer("Geometry"), GeometryExplorer)
    with pytest.raises(WorkbenchError, match="geometries alone"):
        workbench.explore([look, tmp_path / "second"])
