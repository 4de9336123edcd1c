"""Which images of an evaluated run went well, and which did not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import holoviews as hv

from workbench.views.style import AFTER, BEFORE, INK, as_chart, styled


@dataclass(frozen=True)
class Ranked:
    """An image of an evaluation.

    Attributes:
        place: from 1, the best.
        id: of the image.
        covering: of the measure that ranks.
    """

    place: int
    id: str
    covering: float


def ranked(scores: Mapping[str, Any], method: str, measure: str = "average") -> list[Ranked]:
    """The images of an evaluation, the best one first.

    Args:
        scores: a `BenchmarkTable.to_dict()`, as runs/…/evaluations/*.json keep it.
        method: one of its methods.
        measure: "best" or "average".
    """
    images = scores["methods"][method]["images"]
    order = sorted(images, key=lambda id: (-images[id][measure], id))
    return [Ranked(i, id, float(images[id][measure])) for i, id in enumerate(order, 1)]


def ranking_chart(
    images: Sequence[Ranked], chosen: str | None = None, kept: Sequence[str] = ()
) -> hv.Overlay:
    """A dot an image, from the best to the worst.

    Args:
        images: ranked.
        chosen: the image that is looked at, ringed.
        kept: those that can be looked at, in the colour of the rest of the run.
    """
    dimensions = ("place", "covering")

    def dots(found: Sequence[Ranked], colour: str, size: int) -> hv.Scatter:
        return styled(
            hv.Scatter(
                [(i.place, i.covering, i.id) for i in found], "place", ["covering", "image"]
            ),
            common={"color": colour},
            bokeh={"size": size, "tools": ["hover"]},
            matplotlib={"s": size**2},
        )

    line = styled(
        hv.Curve([(i.place, i.covering) for i in images], *dimensions),
        common={"color": BEFORE, "alpha": 0.5},
    )
    drawn = (
        line
        * dots([i for i in images if i.id not in kept], BEFORE, 5)
        * dots([i for i in images if i.id in kept], AFTER, 7)
        * dots([i for i in images if i.id == chosen], INK, 11)
    )
    return as_chart(drawn, ylim=(0, 1), xlabel="place", ylabel="covering")
