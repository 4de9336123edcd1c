"""Explorers of linear regions and of tessellations, and the charts of the theory."""

from collections.abc import Callable
from typing import Any

import holoviews as hv
import numpy as np
import pytest
import torch

from workbench.geometry import farthest_first, hyperplanes, known_sets, mean_width
from workbench.geometry.linear_regions import regions_on_plane
from workbench.geometry.recovery import depth_errors
from workbench.geometry.region_growth import growth, multilayer
from workbench.geometry.sparse_recovery import phase_transition
from workbench.views.geometry.recovery import depth_chart, rate_chart, transition_chart
from workbench.views.geometry.regions import growth_chart
from workbench.views.geometry.sets import coverage_chart, packing_chart, radius_chart, width_chart
from workbench.views.geometry.tessellation import distortion_chart
from workbench.widgets.explorers.linear_regions import LinearRegionExplorer
from workbench.widgets.explorers.tessellation import TessellationExplorer

Draw = Callable[[hv.DynamicMap], Any]


def test_a_click_names_the_neighbours_of_a_region(drawn: Draw) -> None:
    inputs = torch.randn(3, 5)
    maps = [regions_on_plane(multilayer(5, 12, 2), *inputs) for _ in range(2)]
    explorer = LinearRegionExplorer(*maps, titles=("random", "trained"))
    assert f"trained: {maps[1].count:,} regions" in explorer.readout
    x, y = maps[1].polygons[7].centre
    explorer.click(1, float(x), float(y))
    assert (explorer.network, explorer.region) == (1, 7)
    near = maps[1].neighbours(7)
    layer, unit = maps[1].changed(7, int(near[0]))[0]
    assert f"{len(near)} neighbours: {near[0]} (unit {unit} of layer {layer})" in explorer.readout
    shown = explorer.pictures["map 1"][()]
    outlines = [each for each in shown if type(each) is hv.Path]
    assert [len(each.split()) for each in outlines] == [len(near), 1]
    assert not [each for each in explorer.pictures["map 0"][()] if type(each) is hv.Path]
    for picture in explorer.pictures.values():
        drawn(picture)
    explorer.click(0, 1e9, 0.0)
    assert "a point of the square" in explorer.message
    explorer.clear()
    assert "Click a region" in explorer.readout


def test_more_hyperplanes_cut_more_cells(drawn: Draw) -> None:
    explorer = TessellationExplorer(bits=5)
    assert "10 cells of the circle, 22 of the whole sphere" in explorer.readout
    ring = explorer.pictures["circle"][()].get(1)
    assert len(ring.split()) >= 10  # one of them may be cut where the angle begins
    explorer.bits = 40
    assert f"{hyperplanes.cell_count(3, 40):,} of the whole sphere" in explorer.readout
    for picture in explorer.pictures.values():
        drawn(picture)


def test_charts_show_measurement_and_theory() -> None:
    draws = np.random.default_rng(0)
    x = np.zeros((600, 8))
    x[:, :3] = draws.standard_normal((600, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    width = mean_width(x)
    net = farthest_first(x[:400], 20)
    curve = hyperplanes.distortion_curve(x[:80], [32, 128, 512])
    errors = depth_errors(draws=3, units=60)
    charts = {
        "closed form": width_chart(width, known_sets.ball(3)),
        "allowed by the width": packing_chart(net.sudakov(width)),
        "held-out points covered": coverage_chart(net, net.coverage(x[400:])),
        "held-out points": radius_chart(net, net.coverage(x[400:])),
        "binomial rms": distortion_chart(curve),
        "doubled by each layer": growth_chart({"random": growth([1, 2], 300, 4, segments=1)}),
        "predicted": transition_chart(phase_transition(16, 2, [8, 16], draws=2), "2-sparse"),
        "mean": depth_chart(errors),
        "measured (rms)": rate_chart([10, 20], [1.0, 0.7], [1.0, 0.7]),
    }
    for label, chart in charts.items():
        assert any(label in each.label for each in chart), label
        for backend in ("bokeh", "matplotlib"):
            hv.renderer(backend).get_plot(chart)
    top = charts["closed form"].get(3).dimension_values("value")
    assert top == pytest.approx(np.full(len(top), known_sets.ball(3).value))
