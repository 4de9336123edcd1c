"""Pictures of inversions: recovered photographs beside the original, and PSNR by layer."""

import holoviews as hv
import numpy as np

from workbench.probe.geometry.inversion_result import Photograph
from workbench.probe.geometry.inversions import LayerInversions
from workbench.probe.geometry.networks import GIVEN
from workbench.views.paint import Pixels
from workbench.views.panels import photo, row
from workbench.views.style import AFTER, BEFORE, MUTED, as_chart, styled

INCHES = 1.5
"""Side of a photograph on paper."""


def strip(look: LayerInversions) -> hv.Layout:
    """Photographs by layer: the original first, then each layer's with its PSNR and feature error.

    A photograph has a row for each network, given weights first.
    """
    panels = []
    for id, photograph in look.photographs.items():
        for weights in look.weights:
            panels.append(_panel(photograph, f"{id}\n{_words(weights)}"))
            for layer in look.layers:
                found = look.item(id, layer, weights).found
                title = f"{layer}: {found.psnr:.1f} dB\n{_percent(found.feature_error)} left"
                panels.append(_panel(found.image, title))
    return row(panels, columns=1 + len(look.layers))


def psnr_chart(look: LayerInversions) -> hv.Overlay:
    """PSNR by layer: means over photographs as lines, photographs as marks, the start dashed."""
    table, means = look.table(), look.means()
    places = {layer: place for place, layer in enumerate(look.layers)}
    parts: list[hv.Element] = []
    for weights in look.weights:
        colour = AFTER if weights == GIVEN else BEFORE
        mean = means[means.weights == weights]
        points = table[table.weights == weights]
        line = np.column_stack([mean.layer.map(places), mean.psnr])
        marks = np.column_stack([points.layer.map(places), points.psnr])
        parts += [
            styled(hv.Curve(line, "layer", "psnr", label=_words(weights)),
                   common={"color": colour}),
            styled(hv.Scatter(marks, "layer", "psnr"), common={"color": colour},
                   bokeh={"size": 4}, matplotlib={"s": 8}),
        ]  # fmt: skip
    start = hv.Curve(
        [(place, means.start_psnr.mean()) for place in places.values()], "layer", "psnr",
        label="start, one colour",
    )  # fmt: skip
    parts.append(
        styled(start, common={"color": MUTED}, bokeh={"line_dash": "dashed"},
               matplotlib={"linestyle": "--"})
    )  # fmt: skip
    return as_chart(
        hv.Overlay(parts, label="photographs recovered from layers"), legend_position="top_right",
        xlabel="layer", ylabel="PSNR (dB), a lower bound",
        xlim=(-0.2, len(places) - 0.8),
        xticks=[(place, layer) for layer, place in places.items()],
    )  # fmt: skip


def _panel(image: Photograph, title: str) -> hv.RGB:
    pixels: Pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
    return styled(photo(pixels, title), matplotlib={
        "fig_inches": (INCHES, INCHES), "fontsize": {"title": 7}, "interpolation": "nearest",
    })  # fmt: skip


def _words(weights: str) -> str:
    return "given weights" if weights == GIVEN else weights


def _percent(share: float) -> str:
    return f"{share:.2%}" if share < 0.1 else f"{share:.0%}"
