"""State of a workspace: what is looked at, and how. All panels read it and write to it."""

import json
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

import param

from workbench.errors import WorkbenchError
from workbench.experiments.images.kept import CODERS
from workbench.models.small_cnn import TAPS
from workbench.probe.affinities import CHOICES

AFFINITY, SEGMENTS, EIGENVECTOR = "affinity", "segments", "eigenvector"
ERROR, PHOTOGRAPH = "error", "photograph"
OVERLAYS = (AFFINITY, SEGMENTS, EIGENVECTOR, ERROR, PHOTOGRAPH)
FLAT, NUMBER, THRESHOLD, POOL = "flat", "number", "threshold", "pool"
TYPICAL, NOBODY = -1, -2
"""Annotator with the median number of segments; no annotator."""
MOST_SEGMENTS = 32
MOST_CANVASES = 4
"""Largest number of pictures beside each other."""
MOST_CURVES = 50
"""Largest number of runs whose curves are drawn over each other."""
STEP, PASS, TIME = "step", "pass", "time"
AXES = (STEP, PASS, TIME)
SPECTRUM, BLOCKS, IMAGES, GEOMETRY = "spectrum", "block matrix", "images", "geometry"
CHARTS = (SPECTRUM, BLOCKS, IMAGES, GEOMETRY)
RATIOS, CODES, NEAREST, LAYERS = "ratios", "codes", "nearest images", "layers"
BITS = (12, 24, 48, 96)


_LISTS = ("runs", "metrics", "pins")
"""Lists of names or numbers, which an address holds one by one."""


class Pixels(param.List):
    """Parameter: a list of pixels [y, x], nonnegative integers."""

    def _validate(self, val: Any) -> None:
        super()._validate(val)
        for each in val:
            pair = isinstance(each, list | tuple) and len(each) == 2
            if not pair or not all(type(at) is int and at >= 0 for at in each):
                raise ValueError(f"a pixel [y, x] was expected, not {each!r}")


class State(param.Parameterized):
    """Selection of a workspace, as parameters: it can be watched, copied, and put into an address.

    Pixels are (y, x). Of a probe, `step` is the number of the layer, from 1.
    """

    runs: Any = param.List(
        [], item_type=str, doc="names of the chosen runs, probes or store, the main one first"
    )
    pins: Any = param.List(
        [], item_type=int, doc="further steps of the main run, each in a picture of its own"
    )
    image: Any = param.String("", doc="name of the scene or image")
    step: Any = param.Integer(
        -1, doc="step of the optimizer; of a probe: number of the layer; -1: the last one"
    )
    pixels: Any = Pixels([], doc="clicked pixels [y, x]")
    overlay: Any = param.Selector(objects=list(OVERLAYS), doc="what lies over the photograph")
    rows: Any = param.Selector(objects=["M", "W"], doc="affinity M = D⁻½WD⁻½ or W")
    affinity: Any = param.Selector(objects=list(CHOICES), doc="affinity of a probe's features")
    eigenvector: Any = param.Integer(2, bounds=(1, None), doc="number of the eigenvector, from 1")
    cut: Any = param.Selector(objects=[FLAT, NUMBER, THRESHOLD, POOL], doc="how segments are cut")
    pooled: Any = param.Integer(1, bounds=(1, None), doc="number of the segmentation in the pool")
    k: Any = param.Integer(6, bounds=(2, MOST_SEGMENTS), doc="number of segments")
    seed: Any = param.Integer(0, bounds=(0, None), doc="seed of the clustering")
    threshold: Any = param.Number(0.3, bounds=(0, None), doc="merge threshold of the hierarchy")
    annotator: Any = param.Integer(TYPICAL, doc="annotator whose boundaries are drawn; -2: none")
    opacity: Any = param.Number(0.85, bounds=(0, 1), doc="opacity of the overlay")
    chart: Any = param.Selector(objects=list(CHARTS), doc="chart beside the picture")
    metric: Any = param.String("", doc="measurement on the timeline")
    metrics: Any = param.List(
        [], item_type=str, doc="measurements that are compared between runs; none: the usual"
    )
    axis: Any = param.Selector(objects=list(AXES), doc="horizontal axis of curves")
    logarithmic: Any = param.Boolean(False, doc="logarithmic vertical axis of curves")
    smooth: Any = param.Number(0.0, bounds=(0, 1), doc="part of a curve over which it is averaged")
    group: Any = param.String("", doc="field of the configuration by which runs are averaged")
    geometry: Any = param.Selector(
        objects=[RATIOS, CODES, NEAREST, LAYERS], doc="geometry of a classifier of small images"
    )
    network: Any = param.String("", doc="name of a kept network; empty: the last one")
    layer: Any = param.Selector(
        objects=list(TAPS), default=TAPS[-2], doc="layer of a classifier of small images"
    )
    coder: Any = param.Selector(objects=list(CODERS), doc="method that makes codes of features")
    bits: Any = param.Integer(48, bounds=(1, 256), doc="length of codes")
    position: Any = param.Integer(
        0, bounds=(0, None), doc="position of the test image whose nearest are shown"
    )
    theme: Any = param.Selector(objects=["light", "dark"], doc="colours of the page")
    playing: Any = param.Boolean(False, doc="whether the steps are played")
    several: Any = param.Boolean(False, doc="whether a click adds a seed")
    follow: Any = param.Boolean(True, doc="whether a running training's latest step is shown")

    ADDRESS: ClassVar[tuple[str, ...]] = (
        "runs", "pins", "image", "step", "pixels", "overlay", "rows", "affinity", "eigenvector",
        "cut", "k", "seed", "threshold", "pooled", "annotator", "opacity", "chart", "metric",
        "metrics", "axis", "logarithmic", "smooth", "group", "geometry", "network", "layer",
        "coder", "bits", "position", "theme",
    )  # fmt: skip
    """Parameters that an address holds."""

    @property
    def run(self) -> str:
        """Name of the main run; empty without one."""
        return self.runs[0] if self.runs else ""

    @property
    def table_theme(self) -> str:
        """Theme of tables, as Tabulator names it."""
        return "midnight" if self.theme == "dark" else "simple"

    def query(self) -> str:
        """Query of an address: values that are not those of a new state."""
        usual, chosen = type(self)(), []
        for name in self.ADDRESS:
            value = getattr(self, name)
            if value == getattr(usual, name):
                continue
            if name in _LISTS:
                chosen += [(name, each) for each in value]
            else:
                chosen.append((name, value if isinstance(value, str) else json.dumps(value)))
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
                if name in _LISTS:
                    one = json.loads(text) if name == "pins" else text
                    value: Any = [*found.get(name, []), one]
                else:
                    value = text if words else json.loads(text)
                cls(**{name: value})
                found[name] = value
            except (ValueError, TypeError) as error:
                raise WorkbenchError(
                    f"{name} in the address: {cls.param[name].doc}", text, "choose it on the page"
                ) from error
        return found

    def code(self, folder: str) -> str:
        """Lines of Python that open the same view in a notebook.

        Args:
            folder: path of the main run, or a list of paths as text.
        """
        usual = type(self)()
        chosen = {n: getattr(self, n) for n in self.ADDRESS if n not in ("runs", "theme")}
        given = ", ".join(
            f"{name}={value!r}" for name, value in chosen.items() if value != getattr(usual, name)
        )
        return f"import workbench\n\nworkbench.explore({folder}{', ' + given if given else ''})"
