"""Many photographs as one picture, and what a joint cut of them shows over each.

One picture answers a click by sending one map and a few rings, whatever the number of photographs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.plotting.util import process_cmap
from jaxtyping import Float, UInt8
from PIL import Image, ImageColor

from workbench.views.paint import LabelMap, Pixels, boundaries
from workbench.views.panels import AXES, heatmap, photo
from workbench.views.style import (
    AFTER,
    INK,
    MARKER,
    MUTED,
    OTHER,
    SEQUENTIAL,
    as_chart,
    dots,
    styled,
)

Size = tuple[int, int]
"""Height and width, pixels."""
_MARGIN = 6
_CAPTION = 20
"""Height of the caption below a photograph, pixels."""
_BLOCK = 2
"""Side of the blocks of pixels of the sheet on which maps of values are drawn."""
_TINT = 0.6
"""Share of the segment's colour in a pixel; the rest is the photograph in grey."""
_OPACITY = 0.8
"""Opacity of a map of values: the photograph in grey stays recognisable below it."""
PALETTE: list[str] = process_cmap("glasbey_category10", ncolors=20, provider="colorcet")
"""Colours of the segments 0 … 19, as far apart as they can be."""
FLOOR = 1e-6
"""Smallest eigenvalue that is told from zero in the chart."""
CHANNELS = ("#d62728", "#2ca02c", "#1f77b4")
"""Red, green and blue, in which eigenvectors 2, 3 and 4 are shown."""


