"""Pictures and charts of a page, each with the words below it."""

from collections.abc import Iterable
from dataclasses import dataclass

import holoviews as hv
from markupsafe import Markup

from workbench.views import inline

LARGE, SMALL = 480, 300
"""Widths of pictures, pixels."""


@dataclass(frozen=True)
class Figure:
    """A picture or chart with the words below it."""

    caption: str
    markup: Markup


def picture(element: hv.Element | hv.Overlay, width: int = SMALL) -> Figure:
    """Picture without axes, with its label for a caption; see `inline.picture`."""
    return Figure(element.label, Markup(inline.picture(element, width)))


def pictures(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    """Small pictures without axes."""
    return [picture(element) for element in elements]


def charts(elements: Iterable[hv.Element | hv.Overlay]) -> list[Figure]:
    """Charts with axes; see `inline.chart`."""
    return [Figure(element.label, Markup(inline.chart(element))) for element in elements]
