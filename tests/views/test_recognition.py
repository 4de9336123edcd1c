"""The pictures of a classification: drawn by both backends, with what they promise in them."""

from typing import Any

import holoviews as hv
import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.calibration import reliability
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.regions.summary import summarise
from workbench.views.regions import recognition

NAMES = ("person", "bicycle", "car", "traffic light", "bench", "bird")
BACKENDS = ("bokeh", "matplotlib")


def draw(element: Any, backend: str) -> Any:
    return hv.Store.renderers[backend].get_plot(element).state


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """No traffic light occurs, and none is predicted."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 4, 5], 90, p=[0.1, 0.2, 0.4, 0.2, 0.1])
    scores = rng.normal(size=(90, 6)) + 2 * np.eye(6)[labels]
    scores[:, 3] = -9
    return Outcomes.of_scores(scores, labels, np.arange(90) // 4, np.arange(90), NAMES)


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws(backend: str, outcomes: Outcomes) -> None:
    draw(recognition.reliability_diagram(reliability([outcomes]), "deep-o2p"), backend)
    draw(recognition.confusion_matrix(outcomes.confusion(), NAMES), backend)
    draw(recognition.category_errors(summarise([outcomes])), backend)
    draw(recognition.confusion_table(outcomes.confusion(), NAMES), backend)


def test_categories_that_never_occur_are_left_out(outcomes: Outcomes) -> None:
    confusion = outcomes.confusion()
    assert recognition.occurring(confusion).tolist() == [0, 1, 2, 4, 5]
    picture = recognition.confusion_matrix(confusion, NAMES).get(0)
    shown = [name for name in NAMES if name != "traffic light"]
    drawn = hv.Store.renderers["matplotlib"].get_plot(picture).handles["axis"]
    assert [label.get_text() for label in drawn.get_yticklabels()] == shown
    for cell in picture.dframe().to_dict("records"):  # each stands where its names are
        assert cell["top"] + 0.5 == shown.index(cell["truth"])
        assert cell["left"] + 0.5 == shown.index(cell["predicted"])
    cells = picture.dframe().set_index(["truth", "predicted"])
    assert cells["share"].groupby("truth").sum().to_numpy() == pytest.approx(1)
    assert cells["regions"].sum() == 90
    assert cells.loc[("car", "bird"), "regions"] == confusion[2, 5]


def test_a_line_parts_groups_even_where_the_first_of_one_is_missing(outcomes: Outcomes) -> None:
    """person | bicycle car | bench | bird: traffic light opens its group, and is not there."""
    overlay = recognition.confusion_matrix(outcomes.confusion(), NAMES)
    lines = sorted(line.data for line in overlay if isinstance(line, hv.HLine))
    assert lines == [0.5, 2.5, 3.5]


def test_errors_stand_at_their_categories(outcomes: Outcomes) -> None:
    summary = summarise([outcomes])
    dots = recognition.category_errors(summary).get(1)
    shown = sorted((c for c in summary.categories if c.regions), key=lambda c: -c.regions)
    assert dots.dimension_values("error").tolist() == [each.error.mean for each in shown]


def test_the_diagram_has_a_dot_for_every_bin_in_use(outcomes: Outcomes) -> None:
    found = reliability([outcomes])
    dots = recognition.reliability_diagram(found, "alexnet").get(2)
    assert len(dots) == sum(each.regions > 0 for each in found.bins)
    assert dots.dimension_values("share of regions").sum() == pytest.approx(1)


def test_names_must_fit() -> None:
    with pytest.raises(WorkbenchError, match="name for each of 2"):
        recognition.confusion_matrix(np.eye(2), ["cat"])
