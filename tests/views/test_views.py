"""Every view draws under both backends, and leaves what it was given as it was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from workbench.evaluation import BenchmarkTable
from workbench.evaluation.scenes.ranks import Trajectory
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views.panels import photo
from workbench.views.scenes import affinity, history, ranks, scores, segments, spectrum
from workbench.views.scenes import scores as cuts
from workbench.views.scenes import scores as ranking
from workbench.views.scenes import table2 as coverings
from workbench.views.scenes.affinity import AffinityPicture
from workbench.views.scenes.probe import AffinityProbe
from workbench.views.style import interactive
from workbench.views.thumbnails import ThumbnailGrid
from workbench.views.training import curves

VIEWS: dict[str, Callable[[Snapshot], Any]] = {
    "humans": lambda snapshot: segments.human_segmentations(snapshot.image, snapshot.truths),
    "best": segments.best_segmentation,
    "pool": segments.pool,
    "affinity row": lambda snapshot: affinity.affinity_row(snapshot, (10, 20)),
    "affinity rows": affinity.affinity_rows,
    "rows of W": lambda snapshot: affinity.affinity_rows(snapshot, normalized=False),
    "affinity blocks": affinity.affinity_blocks,
    "rows of several": lambda snapshot: AffinityPicture(
        AffinityProbe(snapshot), snapshot.truths[0]
    ).draw([(3, 4), (10, 50), (40, 20)]),
    "rows of none": lambda snapshot: AffinityPicture(AffinityProbe(snapshot), None).draw([]),
    "spectra": lambda snapshot: history.eigenvalue_history(
        history.spectrum_at(2, snapshot), [history.spectrum_at(1, snapshot)]
    ),
    "singular values": lambda snapshot: history.singular_history(history.spectrum_at(2, snapshot)),
    "ranks by step": lambda snapshot: history.rank_history([history.spectrum_at(2, snapshot)], 2),
    "coverings of a cut": lambda snapshot: cuts.covering_bars(
        snapshot.coverings[0], snapshot.coverings
    ),
    "thumbnails": lambda snapshot: ThumbnailGrid(2, 1, 48).draw(
        [snapshot.image[:48, :48]], ["a"], 0
    ),
    "spectrum": lambda snapshot: spectrum.spectrum({"untrained": snapshot, "trained": snapshot}),
    "eigenvectors": spectrum.eigenvectors,
}
BACKENDS = ("bokeh", "matplotlib")


def draw(element: Any, backend: str) -> Any:
    return hv.Store.renderers[backend].get_plot(element).state


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", VIEWS)
def test_draws(name: str, backend: str, snapshot: Snapshot) -> None:
    before = {key: array.copy() for key, array in snapshot.to_arrays().items()}
    draw(VIEWS[name](snapshot), backend)
    for key, array in snapshot.to_arrays().items():
        np.testing.assert_array_equal(array, before[key])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", sorted(VIEWS.keys() - {"eigenvectors"}))
def test_draws_a_dead_network(name: str, backend: str, snapshot: Snapshot) -> None:
    """All features off: no degree, no eigenvalue, nothing to divide by."""
    dead = replace(
        snapshot,
        maps=np.zeros_like(snapshot.maps),
        eigenvalues=np.zeros(0),
        eigenvectors=snapshot.eigenvectors[:0],
        rank=0,
        segmentations=np.ones_like(snapshot.segmentations),
    )
    draw(VIEWS[name](dead), backend)


def test_a_title_that_is_too_long_for_its_frame_loses_its_middle() -> None:
    title = f"{'deep-ncuts-' * 5} · step 160"
    picture = interactive(photo(np.zeros((4, 4, 3), np.uint8), title), side=180)
    shown = hv.renderer("bokeh").get_plot(picture).state.title.text
    assert shown.startswith("deep-ncuts-")
    assert "…" in shown
    assert shown.endswith("step 160")
    assert len(shown) < 36


@pytest.mark.parametrize("rank", [0, 1])
def test_a_collapsed_affinity_has_no_eigenvector_to_show(rank: int, snapshot: Snapshot) -> None:
    collapsed = replace(
        snapshot,
        eigenvalues=snapshot.eigenvalues[:rank],
        eigenvectors=snapshot.eigenvectors[:rank],
    )
    assert len(spectrum.eigenvectors(collapsed)) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_curves_and_scores_draw(backend: str, table: BenchmarkTable) -> None:
    metrics = pd.DataFrame(
        {"loss": [np.nan, 3.0, 2.0], "rank": [np.nan, 20, 19], "covering_best": [0.4, np.nan, 0.5],
         "covering_average": [0.3, np.nan, 0.4]},
        index=pd.Index([0, 1, 2], name="step"),
    )  # fmt: skip
    draw(curves.training_curves(metrics), backend)
    draw(scores.scores_per_image(table.to_dict()), backend)
    images = ranking.ranked(table.to_dict(), "trained")
    draw(ranking.ranking_chart(images, chosen=images[0].id, kept=[images[1].id]), backend)
    draw(ranking.ranking_chart([]), backend)


def test_curves_show_what_was_measured_only() -> None:
    metrics = pd.DataFrame({"loss": [3.0, 2.0]}, index=pd.Index([1, 2], name="step"))
    assert [panel.label for panel in curves.training_curves(metrics)] == ["Objective"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_trajectories_of_rank_draw_with_one_legend_entry_an_objective(backend: str) -> None:
    rng = np.random.default_rng(0)
    trajectories = [
        Trajectory(f"seed{i}", objective, rng.random((4, 3)), rng.normal(size=(5, 3)))
        for objective in ("J1", "J2")
        for i in range(2)
    ]
    draw(ranks.rank_pictures(trajectories), backend)
    curves_ = [each for each in ranks.over_passes(trajectories) if isinstance(each, hv.Curve)]
    assert [each.label for each in curves_] == ["J1", "", "J2", ""]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("split", ["test", "train"])
def test_a_table_draws_its_rows_from_the_top_with_the_paper_s_beside(
    backend: str, split: str
) -> None:
    def entry(title: str, cut: str, best: float, low: float | None) -> dict[str, Any]:
        found = {"mean": best, "low": low, "high": None if low is None else best + 0.1}
        return {
            "title": title, "cut": cut, "paper": {"best": 0.5, "average": 0.4},
            "mean": {"best": found, "average": found},
        }  # fmt: skip

    rows = [entry("a", "flat", 0.6, 0.5), entry("a", "hierarchy", 0.7, None)]
    chart = coverings.covering_chart({"rows": rows, "split": split})
    draw(chart, backend)
    dots = {each.label: each.data for each in chart if isinstance(each, hv.Scatter)}
    assert dots["best"].to_numpy().tolist() == [[0.6, 2.0], [0.7, 1.0]]
    assert dots["the paper's best"].to_numpy().tolist() == [[0.5, 2.0]]  # once a column
    lines = [each.label for each in chart if isinstance(each, hv.Curve)]
    assert any("gPb" in line for line in lines) == (split == "test")
