"""Long curves: few points drawn, no spike lost, and more detail where one looks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.runs import Run
from workbench.views.training.decimate import thinned, visible
from workbench.widgets import CurveExplorer


@pytest.mark.parametrize("length", [0, 1, 5, 1999, 2000, 2001, 2003, 4001, 100_003])
def test_thinning_keeps_every_extreme(length: int) -> None:
    rng = np.random.default_rng(length)
    values = pd.Series(rng.normal(size=length), index=np.arange(length) * 3)
    if length > 10:
        values.iloc[length // 3] = 99.0
    found = thinned(values)
    assert len(found) <= 2000
    assert found.index.is_monotonic_increasing
    assert found.isin(values).all()
    if length:
        assert found.max() == values.max()
        assert found.min() == values.min()
        assert found.equals(values.loc[found.index])
        assert found.index[[0, -1]].tolist() == values.index[[0, -1]].tolist()


def test_what_is_visible_reaches_over_both_edges() -> None:
    values = pd.Series(range(10), index=range(0, 100, 10))
    assert visible(values, (25, 55)).index.tolist() == [20, 30, 40, 50, 60]
    assert visible(values, (-5, 500)).equals(values)
    assert visible(values, None) is values


def test_scrolling_draws_the_visible_steps_in_full(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    rng = np.random.default_rng(0)
    noise = rng.random(6000)
    for step, value in enumerate(noise, 1):
        run.log(step, loss=value)
    explorer = CurveExplorer(run.path)

    def shown() -> np.ndarray:
        return explorer.pictures["upper"][()].get(0).dimension_values("step")

    assert len(shown()) <= 2000
    explorer._scroll("upper", (100.0, 400.0))
    np.testing.assert_array_equal(shown(), np.arange(99, 402))
    run.log(6001, loss=50.0, extra=1.0)
    explorer.refresh()
    explorer.upper = "extra"
    assert shown().tolist() == [6001]
    assert "step 6001" in explorer.readout


def test_before_the_first_measurement_there_is_a_message(tmp_path: Path) -> None:
    explorer = CurveExplorer(Run.create(tmp_path / "run", {}))
    assert "none yet" in explorer.message
    assert explorer.pictures["upper"][()].label == "nothing measured yet"
