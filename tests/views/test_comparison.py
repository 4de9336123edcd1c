"""Runs beside each other: what differs is in the table, what was measured is in the chart."""

import holoviews as hv
import numpy as np
import pandas as pd
import pytest

from workbench.views.training.comparison import ABSENT, config_differences, curves_together


def test_only_what_differs_is_a_row() -> None:
    first = {"passes": 2, "seed": 0, "architecture": {"tap": "relu3", "features": 20}}
    second = {"passes": 2, "seed": 1, "architecture": {"tap": "relu4", "features": 20}, "crop": 0.5}
    table = config_differences({"a": first, "b": second})
    assert table.index.tolist() == ["seed", "architecture.tap", "crop"]
    assert table.loc["architecture.tap"].tolist() == ["relu3", "relu4"]
    assert table.loc["crop"].tolist() == [ABSENT, 0.5]
    assert config_differences({"a": first, "b": dict(first)}).empty


def test_one_is_not_true_and_a_list_is_compared_whole() -> None:
    table = config_differences({"a": {"x": 1, "taps": [1, 2]}, "b": {"x": True, "taps": [1, 3]}})
    assert table.index.tolist() == ["x", "taps"]


@pytest.mark.parametrize("backend", ["bokeh", "matplotlib"])
def test_every_run_has_a_line_of_its_own(backend: str) -> None:
    steps = pd.Index(range(100), name="step")
    long = pd.DataFrame({"loss": np.linspace(3, 1, 100)}, index=steps)
    short = pd.DataFrame({"loss": [2.0, np.nan, 1.0]}, index=steps[:3])
    drawn = curves_together({"long": long, "short": short, "none": pd.DataFrame()}, "loss")
    hv.Store.renderers[backend].get_plot(drawn)
    curves = {each.label: each for each in drawn if isinstance(each, hv.Curve)}
    assert list(curves) == ["long", "short", "none"]
    assert curves["short"].dimension_values("loss").tolist() == [2.0, 1.0]
    smooth = curves["long"].dimension_values("loss")
    assert smooth.max() < 3
    assert np.all(np.diff(smooth) < 0)
    assert len(curves["none"]) == 0
