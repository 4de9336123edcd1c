"""Pictures and charts of a page, each with the words below it."""

from collections.abc import Iterable
from dataclasses import dataclass

import holoviews as hv
from holoviews.plotting.util import process_cmap
from markupsafe import Markup

from workbench.views import inline

LARGE, SMALL = 480, 300
"""Widths of pictures, pixels."""
NO_SCALE = Markup()
_STOPS = 16
"""Colours of a colour bar, between which the browser blends."""


@dataclass(frozen=True)
class Figure:
    """A picture or chart with the words below it.

    Attributes:
        caption: words below it.
        markup: the picture.
        scale: colour bar of a map, with its numbers; empty for photographs and charts.
    """

    caption: str
    markup: Markup
    scale: Markup = NO_SCALE


def picture(element: hv.Element | hv.Overlay, width: int = SMALL) -> Figure:
    """Picture without axes, with its label for a caption; see `inline.picture`."""
    return Figure(element.label, Markup(inline.picture(element, width)), colour_bar(element))


def pictures(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    """Small pictures without axes."""
    return [picture(element) for element in elements]


def charts(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    """Charts with axes; see `inline.chart`."""
    return [Figure(element.label, Markup(inline.chart(element))) for element in elements]


def colour_bar(element: hv.Element | hv.Overlay) -> Markup:
    """Colour bar of the map in a picture, with the values at its ends; empty without a map."""
    ground = element.get(0) if isinstance(element, hv.Overlay) else element
    if not isinstance(ground, hv.Image) or isinstance(ground, hv.RGB):
        return NO_SCALE
    style, plot = (
        hv.Store.lookup_options("matplotlib", ground, kind).kwargs for kind in ("style", "plot")
    )
    colours = process_cmap(style["cmap"], ncolors=_STOPS)
    low, high = (f"{end:.2g}".replace("-", "−") for end in plot["clim"])
    return Markup(
        '<div class="scale">{}<i style="background: linear-gradient(to right, {})"></i>{}</div>'
    ).format(low, ", ".join(colours), high)
