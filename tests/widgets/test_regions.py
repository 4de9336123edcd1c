"""The regions explorer, and the space of regions that it walks through, on a small trained run."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import holoviews as hv
import ipywidgets
import numpy as np
import panel as pn
import pytest

from pipelines.errors import PipelineError
from workbench.data import Regions
from workbench.errors import WorkbenchError
from workbench.evaluation.regions.distances import RegionSpace
from workbench.experiments.regions.training import score_run, train_regions
from workbench.models.regions import RegionArchitecture
from workbench.runs import Run
from workbench.training.regions.config import RegionConfig
from workbench.widgets import RegionExplorer
from workbench.widgets.explorers.region_gallery import GALLERY, RIGHT, WRONG, space_of
from workbench.widgets.explorers.regions import NEAREST
from workbench.widgets.shells.jupyter_shell import controls_of

Draw = Callable[[hv.DynamicMap], Any]


@pytest.fixture(scope="module")
def classified(sample_regions: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two passes of a tiny network, masked and centred: the pooling with the most to go wrong."""
    shape = RegionArchitecture(
        "tiny", "relu3", masked=True, centre=True, classes=len(Regions.open(sample_regions).names)
    )
    config = RegionConfig(
        store=str(sample_regions),
        architecture=shape,
        passes=2,
        batch=20,
        jitter=0,
        holdout=0.3,
        learning_rate=0.05,
        head_multiplier=1.0,
    )
    return train_regions(config, tmp_path_factory.mktemp("classified") / "run")


@pytest.fixture(scope="module")
def space(classified: Run) -> RegionSpace:
    space = RegionSpace(classified)
    space.finish(progress=False)
    return space


def log_of(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.log(values)) @ vectors.T


def test_the_matrices_are_what_the_layer_makes_of_one_another(space: RegionSpace) -> None:
    for position in range(0, len(space.regions), 5):
        details = space.details(position)
        np.testing.assert_allclose(details.before, details.before.T)
        values = np.linalg.eigvalsh(details.before)[::-1]
        np.testing.assert_allclose(details.eigenvalues, values, atol=1e-6 * values[0])
        shifted = details.before + space.pooling.epsilon * np.eye(len(values))
        np.testing.assert_allclose(details.after, log_of(shifted), atol=1e-4)
        assert details.rank < details.cells or details.rank == len(values), "the mean was taken off"
        assert details.probabilities.sum() == pytest.approx(1)


def test_predictions_are_those_of_an_evaluation(space: RegionSpace, classified: Run) -> None:
    scores = score_run(classified.path, "held")
    np.testing.assert_array_equal(
        space.regions.table["annotation_id"].values, scores.annotation_ids
    )
    assert space.right.mean() == pytest.approx(1 - scores.error)
    predicted = [space.predicted(i) for i in range(len(space.regions))]
    assert predicted == [space.regions.names[i] for i in scores.logits.argmax(1)]


def test_distances_are_frobenius_norms_between_logarithms(space: RegionSpace) -> None:
    own = space.details(3).after
    expected = [np.linalg.norm(space.details(i).after - own) for i in range(len(space.regions))]
    found = space.distances(3)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    order, distances = space.nearest(3, 4, same_image=True)
    assert 3 not in order
    np.testing.assert_allclose(distances, np.sort(np.delete(expected, 3))[:4], rtol=1e-4)
    images = space.regions.table["image_id"].values
    apart, _ = space.nearest(3, len(images))
    assert set(apart) == set(np.flatnonzero(images != images[3]))


def test_what_is_not_done_yet_is_left_out(classified: Run) -> None:
    space = RegionSpace(classified)
    assert len(space.nearest(0, 5)[0]) == 0
    assert np.isnan(space.remaining)
    assert space.predicted(0) is None
    assert space.advance()
    assert 0 < space.done < len(space.regions)
    order, _ = space.nearest(len(space.regions) - 1, 1000, same_image=True)
    assert sorted(order) == list(range(space.done))
    assert space.remaining > 0


