"""Pictures of regions, their spectra and a search: drawn by both backends, true to the data."""

from pathlib import Path
from typing import Any

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from workbench.data import Regions
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.views.regions.pictures import error_curves, wrong_regions
from workbench.views.regions.spectra import COLOURS, category_spectra, map_effect
from workbench.views.regions.tuning import search_chart, trials_table, write_tuning

BACKENDS = ("bokeh", "matplotlib")


def draw(element: Any, backend: str) -> Any:
    return hv.Store.renderers[backend].get_plot(element).state


def trial(number: int, rate: float, errors: list[float], state: str) -> dict[str, Any]:
    ended = state == "complete"
    return {
        "number": number,
        "values": {"learning_rate": rate, "dropout": 0.5},
        "state": state,
        "errors": errors,
        "error": errors[-1] if ended else None,
        "loss": 1.0 if ended else None,
        "minutes": 0.5,
    }


SEARCH = {
    "column": "deep-o2p",
    "own": {"learning_rate": 0.01, "dropout": 0.5},
    "trials": [
        trial(0, 0.01, [0.6, 0.5], "complete"),
        trial(1, 0.03, [0.6, 0.4], "complete"),
        trial(2, 0.0001, [0.9], "pruned"),
        trial(3, 9.0, [], "diverged"),
    ],
    "best": 1,
}
SPECTRA = np.array([[4.0, 1.0, 1e-3], [2.0, 0.5, 1e-4], [8.0, 1.0, 0.0]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws(backend: str, sample_regions: Path) -> None:
    for name in ("learning_rate", "dropout"):
        draw(search_chart(SEARCH, name), backend)
    draw(category_spectra(SPECTRA, np.array([0, 0, 2]), ("a", "b", "c"), 1e-3), backend)
    draw(map_effect(SPECTRA, lambda t: np.log(t + 1e-3), "log"), backend)
    metrics = pd.DataFrame(
        {
            "loss": [np.nan, 2.0, 1.5],
            "error": [np.nan, 0.9, 0.7],
            "held_out_error": [0.9, np.nan, 0.8],
        },
        index=pd.Index([0, 1, 2], name="step"),
    )  # fmt: skip
    draw(error_curves(metrics), backend)
    draw(error_curves(metrics[["held_out_error"]].iloc[:1]), backend)


def test_the_chosen_trial_is_first_and_those_ended_early_are_last() -> None:
    header, *rows = trials_table(SEARCH)
    assert header[:3] == ["trial", "learning rate", "dropout"]
    assert [row[0] for row in rows] == [
        "1 ← chosen", "0", "2 ended early", "3 diverged",
    ]  # fmt: skip
    assert rows[0][1:4] == ["0.03", "0.5", "40.0 %"]
    assert rows[3][3:5] == ["–", "–"]


def test_a_search_is_a_page_with_a_chart_for_each_parameter(tmp_path: Path) -> None:
    paths = write_tuning(SEARCH, tmp_path, "A search", "workbench train deep-o2p")
    assert {path.name for path in paths} == {
        "tuning.md", "tuning.html", "tuning-learning-rate.png", "tuning-dropout.png",
    }  # fmt: skip
    page = (tmp_path / "tuning.html").read_text()
    assert page.count("<svg") == 2
    assert "workbench train deep-o2p" in page
    assert "1 ← chosen" in (tmp_path / "tuning.md").read_text()


def test_each_category_has_its_own_median_and_no_line_where_it_is_zero() -> None:
    names = tuple("abcdefgh")
    categories = np.repeat(np.arange(8), 2)[:15]
    spectra = np.tile(SPECTRA[:1], (15, 1)) * (1 + categories[:, None])
    spectra[categories == 0, 2] = 0
    lines = [e for e in category_spectra(spectra, categories, names) if isinstance(e, hv.Curve)]
    assert len(lines) == len(COLOURS)
    assert lines[0].label == "a (2)"
    assert lines[0].dimension_values("eigenvalue").tolist() == [4.0, 1.0]
    assert lines[1].dimension_values("eigenvalue").tolist() == pytest.approx([8.0, 2.0, 2e-3])


def test_the_surest_mistakes_are_shown_with_truth_and_prediction(sample_regions: Path) -> None:
    regions = Regions.open(sample_regions).select(slice(0, 4))
    ids = regions.table["annotation_id"].values.astype(np.int64)
    labels = regions.categories.astype(np.int64)
    scores = np.zeros((4, len(regions.names)))
    scores[0, labels[0]] = 5.0  # right
    for i, sure in ((1, 3.0), (2, 9.0), (3, 6.0)):
        scores[i, (labels[i] + 1) % len(regions.names)] = sure
    shuffled = np.array([2, 0, 3, 1])
    outcomes = Outcomes.of_scores(
        scores[shuffled], labels[shuffled], np.zeros(4, np.int64), ids[shuffled], regions.names
    )
    pictures = list(wrong_regions(regions, outcomes, count=2))
    expected = [
        f"{regions.names[labels[i]]} → {regions.names[(labels[i] + 1) % len(regions.names)]}"
        for i in (2, 3)
    ]
    assert [picture.label.rsplit(",", 1)[0] for picture in pictures] == expected
    shown = np.dstack([pictures[0].dimension_values(c, flat=False) for c in "RGB"])
    np.testing.assert_array_equal(shown, regions[2].pixels)
