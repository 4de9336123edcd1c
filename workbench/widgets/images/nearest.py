"""Nearest test images of a query by codes and features, of a network and of the random start."""

from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any, ClassVar

import numpy as np
import panel as pn
from bokeh.models.widgets import Div
from jaxtyping import UInt8

from workbench.experiments.images.kept import KeptNetworks
from workbench.views.hashing.ranking import RELEVANT
from workbench.views.style import MARKER, OTHER, shortened
from workbench.widgets.images.asked import Asked, ImagesPanel
from workbench.widgets.images.codes import TITLES
from workbench.widgets.images.sheet import Cell, ImageSheet, Place
from workbench.widgets.workspace.state import State

COUNT = 10
"""Number of nearest images."""
OFFERED = 20
"""Number of test images that are offered as queries."""
_SIDE, _SMALL, _MARGIN, _CAPTION = 60, 36, 140, 32
_LETTERS = 11
"""Longest name of a category below an image."""


@dataclass(frozen=True, eq=False)
class Found:
    """Nearest images.

    Attributes:
        words: query and what the network says of it.
        titles: titles of the rows.
        cells: query and nearest images, a row a way to compare them.
        positions: positions of the nearest among the test images, by place.
        offered: images that are offered as queries.
        choices: their positions.
    """

    words: str
    titles: list[str]
    cells: dict[Place, Cell]
    positions: dict[Place, int]
    offered: dict[Place, Cell]
    choices: list[int]


class NearestPanel(ImagesPanel):
    """Rows of the images nearest to a query, right and wrong marked; a click makes one the query.

    Args:
        state: state of the workspace.

    Attributes:
        sheet: the query and its nearest images.
        offers: images that can be clicked to be the query.
        words: what is said of the query, in HTML.
        found: what is shown; None before.
    """

    controls: ClassVar[tuple[str, ...]] = ("network", "layer", "coder", "bits", "position")

    def __init__(self, state: State) -> None:
        self._state = state
        self.found: Found | None = None
        self.offers = ImageSheet(1, OFFERED, _SMALL, self._offered)
        self.sheet = ImageSheet(
            4, COUNT + 1, _SIDE, self._clicked, _MARGIN, _CAPTION, state.theme == "dark"
        )
        self.offers.figure.visible = self.sheet.figure.visible = False  # until there are images
        self.words = Div(sizing_mode="stretch_width")

    def compute(self, kept: KeptNetworks, asked: Asked) -> Found:
        """Nearest images by codes and features; errors as in `ImagesPanel`."""
        labels, names = kept.labels, kept.images.names
        query = min(asked.query, len(labels) - 1)
        titles: list[str] = []
        cells: dict[Place, Cell] = {}
        positions: dict[Place, int] = {}
        for network, coder in product(asked.networks, (asked.coder, "")):
            near = kept.nearest(network, asked.layer, query, COUNT, coder, asked.bits)
            shown = [query, *near.positions.tolist()]
            row, right = len(titles), labels[shown] == labels[query]
            own = Cell(kept.picture(query), shortened(names[labels[query]], _LETTERS), MARKER)
            form = ".0f" if coder else ".3g"
            found = [
                _cell(kept.picture(each), names[labels[each]], f"{away:{form}}", bool(hit))
                for each, away, hit in zip(shown[1:], near.distances, right[1:], strict=True)
            ]
            cells |= {(row, column): each for column, each in enumerate([own, *found])}
            positions |= {(row, column): each for column, each in enumerate(shown)}
            way = f"{asked.bits}-bit codes" if coder else "features"
            titles.append(f"{network.name}\n{way}: {right[1:].sum()} of {len(found)}")
        choices = _spread(labels)
        offered = {
            (0, column): Cell(kept.picture(each), frame=MARKER * (each == query))
            for column, each in enumerate(choices)
        }
        words = _words(kept, asked, query)
        return Found(words, titles, cells, positions, offered, choices)

    def show(self, found: Found) -> None:
        """Show nearest images."""
        self.offers.figure.visible = self.sheet.figure.visible = True
        self.found = found
        self.words.text = f'<div style="font-size:13px;margin:4px 8px">{found.words}</div>'
        self.offers.show(found.offered)
        self.sheet.show(found.cells, found.titles)

    def panel(self) -> pn.Column:
        """Layout of offered queries, words and nearest images."""
        pane = pn.pane.Bokeh
        return pn.Column(
            pane(self.offers.figure),
            pane(self.words, sizing_mode="stretch_width"),
            pane(self.sheet.figure),
            sizing_mode="stretch_width",
        )

    def _offered(self, place: Place) -> None:
        if self.found is not None:
            self._state.position = self.found.choices[place[1]]

    def _clicked(self, place: Place) -> None:
        if self.found is not None:
            self._state.position = self.found.positions[place]


def _words(kept: KeptNetworks, asked: Asked, query: int) -> str:
    """Query, what the network takes it for, and how images are compared, in HTML."""
    labels, names = kept.labels, kept.images.names
    own, said = names[labels[query]], names[kept.predicted(asked.network, query)]
    return (
        f"Query {query} of {len(labels):,} test images: <b>{escape(own)}</b>; "
        f"{escape(asked.network.name)} takes it for <b>{escape(said)}</b>. Nearest at "
        f"{asked.layer} by Hamming distance of {asked.bits}-bit codes "
        f"({escape(TITLES[asked.coder])}) and by Euclidean distance of features, the distance "
        "behind the mark; green, ✓: the category of the query; orange, ✗: another. "
        "A click makes an image the query."
    )


def _cell(pixels: UInt8[np.ndarray, "y x 3"], name: str, away: str, right: bool) -> Cell:
    colour, dash = (RELEVANT, "solid") if right else (OTHER, "dotted")
    return Cell(
        pixels, f"{shortened(name, _LETTERS)}\n{'✓' if right else '✗'} {away}", colour, dash
    )


def _spread(labels: Any) -> list[int]:
    """Positions of the first images of every category in turn."""
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(labels), int)
    starts = np.searchsorted(labels[order], labels[order])
    rank[order] = np.arange(len(labels)) - starts
    return [int(each) for each in np.lexsort((labels, rank))[:OFFERED]]
