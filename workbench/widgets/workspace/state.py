"""State of a workspace: what is looked at, and how. All panels read it and write to it."""

import json
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import param

from workbench.errors import WorkbenchError
from workbench.probe.affinities import CHOICES

AFFINITY, SEGMENTS, EIGENVECTOR, PHOTOGRAPH = "affinity", "segments", "eigenvector", "photograph"
FLAT, NUMBER, THRESHOLD = "flat", "number", "threshold"
TYPICAL, NOBODY = -1, -2
"""Annotator with the median number of segments; no annotator."""
MOST_SEGMENTS = 32


class State(param.Parameterized):
    """Selection of a workspace, as parameters: it can be watched, copied, and put into an address.

    Pixels are (y, x). Of a probe, `step` is the number of the layer, from 1.
    """

    run: Any = param.String("", doc="name of the run, probe or store")
    beside: Any = param.String("", doc="name of a second run, for comparison")
    image: Any = param.String("", doc="name of the scene or image")
    step: Any = param.Integer(
        -1, doc="step of the optimizer; of a probe: number of the layer; -1: the last one"
    )
    pixels: Any = param.List([], doc="clicked pixels [y, x]")
    overlay: Any = param.Selector(
        objects=[AFFINITY, SEGMENTS, EIGENVECTOR, PHOTOGRAPH], doc="what lies over the photograph"
    )
    rows: Any = param.Selector(objects=["M", "W"], doc="affinity M = D⁻½WD⁻½ or W")
    affinity: Any = param.Selector(objects=list(CHOICES), doc="affinity of a probe's features")
    eigenvector: Any = param.Integer(2, bounds=(1, None), doc="number of the eigenvector, from 1")
    cut: Any = param.Selector(objects=[FLAT, NUMBER, THRESHOLD], doc="how segments are cut")
    k: Any = param.Integer(6, bounds=(2, MOST_SEGMENTS), doc="number of segments")
    seed: Any = param.Integer(0, bounds=(0, None), doc="seed of the clustering")
    threshold: Any = param.Number(0.3, bounds=(0, None), doc="merge threshold of the hierarchy")
    annotator: Any = param.Integer(TYPICAL, doc="annotator whose boundaries are drawn; -2: none")
    opacity: Any = param.Number(0.85, bounds=(0, 1), doc="opacity of the overlay")
    metric: Any = param.String("", doc="measurement on the timeline")
    log: Any = param.Boolean(False, doc="logarithmic axis of the timeline")
    several: Any = param.Boolean(False, doc="whether a click adds a seed")
    follow: Any = param.Boolean(True, doc="whether a running training's latest step is shown")

    ADDRESS: ClassVar[tuple[str, ...]] = (
        "run", "beside", "image", "step", "pixels", "overlay", "rows", "affinity", "eigenvector",
        "cut", "k", "seed", "threshold", "annotator", "opacity", "metric", "log",
    )  # fmt: skip
    """Parameters that an address holds."""

    def query(self) -> str:
        """Query of an address: values that are not those of a new state."""
        usual, chosen = type(self)(), {}
        for name in self.ADDRESS:
            value = getattr(self, name)
            if value != getattr(usual, name):
                chosen[name] = value if isinstance(value, str) else json.dumps(value)
        return urlencode(chosen)

    @classmethod
    def read(cls, query: str) -> dict[str, Any]:
        """Values that the query of an address names; what belongs to others is left out.

        Raises:
            WorkbenchError: a value is not one of its parameter.
        """
        found: dict[str, Any] = {}
        for name, text in parse_qsl(query.removeprefix("?")):
            if name not in cls.ADDRESS:
                continue
            try:
                words = isinstance(cls.param[name], param.String | param.Selector)
                found[name] = text if words else json.loads(text)
                cls(**{name: found[name]})
            except ValueError as error:
                raise WorkbenchError(
                    f"{name} in the address: {cls.param[name].doc}", text, "choose it on the page"
                ) from error
        return found
