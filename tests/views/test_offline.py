"""No plot of a notebook asks for anything from a network."""

import holoviews as hv
import pytest

from workbench.views.panels import row


@pytest.mark.parametrize("count", [1, 2])
def test_plots_bring_their_style_sheets(count: int) -> None:
    drawn = row([hv.Curve([1.0, 2.0]).relabel(f"curve {i}") for i in range(count)])
    data, _ = hv.Store.renderers["bokeh"].components(drawn)
    assert "curve 0" in str(data)
    assert "https://cdn" not in str(data)