@dataclass(frozen=True)
class PhotoSheet:
    """Layout of photographs in rows, each at its own aspect, with a caption below.

    Attributes:
        images: sizes of the photographs, in order; at most `columns` × `rows`.
        columns, rows: number of places across and down.
        box: height and width into which each photograph is fitted.
    """

    images: tuple[Size, ...]
    columns: int
    rows: int
    box: Size

    @property
    def size(self) -> Size:
        """Height and width of the picture."""
        return self.rows * self._down, self.columns * self._across

    def fitted(self, place: int) -> Size:
        """Height and width at which a photograph is drawn."""
        return fitted(self.images[place], self.box)

    def at(self, x: float, y: float) -> tuple[int, tuple[int, int]] | None:
        """Place and pixel (y, x) of the photograph under a point; None beside photographs."""
        place = int(y // self._down) * self.columns + int(x // self._across)
        if x < 0 or y < 0 or x >= self.size[1] or place >= len(self.images):
            return None
        pixel = tuple(
            int((at - corner) * full / drawn)
            for at, corner, full, drawn in zip(
                (y + 0.5, x + 0.5), self._corner(place), self.images[place], self.fitted(place),
                strict=True,
            )
            if at >= corner
        )  # fmt: skip
        if len(pixel) < 2 or any(a >= b for a, b in zip(pixel, self.images[place], strict=True)):
            return None
        return place, (pixel[0], pixel[1])

    def point(self, place: int, pixel: tuple[int, int]) -> tuple[float, float]:
        """Point (x, y) of the picture at a pixel (y, x) of a photograph."""
        y, x = (
            corner + (at + 0.5) * drawn / full - 0.5
            for at, corner, full, drawn in zip(
                pixel, self._corner(place), self.images[place], self.fitted(place), strict=True
            )
        )
        return x, y

    def photos(self, pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> hv.RGB:
        """Photographs at their places, each of its fitted size."""
        sheet = np.full((*self.size, 3), 255, np.uint8)
        for place, picture in enumerate(pictures):
            self._part(sheet, place)[:] = picture
        return photo(sheet)

    def map(
        self,
        values: Sequence[Float[np.ndarray, "_ _"]],
        limits: tuple[float, float],
        name: str,
    ) -> hv.Image:
        """Maps of values over the photographs, each of its fitted size, on one scale with its bar.

        Places without a map stay transparent; without any map, the bar is hidden.
        """
        sheet = np.full(self.size, np.nan, np.float32)
        for place, each in enumerate(values):
            self._part(sheet, place)[:] = each
        drawn = heatmap(
            sheet[_BLOCK // 2 :: _BLOCK, _BLOCK // 2 :: _BLOCK], _BLOCK,
            name=name, cmap=SEQUENTIAL, limits=limits,
        )  # fmt: skip
        drawn = drawn.redim.range(**{name: limits})  # of places without any value there is none
        return drawn.opts(backend="bokeh", colorbar=True, hooks=[_bar], alpha=_OPACITY)

    def captions(self, words: Sequence[str]) -> hv.Labels:
        """Captions below the photographs; long ones lose their middle."""
        letters, labels = self.box[1] // 7, []
        for place, each in enumerate(words):
            left = place % self.columns * self._across + self._across / 2
            bottom = (place // self.columns + 1) * self._down - _CAPTION / 2 - _MARGIN / 2
            labels.append((left, bottom, _shortened(each, letters)))
        return styled(
            hv.Labels(labels, AXES, "name"),
            bokeh={"text_font_size": "8pt", "text_color": INK},
            matplotlib={"size": 7, "color": INK},
        )

    def rings(
        self,
        chosen: tuple[int, tuple[int, int]] | None,
        alike: Sequence[tuple[int, tuple[int, int]]],
    ) -> hv.Overlay:
        """Large ring around the chosen pixel, smaller ones around its like; (place, pixel) each."""
        near = _rings([self.point(*each) for each in alike], OTHER, 9)
        return near * _rings([] if chosen is None else [self.point(*chosen)], MARKER, 14)

    def _part(self, sheet: np.ndarray, place: int) -> np.ndarray:
        top, left = self._corner(place)
        height, width = self.fitted(place)
        return sheet[top : top + height, left : left + width]

    def _corner(self, place: int) -> tuple[int, int]:
        """Top and left of a photograph: above its caption, in the middle of its column."""
        row, column = divmod(place, self.columns)
        height, width = self.fitted(place)
        return (
            row * self._down + _MARGIN // 2 + self.box[0] - height,
            column * self._across + _MARGIN // 2 + (self.box[1] - width) // 2,
        )

    @property
    def _across(self) -> int:
        return self.box[1] + _MARGIN

    @property
    def _down(self) -> int:
        return self.box[0] + _MARGIN + _CAPTION


def fitted(image: Size, box: Size) -> Size:
    """Height and width of an image of its aspect within a box."""
    factor = min(inside / side for inside, side in zip(box, image, strict=True))
    height, width = (max(1, round(side * factor)) for side in image)
    return height, width


def resized(image: Pixels, size: Size) -> UInt8[np.ndarray, "rows columns 3"]:
    """Image at another size."""
    height, width = size
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def in_grey(image: Pixels) -> Pixels:
    """Image without its colours."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def in_colours(image: Pixels, labels: LabelMap) -> Pixels:
    """Image in grey, each segment tinted in the colour of its label, with thin boundaries."""
    palette = np.array([ImageColor.getrgb(colour) for colour in PALETTE], np.float32)
    mixed = _TINT * palette[labels % len(palette)] + (1 - _TINT) * in_grey(image)
    mixed[boundaries(labels)] = 255
    return np.asarray(mixed.round(), np.uint8)


def joint_eigenvalues(
    values: Float[np.ndarray, "count"], segments: int | None, coloured: bool
) -> hv.Overlay:
    """Chart of the eigenvalues of a joint cut.

    Args:
        values: eigenvalues, descending.
        segments: number of segments; a line stands after the eigenvectors that they use.
        coloured: draw eigenvalues 2, 3 and 4 in red, green and blue.
    """
    dimensions = ("number", "eigenvalue")
    points = np.column_stack([np.arange(1.0, len(values) + 1), values.clip(min=FLOOR)])
    line = styled(
        hv.Curve(points, *dimensions),
        common={"color": AFTER},
        bokeh={"line_width": 1.8},
        matplotlib={"linewidth": 1.5},
    )
    three = [
        dots(points[i : i + 1] if coloured else [], dimensions, colour, colour, (11, 60))
        for i, colour in enumerate(CHANNELS, 1)
    ]
    last = [] if segments is None else [[(segments + 0.5, FLOOR), (segments + 0.5, 1.0)]]
    mark = styled(
        hv.Path(last, list(dimensions)),
        common={"color": MUTED},
        bokeh={"line_dash": "dashed", "line_width": 1.5},
        matplotlib={"linestyle": "--", "linewidth": 1},
    )
    low = max(float(points[:, 1].min(initial=1.0)), FLOOR)
    return as_chart(
        hv.Overlay([line, dots(points, dimensions, AFTER, AFTER, (5, 14)), *three, mark]),
        logy=True,
        ylim=(low / 1.5, 1.5),
        xlabel="number",
        ylabel="eigenvalue of D⁻½WD⁻½",
    )


def _rings(points: Sequence[tuple[float, float]], colour: str, size: int) -> hv.Points:
    return styled(
        hv.Points(points, AXES),
        bokeh={"fill_alpha": 0, "line_color": colour, "line_width": 3, "size": size},
        matplotlib={"color": "none", "edgecolors": colour, "linewidth": 2, "s": size**2},
    )


def _shortened(words: str, letters: int) -> str:
    if len(words) <= letters:
        return words
    half = (letters - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def _bar(plot: Any, element: hv.Image) -> None:
    """Bar without a name, which the picture's title says; hidden where there are no values."""
    bar = plot.handles["colorbar"]
    bar.title, bar.visible = None, bool(np.isfinite(element.dimension_values(2)).any())
