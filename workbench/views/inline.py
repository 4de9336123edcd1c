"""Self-contained HTML of elements: pictures as WebP, charts as SVG."""

import base64
import io
import re
from html import escape
from typing import Any

import holoviews as hv
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from workbench.views.style import AFTER, BEFORE, INK, MUTED, RULE

_THEME = {INK: "ink", MUTED: "muted", RULE: "rule", BEFORE: "before", AFTER: "after"}
"""Colours of charts that become CSS variables, to follow the page's light or dark theme."""

_CHART: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "font.size": 9,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "workbench",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def picture(element: hv.Element | hv.Overlay, width: int) -> str:
    """Element as an <img>, without axes, title and margins.

    Args:
        element: element of `panels.photo` or `panels.heatmap`, or an overlay of these.
        width: pixels; the height follows from the aspect.
    """
    drawn = _resampled(element, width) if isinstance(element, hv.RGB) else _drawn(element, width)
    return img(drawn, element.label)


def chart(element: hv.Element | hv.Overlay) -> str:
    """Element as an <svg> with axes, without its title, in the colours of the page."""
    buffer = io.StringIO()
    with mpl.rc_context(_CHART):
        figure = _figure(element.opts(clone=True, backend="matplotlib", title=""))
        figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", pad_inches=0.02)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    for colour, name in _THEME.items():
        svg = svg.replace(colour, f"var(--{name})")
    label = escape(element.label)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def png(element: hv.Element | hv.Overlay | hv.Layout, columns: int | None = None) -> bytes:
    """PNG file of a chart with axes and title; charts of a layout are put side by side.

    Each chart keeps its own size, unlike in matplotlib's layouts.

    Args:
        element: chart, or layout of charts.
        columns: number of charts in a row; None: one row.
    """
    charts = list(element) if isinstance(element, hv.Layout) else [element]
    images = [_titled(chart) for chart in charts]
    columns = min(columns or len(images), len(images))
    widths = [max(i.width for i in images[n::columns]) for n in range(columns)]
    rows = [images[n : n + columns] for n in range(0, len(images), columns)]
    heights = [max(i.height for i in each) for each in rows]
    sheet = Image.new("RGB", (sum(widths), sum(heights)), "white")
    for number, image in enumerate(images):
        at, place = divmod(number, columns)
        sheet.paste(image, (sum(widths[:place]), sum(heights[:at])))
    buffer = io.BytesIO()
    sheet.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _titled(chart: hv.Element | hv.Overlay) -> Image.Image:
    buffer = io.BytesIO()
    with mpl.rc_context(_CHART):
        _figure(chart).savefig(buffer, format="png", dpi=150, bbox_inches="tight", pad_inches=0.12)
    return Image.open(buffer)


def _resampled(photo: hv.RGB, width: int) -> Image.Image:
    """Pixels of a photo at a width; three times faster than a plot."""
    channels = [photo.dimension_values(name, flat=False) for name in photo.vdims]
    image = Image.fromarray(np.dstack(channels))
    height = round(width * image.height / image.width)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _drawn(element: hv.Element | hv.Overlay, width: int) -> Image.Image:
    """Element drawn by matplotlib, edge to edge."""
    ground = element.get(0) if isinstance(element, hv.Overlay) else element
    left, bottom, right, top = ground.bounds.lbrt()
    height = round(width * (top - bottom) / (right - left))
    bare = element.opts(
        clone=True,
        backend="matplotlib",
        title="",
        fig_bounds=(0, 0, 1, 1),
        fig_inches=(width / 100, height / 100),
    )
    buffer = io.BytesIO()
    _figure(bare).savefig(buffer, format="rgba", dpi=100)
    return Image.frombytes("RGBA", (width, height), buffer.getvalue())


def _figure(element: hv.Element | hv.Overlay) -> Figure:
    figure: Figure = hv.Store.renderers["matplotlib"].get_plot(element).state
    return figure


QUALITY = 82
"""WebP quality: boundaries stay clean, a picture of a scene takes 10 to 30 kB."""


def img(image: Image.Image, alt: str) -> str:
    """Image as an <img> at its size.

    Args:
        image: image to show.
        alt: description of the image.
    """
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "WEBP", quality=QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{escape(alt)}" width="{image.width}" height="{image.height}" '
        f'src="data:image/webp;base64,{data}">'
    )