def test_clicks_go_to_regions_and_pictures_follow(classified: Run, drawn: Draw) -> None:
    explorer = RegionExplorer(classified)
    for picture in explorer.pictures.values():
        drawn(picture)
    assert explorer.space.complete
    assert explorer.position == 0
    explorer._on_gallery(x=GALLERY.size[1] - 2.0, y=2.0)  # the last of the first row
    assert explorer.position == 7
    details = explorer.space.details(7)
    assert details.region.category in explorer.pictures["region"][()].label
    explorer.by_energy = False
    shown = explorer.pictures["before"][()].dimension_values("feature²", flat=False)
    np.testing.assert_allclose(shown, details.before)
    spectrum = explorer.pictures["spectrum after"][()].get(0).dimension_values("eigenvalue after")
    np.testing.assert_allclose(spectrum, np.linalg.eigvalsh(details.after)[::-1], atol=1e-5)
    nearest = explorer.near[0]
    explorer._on_nearest(x=NEAREST.side * 1.5, y=5.0)
    assert explorer.position == nearest[1]
    explorer._on_nearest(x=-4.0, y=5.0)
    assert explorer.position == nearest[1]


def test_filters_find_categories_and_outcomes(classified: Run, drawn: Draw) -> None:
    explorer = RegionExplorer(classified)
    for picture in explorer.pictures.values():
        drawn(picture)
    space = explorer.space
    right = np.flatnonzero(space.right)
    explorer.outcome = RIGHT
    assert explorer.found.tolist() == right.tolist()
    explorer.outcome = WRONG
    assert len(explorer.found) + len(right) == len(space.regions)
    for name in list(explorer.options("category"))[1:]:
        explorer.category = name
        for position in explorer.found:
            assert space.regions[int(position)].category == name
            assert not space.right[position]
        assert explorer.position == (explorer.found[0] if len(explorer.found) else -1)
    explorer.part = "test"
    assert explorer.category == "any"
    assert explorer.space.part == "test"
    assert f"of {len(explorer.space.regions)} test regions" in explorer.readout


def test_matrices_are_computed_once_for_all_explorers_of_a_run(classified: Run) -> None:
    first, second = RegionExplorer(classified), RegionExplorer(classified.path)
    assert first.space is second.space
    checkpoint = next(classified.checkpoints.glob("*.pt"))
    checkpoint.touch()
    assert first.space.stale
    first.refresh()
    assert first.space is not second.space
    assert space_of(classified, "held") is first.space


def test_both_shells_have_all_controls_and_pictures(classified: Run) -> None:
    explorer = RegionExplorer(classified)
    box, _ = controls_of(explorer).children
    assert len(box.children) == len(explorer.controls)
    toggle = next(w for w in box.children if isinstance(w, ipywidgets.Checkbox))
    toggle.value = not toggle.value
    assert explorer.by_energy == toggle.value
    layout = explorer.panel()
    layout.get_root()
    assert len(layout.select(pn.pane.HoloViews)) == len(explorer.pictures)
    by_name = {widget.label: widget for widget in layout.select(pn.widgets.Widget)}
    by_name["Classified"].value = WRONG
    assert explorer.outcome == WRONG


def test_other_runs_and_lost_stores_are_a_sentence(
    trained_run: Run, classified: Run, tmp_path: Path, drawn: Draw
) -> None:
    explorer = RegionExplorer(trained_run)
    assert "a run of regions, found one of scenes" in explorer.message
    for picture in explorer.pictures.values():
        drawn(picture)
    explorer = RegionExplorer(classified, tmp_path / "nowhere.zarr")
    assert str(tmp_path / "nowhere.zarr") in explorer.message
    average = RegionConfig(store="", architecture=RegionArchitecture(pooling="average"))
    with pytest.raises(WorkbenchError, match="pooling average"):
        RegionSpace(Run.create(tmp_path / "average", average.to_dict()), "held")


def test_a_store_that_has_lost_its_pixels_is_a_sentence(
    classified: Run, sample_regions: Path, tmp_path: Path, drawn: Draw
) -> None:
    store = tmp_path / "damaged.zarr"
    shutil.copytree(sample_regions, store)
    shutil.rmtree(store / "image" / "c")
    explorer = RegionExplorer(classified, store)
    for picture in explorer.pictures.values():
        drawn(picture)
    assert str(store) in explorer.message
    assert explorer.details is None
    assert "nothing to see" in explorer.pictures["region"][()].label


def test_a_run_that_was_moved_with_its_store_finds_it(
    classified: Run, sample_regions: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "project" / "runs" / "moved"
    shutil.copytree(classified.path, moved)
    (moved / "config.json").write_text(
        (moved / "config.json").read_text().replace(str(sample_regions), "stores/regions.zarr")
    )
    with pytest.raises(PipelineError, match=r"regions\.zarr"):
        RegionSpace(moved)
    (tmp_path / "project" / "stores").mkdir()
    (tmp_path / "project" / "stores" / "regions.zarr").symlink_to(sample_regions)
    assert len(RegionSpace(moved).regions) == len(RegionSpace(classified).regions)
