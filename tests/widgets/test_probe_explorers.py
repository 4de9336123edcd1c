"""Explorers on probes: any network's layers, on images with and without annotators."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import pytest
import torch

import workbench
from tests.probe.networks import Tokens, convolutional, write_images, write_truths
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.contingency import covering
from workbench.evaluation.scenes.probes import evaluate_probe
from workbench.evaluation.scenes.snapshots import snapshot_of
from workbench.probe import CHOICES, AcrossImages, Probe, probe
from workbench.runs import Run
from workbench.segmentation import PoolConfig
from workbench.views.report import write_report
from workbench.views.scenes.history import spectrum_of
from workbench.widgets import (
    AcrossExplorer,
    AffinityExplorer,
    SegmentationExplorer,
    SpectrumExplorer,
)
from workbench.widgets.explorers import across as pages
from workbench.widgets.explorers.segmentations import AT, INTO
from workbench.widgets.page.application import Page
from workbench.widgets.page.library import Library
from workbench.widgets.shells.explorer import Explorer
from workbench.widgets.shells.jupyter_shell import controls_of

Draw = Callable[[hv.DynamicMap], Any]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), count=2)


@pytest.fixture(scope="module")
def convolutions(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    path = tmp_path_factory.mktemp("runs") / "convolutions"
    return probe(convolutional(), images, ["1", "4", "6"], path=path, progress=False)


@pytest.fixture(scope="module")
def tokens(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Probe:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("runs") / "tokens"
    return probe(Tokens().eval(), images, "blocks.*", path=path, progress=False)


@pytest.fixture(params=["convolutions", "tokens"])
def found(request: pytest.FixtureRequest) -> Probe:
    return request.getfixturevalue(request.param)


def labels_of(explorer: Explorer) -> list[str]:
    return [control.label for control in explorer.offered_controls()]


def cosines(features: np.ndarray, cell: int) -> np.ndarray:
    """(1 + cosine)/2 of every cell with one."""
    x = features.reshape(len(features), -1).T.astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return (1 + x @ x[cell]) / 2


def test_a_snapshot_of_a_prediction_has_no_annotator(tokens: Probe) -> None:
    image, layer = tokens.images[0], tokens.layers[-1]
    prediction = tokens.prediction(image, layer)
    kept = snapshot_of(prediction, tokens.image(image), PoolConfig(counts=(2, 3)))
    assert kept.truths.shape == (0, *tokens.image(image).shape[:2])
    assert kept.coverings.shape == (2, 0)
    np.testing.assert_array_equal(kept.counts, [2, 3])
    again = kept.from_arrays(kept.to_arrays())
    np.testing.assert_array_equal(again.segmentations, kept.segmentations)
    torch.testing.assert_close(again.prediction.affinity.dense(), prediction.affinity.dense())


def test_a_click_gives_the_cosines_of_the_features(found: Probe, drawn: Draw) -> None:
    explorer = AffinityExplorer(found)
    assert explorer.message == ""
    plots = [drawn(picture) for picture in explorer.pictures.values()]
    assert len(plots) == 3
    assert explorer.seeds == [(32, 24)]
    explorer.kind = "W"
    explorer._on_tap(x=40.0, y=9.0)
    assert explorer.seeds == [(9, 40)]
    cell = explorer.probe.cell((9, 40))
    row = explorer.probe.rows(np.array([cell]), normalized=False)[0]
    np.testing.assert_allclose(
        row, cosines(found.features(explorer.scene, found.layers[-1]), cell), atol=1e-5
    )
    shown = explorer.pictures["affinity"][()].get(0).dimension_values("affinity", flat=False)
    np.testing.assert_array_equal(shown, explorer.values((9, 40)))


def test_layers_are_scrubbed_by_name_in_their_order(convolutions: Probe) -> None:
    explorer = AffinityExplorer(convolutions.path)
    assert explorer.options("step") == {"1": 1, "4": 2, "6": 3}
    assert list(explorer.options("scene")) == convolutions.images
    for step, layer in enumerate(convolutions.layers, 1):
        explorer.step = step
        title = f"image {explorer.scene}, layer {layer}"
        assert explorer.pictures["image"][()].label == title
        rows, columns = convolutions.features(explorer.scene, layer).shape[1:]
        assert f"{rows}×{columns} cells; affinity cosine" in explorer.readout
    explorer.scene = convolutions.images[1]
    np.testing.assert_array_equal(explorer.snapshot.image, convolutions.image(explorer.scene))


def test_the_affinity_can_be_chosen(tokens: Probe, drawn: Draw) -> None:
    explorer = AffinityExplorer(tokens.run)
    assert explorer.options("affinity") == {words: choice for choice, words in CHOICES.items()}
    before = explorer.snapshot
    explorer.affinity = "exponential"
    values = explorer.snapshot.prediction.affinity.dense().numpy()
    for cell in (0, 17):
        exact = np.exp(
            (2 * cosines(tokens.features(explorer.scene, tokens.layers[-1]), cell) - 2) / 0.1
        )
        np.testing.assert_allclose(values[cell], exact, atol=1e-3)
    error = tokens.factors(explorer.scene, tokens.layers[-1], "exponential").largest_error
    assert f"{error:.2g} at most" in explorer.readout
    explorer.affinity = "cosine"
    assert explorer.snapshot is before, "a snapshot that was made is kept"
    explorer.affinity = "linear"  # of features of both signs: a warning, or cuts are undefined
    assert "negative" in explorer.readout + explorer.message
    for picture in explorer.pictures.values():
        drawn(picture)


def test_nothing_that_needs_annotators_is_offered(found: Probe) -> None:
    assert labels_of(AffinityExplorer(found)) == [
        "Image", "Layer", "Affinity", "Row of", "Follow the pointer", "Several pixels",
        "Clear pixels", "Refresh",
    ]  # fmt: skip
    explorer = SegmentationExplorer(found)
    expected = ["Image", "Layer", "Affinity", "Cut", "Segments", "Seed", "Merge threshold"]
    assert labels_of(explorer) == expected
    assert labels_of(SpectrumExplorer(found)) == ["Image", "Layer", "Affinity", "Refresh"]
    (box, _) = controls_of(explorer).children
    assert len(box.children) == len(expected)
    explorer.panel().get_root()


def test_a_training_is_offered_no_affinity(trained_run: Run) -> None:
    for explorer in (AffinityExplorer(trained_run), SpectrumExplorer(trained_run)):
        assert labels_of(explorer) == [c.label for c in explorer.controls if c.name != "affinity"]


def test_segments_follow_the_slider(found: Probe, drawn: Draw) -> None:
    explorer = SegmentationExplorer(found)
    assert explorer.message == ""
    for name in (name for row in explorer.rows() for name in row):
        drawn(explorer.pictures[name])
    explorer.step, explorer.segments = 1, 2
    labels = explorer.labels
    dark = explorer.snapshot.image[..., 0] < 100  # the left half
    assert len(np.unique(labels)) >= 2
    counts = np.array([[np.sum(labels[half] == i) for i in np.unique(labels)]
                       for half in (dark, ~dark)])  # fmt: skip
    assert counts.max(axis=0).sum() > 0.8 * labels.size, "two halves are found"
    explorer._show_cut()
    assert explorer.readout.startswith(f"{labels.max()} segments; affinity cosine")
    assert "covering" not in explorer.readout + explorer.pictures["cut"][()].label
    assert "k = 2" in explorer.pictures["pool 1"][()].label
    assert "★" not in "".join(explorer.pictures[f"pool {i}"][()].label for i in range(1, 9))


def test_a_layer_is_cut_by_a_hierarchy(found: Probe, drawn: Draw) -> None:
    explorer = SegmentationExplorer(found)
    explorer.way, explorer.segments = INTO, 3
    assert len(np.unique(explorer.labels)) == 3
    drawn(explorer.pictures["cut"])
    explorer.way = AT
    np.testing.assert_array_equal(explorer.labels, explorer.recut.into(3))
    explorer.height = explorer.bounds("height")[1]
    assert len(np.unique(explorer.labels)) == 1
    explorer.step = 1
    assert explorer.way == AT, "another layer is cut the same way"


def test_ground_truth_is_covered_and_images_are_ranked(tmp_path: Path, drawn: Draw) -> None:
    truths = write_truths(tmp_path / "truths", 2)
    found = probe(
        convolutional(), write_images(tmp_path / "images", 3), ["1", "4"], truths=truths,
        path=tmp_path / "run", progress=False,
    )  # fmt: skip
    explorer = SegmentationExplorer(found)
    assert labels_of(explorer)[-2:] == ["Boundaries of", "Ranked by"]
    assert explorer.options("drawn_by") == {"annotator 1": 0, "annotator 2": 1, "None": -1}
    explorer.segments = 2
    expected = [covering(truth, explorer.labels) for truth in found.truths("photo0")]
    np.testing.assert_allclose(explorer.coverings, expected)
    assert f"mean {np.mean(expected):.3f}" in explorer.readout
    assert "★" in "".join(explorer.pictures[f"pool {i}"][()].label for i in range(1, 9))
    assert explorer.pictures["ranking"][()].label.startswith("not evaluated yet")
    table = evaluate_probe(found, progress=False)
    explorer.step = 1
    for step, scores in zip((1, 2), table.methods, strict=True):
        explorer.step = step
        best = {image: each.average for image, each in scores.images.items()}
        assert {image.id: image.covering for image in explorer.images} == pytest.approx(best)
        drawn(explorer.pictures["ranking"])
    explorer._on_tap(x=2.0, y=0.5)
    assert (explorer.scene, explorer.step) == (explorer.images[1].id, 2)
    explorer.scene = "photo2"  # nobody has annotated it
    assert explorer.options("drawn_by") == {"None": -1}
    for name in (name for row in explorer.rows() for name in row):
        drawn(explorer.pictures[name])
    affinity = AffinityExplorer(found)
    assert "Boundaries of" in labels_of(affinity)
    affinity.scene = "photo2"
    assert affinity.message == ""


def test_spectra_of_layers(found: Probe, drawn: Draw) -> None:
    explorer = SpectrumExplorer(found)
    for picture in explorer.pictures.values():
        drawn(picture)
    side = explorer.sides[0]
    assert [each.step for each in side.spectra] == explorer._steps()
    for spectrum, layer in zip(side.spectra, found.layers, strict=True):
        affinity = found.prediction(explorer.scene, layer).affinity
        expected = spectrum_of(spectrum.step, affinity)
        np.testing.assert_array_equal(spectrum.eigenvalues, expected.eigenvalues)
    explorer.step = 1
    assert f"layer {found.layers[0]}: rank" in explorer.readout
    assert explorer.pictures["effective rank 0"][()].label.endswith(f"layer {found.layers[0]}")
    before = side.now.eigenvalues
    explorer.affinity = "exponential"
    assert side.now.eigenvalues.shape != before.shape


def test_two_probes_stand_side_by_side(convolutions: Probe, tokens: Probe, drawn: Draw) -> None:
    explorer = SpectrumExplorer(convolutions, tokens)
    assert explorer.message == ""
    names = ["1 | blocks.0", "4 | blocks.1", "6 | blocks.1"]
    assert explorer.options("step") == dict(zip(names, (1, 2, 3), strict=True))
    assert [side.now.step for side in explorer.sides] == [3, 2]
    for picture in explorer.pictures.values():
        drawn(picture)


def test_a_probe_before_its_first_image_says_so(tokens: Probe, tmp_path: Path, drawn: Draw) -> None:
    found = Probe(Run.create(tmp_path / "begun", tokens.run.config))
    kinds = (AffinityExplorer, SpectrumExplorer, SegmentationExplorer, AcrossExplorer)
    for explorer in (kind(found) for kind in kinds):
        assert "wait for" in explorer.message
        for picture in explorer.pictures.values():
            drawn(picture)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of two photographs side by side."""
    monkeypatch.setattr(pages, "COLUMNS", 2)
    monkeypatch.setattr(pages, "ROWS", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Probe:
    """Probe of five photographs, one of them a landscape; each has a dark left half."""
    images = write_images(tmp_path_factory.mktemp("five"), count=4)
    write_images(images / "wide", count=1, size=(48, 96))
    path = tmp_path_factory.mktemp("runs") / "folder"
    return probe(convolutional(), images, ["1", "4"], path=path, progress=False)


def test_a_click_lights_up_its_like_on_all_images(
    folder: Probe, drawn: Draw, small_pages: None
) -> None:
    explorer = AcrossExplorer(folder)
    plots = {name: drawn(picture) for name, picture in explorer.pictures.items()}
    assert (explorer.message, explorer.layer, explorer.shown) == ("", "4", "colours")
    image, pixel = explorer.on_page[1], (20, 4)
    sheet = explorer._sheet(explorer.on_page)
    explorer._on_tap(*sheet.point(1, pixel))
    assert (explorer.seed, explorer.shown) == ((image, pixel), "affinity")
    expected = AcrossImages(folder, "4", progress=False)
    assert explorer.nearest == expected.nearest(image, pixel)
    every = np.concatenate([row.ravel() for row in expected.rows(image, pixel).values()])
    assert f"colours from {np.quantile(every, 0.05):.3g} to" in explorer.readout
    values = explorer.pictures["page"][()].get(1).dimension_values("affinity", flat=False)
    for place in range(2):
        dark, light = (
            values[round(y / 2), round(x / 2)]
            for x, y in (sheet.point(place, (32, 6)), sheet.point(place, (32, 42)))
        )
        assert dark > light
    assert plots["page"].handles["plot"].title.text.startswith("affinity to pixel x 4, y 20 of")


def test_the_nearest_images_lead_to_their_pages(
    folder: Probe, drawn: Draw, small_pages: None
) -> None:
    explorer = AcrossExplorer(folder)
    for picture in explorer.pictures.values():
        drawn(picture)
    names = [each.image for each in explorer.nearest]
    best = next(each for each in explorer.nearest if each.image not in explorer.on_page)
    explorer._on_nearest(*explorer._strip(names).point(names.index(best.image), best.pixel))
    assert explorer.page > 1
    assert best.image in explorer.on_page
    assert explorer.seed == (best.image, best.pixel)
    explorer.page = 3
    assert len(explorer.on_page) == 1
    explorer.next_page()
    assert explorer.page == 3
    explorer._on_tap(x=explorer._sheet([]).size[1] - 1.0, y=5.0)  # beside the last photograph
    assert explorer.seed == (best.image, best.pixel)


@pytest.mark.parametrize("shown", ["segments", "colours"])
def test_a_colour_means_the_same_on_all_photographs(folder: Probe, drawn: Draw, shown: str) -> None:
    explorer = AcrossExplorer(folder)
    for picture in explorer.pictures.values():
        drawn(picture)
    explorer.shown, explorer.segments = shown, 2
    pixels = explorer.pictures["page"][()].get(0)
    channels = [pixels.dimension_values(c, flat=False).astype(float) for c in "RGB"]
    sheet = explorer._sheet(explorer.on_page)

    def mean(place: int, column: int) -> np.ndarray:
        x, y = (round(at) for at in sheet.point(place, (32, column)))
        return np.array([c[y - 5 : y + 6, x - 5 : x + 6].mean() for c in channels])

    for place in range(1, 4):
        to_dark, to_light = (np.abs(mean(0, 6) - mean(place, at)).sum() for at in (6, 42))
        assert to_dark < to_light / 2


def test_a_cut_is_computed_once_for_each_layer_and_affinity(folder: Probe) -> None:
    explorer = AcrossExplorer(folder)
    first = explorer.cut
    explorer.affinity = "exponential"
    assert explorer.cut is not first
    assert "affinity approximated: error of its entries" in explorer.readout
    explorer.affinity = "cosine"
    assert explorer.cut is first
    explorer.affinity = "linear"  # features of both signs
    assert "negative" in explorer.message + explorer.readout


def test_what_cannot_be_compared_across_images_is_one_sentence(
    images: Path, tmp_path: Path, drawn: Draw
) -> None:
    network = torch.nn.Sequential(
        convolutional(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    ).eval()
    found = probe(network, images, ["0.4", "2"], path=tmp_path / "vectors", progress=False)
    explorer = AcrossExplorer(found)
    assert (explorer.layer, explorer.message) == ("0.4", "")
    explorer.layer = "2"
    assert "which gives one vector for a whole image" in explorer.message
    assert explorer.cut is None
    for picture in explorer.pictures.values():
        drawn(picture)
    one = [images / "photo0.png"]
    alone = probe(convolutional(), one, ["1"], path=tmp_path / "one", progress=False)
    assert "two images with kept features" in AcrossExplorer(alone).message


def test_explore_shows_what_applies(tokens: Probe, trained_run: Run, sample_store: Path) -> None:
    explored = workbench.explore(tokens, overlay="segments", cut="number", k=4)
    assert explored.titles == ["Workspace", "All images"]
    assert list(explored.page.explorers) == ["Workspace"], "the others when they are opened"
    assert explored.explorer("Workspace").canvases[0].drawn.title == "4 segments"
    assert isinstance(explored.explorer("All images"), AcrossExplorer)
    layout = explored.panel()
    assert len(layout.select(pn.pane.HoloViews)) == sum(
        map(len, explored.explorer("All images").rows())
    )
    layout.get_root()
    assert workbench.explore(str(tokens.path)).titles == explored.titles
    assert workbench.explore(trained_run).titles == ["Workspace", "Curves"]
    assert workbench.explore(sample_store).titles == ["Dataset"]
    both = workbench.explore([trained_run, tokens.path])
    assert both.state.runs == [trained_run.path.name, tokens.path.name]
    assert both.page.subject.opened.path == trained_run.path


def test_what_cannot_be_explored_is_one_sentence(tmp_path: Path, tokens: Probe) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WorkbenchError, match="expected a run"):
            workbench.explore(path)
    with pytest.raises(WorkbenchError, match="wait for its first records"):
        workbench.explore(Run.create(tmp_path / "run", {}))
    for wrong in ({"overlay": "none"}, {"colour": 1}):
        with pytest.raises(WorkbenchError, match="expected parameters out of runs"):
            workbench.explore(tokens, **wrong)
    with pytest.raises(WorkbenchError, match="expected a tab out of Workspace, All images"):
        workbench.explore(tokens).explorer("Monitor")


def test_the_public_names_of_probes() -> None:
    from workbench.probe import TrainingRecord

    assert workbench.Probe is Probe
    assert workbench.record is TrainingRecord
    assert callable(workbench.probe)
    assert workbench.probe.layers is not None


def test_the_app_lists_and_shows_probes(tokens: Probe) -> None:
    library = Library([tokens.path.parent])
    (entry,) = (each for each in library.entries() if each.path == tokens.path)
    page = Page(library)
    page.state.runs = [entry.name]
    assert [tab.title for tab in page._shown] == ["Workspace", "All images"]
    for title in page.tabs.options:
        page.tabs.value = title
    assert not page.message.visible
    page.layout().get_root()


def test_a_probe_has_a_report(tokens: Probe, tmp_path: Path) -> None:
    text = write_report(tokens.run, tmp_path / "report.html").read_text()
    assert "A probe of Tokens" in text
    assert "Layers blocks.0, blocks.1 on 2 images" in text
