"""Seeds and images vary apart."""

import math

import numpy as np
import pytest

from workbench.errors import WorkbenchError
from workbench.evaluation import MethodScores, PoolScores
from workbench.evaluation.scenes.replicates import Replicates


def scores(values: dict[str, list[float]]) -> MethodScores:
    """One annotator; a segmentation for each value."""
    return MethodScores("m", {
        name: PoolScores(
            np.array(v)[:, None], np.array(v)[:, None], 1 - np.array(v)[:, None],
            np.arange(len(v)) + 1, max(v), 10,
        )
        for name, v in values.items()
    })  # fmt: skip


def test_one_seed_is_the_method_itself() -> None:
    single = scores({"a": [0.1, 0.5], "b": [0.4, 0.2]})
    found = Replicates("m", (single,))
    assert found.summary() == single.summary()
    assert math.isnan(found.spread("best"))


def test_images_are_paired_by_name_and_intervals_run_over_images() -> None:
    found = Replicates(
        "m",
        (scores({"a": [0.2, 0.6], "b": [0.8, 0.1]}), scores({"b": [1.0, 0.3], "a": [0.4, 0.2]})),
    )
    assert found.per_image()["best"].to_dict() == pytest.approx({"a": 0.5, "b": 0.9})
    summary = found.summary()
    assert summary.best.mean == pytest.approx(0.7)
    assert summary.best.low == pytest.approx(0.5)  # two images: the interval ends at them
    assert summary.best.high == pytest.approx(0.9)
    assert found.means("best") == pytest.approx([0.7, 0.7])
    assert found.spread("best") == pytest.approx(0, abs=1e-12)
    # The first seed's best scale for the set is its first, .5 in the mean; the second's too, .7.
    assert summary.covering.ods == pytest.approx((0.5 + 0.7) / 2)
    assert summary.covering.scale == 0


def test_a_scale_is_named_only_where_seeds_agree() -> None:
    found = Replicates("m", (scores({"a": [0.2, 0.6]}), scores({"a": [0.6, 0.2]})))
    assert found.summary().covering.scale is None
    assert found.summary().covering.ods == pytest.approx(0.6)


def test_seeds_of_different_images_are_refused() -> None:
    with pytest.raises(WorkbenchError, match="the same images"):
        Replicates("m", (scores({"a": [0.2]}), scores({"b": [0.2]})))
    with pytest.raises(WorkbenchError, match="at least one seed"):
        Replicates("m", ())
