"""Explorer of segmentations: live cuts of a scene with their covering of the annotators' segments.

Beside the live cut are the eight segmentations of the evaluated pool, and the images of the run's
evaluations from the best to the worst: a click on an image opens it.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import holoviews as hv
import numpy as np
from holoviews.streams import Tap
from traitlets import Float, Int, Unicode, observe

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.recut import Labels, Recut
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.views.panels import photo
from workbench.views.scenes.scores import Ranked, covering_bars, ranked, ranking_chart
from workbench.views.scenes.segments import pool, segmentation
from workbench.views.style import interactive
from workbench.widgets.explorers.evaluations import Evaluations
from workbench.widgets.explorers.scene import SceneExplorer
from workbench.widgets.explorers.sources import AFFINITY, Explored
from workbench.widgets.pacing import Latest
from workbench.widgets.shells.controls import (
    Bounds,
    Choice,
    Control,
    Number,
    Options,
    Player,
)

FLAT, INTO, AT = "flat", "into", "at"
MOST = 32
"""Largest number of segments of the slider."""
POOL = 8

Look = Callable[[str, str], Snapshot]
"""Function from a split and the id of an image to the trained network's snapshot of the image."""


class SegmentationExplorer(SceneExplorer):
    """Explorer of live cuts of a scene, its pool, and the images of the run's evaluations.

    Attributes:
        way: `FLAT`: k-way normalized cuts; `INTO`, `AT`: the hierarchy cut
            by number of segments, by merge threshold.
        segments: k, or the number of segments of the hierarchy.
        seed: seed of the flat clustering.
        height: merge threshold of the hierarchy's cut.
        drawn_by: annotator, from 0, whose boundaries are drawn over the photo; −1: none.
        evaluation: split whose images are ranked.
        method: method whose scores rank them.
        measure: "average" or "best".
    """

    way = Unicode(FLAT)
    segments = Int(6)
    seed = Int(0)
    height = Float(0.3)
    drawn_by = Int(0)
    evaluation = Unicode()
    method = Unicode()
    measure = Unicode("average")

    controls = (
        Choice("scene", "Scene"),
        Player("step", "Step"),
        AFFINITY,
        Choice("way", "Cut"),
        Number("segments", "Segments"),
        Number("seed", "Seed"),
        Number("height", "Merge threshold"),
        Choice("drawn_by", "Boundaries of"),
        Choice("evaluation", "Evaluation"),
        Choice("method", "Method"),
        Choice("measure", "Ranked by"),
    )

    def __init__(self, run: Explored, look: Look | None = None) -> None:
        """Open a run or a probe.

        Args:
            run: run or its folder, or a probe.
            look: to see images of an evaluation whose snapshots were not kept, for example
                `evaluation.scenes.snapshots.looker(run)`.
        """
        super().__init__(run)
        self.look = look
        self._evaluations = Evaluations(self.snapshots.run)
        self.recut: Recut | None = None
        self.images: list[Ranked] = []
        self._pool: list[hv.RGB] = []
        self._note = ""
        self._cut = lru_cache(maxsize=16)(self._compute)
        self._soon: Latest[None] = Latest(lambda _: self._show_cut())
        self._picture("image", self._draw_image)
        self._picture("cut", self._draw_cut)
        self._picture("coverings", self._draw_coverings)
        self._picture("ranking", self._draw_ranking, {Tap: self._on_tap})
        for i in range(POOL):
            self._picture(f"pool {i + 1}", partial(self._draw_pool, i))
        self._choose_evaluation()
        self._begin()

    def rows(self) -> list[list[str]]:
        """Rows: the live cut, the pool, the ranking of images; without annotators the first two."""
        names = list(self.pictures)
        if not self.snapshots.annotated:
            return [["image", "cut"], names[-POOL:]]
        return [["image", "cut", "coverings"], names[-POOL:], ["ranking"]]

    def can_act(self, control: Control) -> bool:
        """Whether a control belongs to the chosen way of cutting, and has something to change."""
        ways = {"segments": (FLAT, INTO), "seed": (FLAT,), "height": (AT,)}.get(control.name)
        if ways is not None:
            return self.way in ways
        if control.name == "measure":
            return bool(self.images)
        return super().can_act(control)

    def options(self, name: str) -> Options:
        """Options of `SceneExplorer`, and of every other menu."""
        if name == "way":
            return {
                "k-way cut": FLAT, "hierarchy, number of segments": INTO,
                "hierarchy, threshold": AT,
            }  # fmt: skip
        if name == "drawn_by":
            count = 0 if self.snapshot is None else len(self.snapshot.truths)
            return {f"annotator {i + 1}": i for i in range(count)} | {"None": -1}
        if name == "evaluation":
            return {split: split for split in self._evaluations.splits()}
        if name == "method":
            return {method: method for method in self._evaluations.methods(self.evaluation)}
        if name == "measure":
            return {"average covering": "average", "best covering": "best"}
        return super().options(name)

    def bounds(self, name: str) -> Bounds:
        """Bounds of every number."""
        if name == "segments":
            return 1, MOST, 1
        if name == "seed":
            return 0, 20, 1
        if name == "height":
            top = 1.0
            if self.recut is not None and self.way == AT and len(self.recut.hierarchy.heights):
                top = float(self.recut.hierarchy.heights[-1]) * 1.01
            return 0.0, max(round(top, 3), 0.01), 0.005
        return super().bounds(name)

    @property
    def labels(self) -> Labels | None:
        """Labels of the live cut at full size; None without a scene."""
        if self.recut is None:
            return None
        return self._cut(self.recut, self.way, self.segments, self.seed, self.height)[0]

    @property
    def coverings(self) -> np.ndarray:
        """Coverings of the annotators by the live cut."""
        if self.recut is None:
            return np.zeros(0)
        return self._cut(self.recut, self.way, self.segments, self.seed, self.height)[1]

    def look_at(self, id: str) -> None:
        """Go to an image of the evaluation, with its kept snapshot or one made by `look`."""
        name = self._name(id)
        with self._errors_as_message():
            if name not in self.snapshots.scenes():
                if self.look is None:
                    raise WorkbenchError(
                        f"a snapshot {name} in {self.snapshots.run.path}",
                        "none: an evaluation keeps those of its first scenes",
                        "give look=evaluation.scenes.snapshots.looker(run) to make it now",
                    )
                self.snapshots.put(name, self.look(self.evaluation, id))
                self._update_options()
            self.scene = name

    def _compute(
        self, recut: Recut, way: str, segments: int, seed: int, height: float
    ) -> tuple[Labels, np.ndarray]:
        if way == INTO:
            labels = recut.into(segments)
        elif way == AT:
            labels = recut.at(height)
        else:
            labels = recut.flat(segments, seed)
        return labels, recut.coverings(labels)

    def _take(self, snapshot: Snapshot) -> None:
        recut = Recut(snapshot)
        self._cut.cache_clear()
        self._note = self.snapshots.note(self.scene, self.step)
        first, self.recut = self.recut is None, recut
        if first and recut.has_contours:
            self.way = INTO  # such networks are evaluated by their hierarchy
        self._pool = [interactive(each, side=180) for each in pool(snapshot)]
        if self.drawn_by >= len(snapshot.truths):
            self.drawn_by = 0
        self._follow_evaluation()
        self._update_options()  # other heights, other annotators
        self._update_readout()

    def _drop(self) -> None:
        self.recut, self._pool, self.readout = None, [], ""

    @observe("way", "segments", "seed", "height")
    def _on_cut(self, change: Any) -> None:
        if change["name"] == "way":
            if self.way == AT and self.recut is not None:
                self.height = self.recut.hierarchy.height_of(self.segments)
            self._update_options()
        self._soon(None)

    def _show_cut(self) -> None:
        self._update_readout()
        self._redraw("cut", "coverings")

    def _update_readout(self) -> None:
        labels = self.labels
        if labels is None:
            return
        said = [f"{int(labels.max())} segments", *[self._note] * bool(self._note)]
        if len(self.coverings):
            each = ", ".join(f"{value:.3f}" for value in self.coverings)
            said += [f"covering of the annotators {each}", f"mean {self.coverings.mean():.3f}"]
        self.readout = "; ".join(said)

    @observe("drawn_by")
    def _on_annotator(self, change: Any) -> None:
        self._redraw("image")

    @observe("evaluation", "method", "measure")
    def _on_evaluation(self, change: Any) -> None:
        self._rank()
        self._update_options()
        self._redraw("ranking")

    def _on_tap(self, x: float | None, y: float | None) -> None:
        if x is None or not self.images:
            return
        place = min(max(round(x), 1), len(self.images))
        self.look_at(self.images[place - 1].id)
        self._redraw("ranking")

    def _name(self, id: str) -> str:
        return self.snapshots.evaluated_scene(self.evaluation, self.method, id)

    def _choose_evaluation(self) -> None:
        if self.snapshots.evaluation_of(self.step) is not None:
            return
        with self._errors_as_message():
            usual = self._evaluations.usual()
            if usual is not None:
                self.evaluation, self.method = usual

    def _follow_evaluation(self) -> None:
        """Rank by the shown layer and affinity, where these choose the evaluation."""
        chosen = self.snapshots.evaluation_of(self.step)
        if chosen is not None:
            with self.hold_trait_notifications():
                self.evaluation, self.method = chosen
            self._rank()  # an evaluation may have been written since

    def _rank(self) -> None:
        self.images = []
        with self._errors_as_message():
            if self.method in self._evaluations.methods(self.evaluation):
                self.images = ranked(
                    self._evaluations.scores(self.evaluation), self.method, self.measure
                )

    def _draw_image(self) -> hv.RGB:
        if self.snapshot is None:
            return _nothing()
        image, truths = self.snapshot.image, self.snapshot.truths
        title = self.snapshots.title(self.scene, self.step)
        if not 0 <= self.drawn_by < len(truths):
            return interactive(photo(image, title))
        return interactive(segmentation(image, truths[self.drawn_by], title, fill=False))

    def _draw_cut(self) -> hv.RGB:
        labels = self.labels
        if labels is None or self.snapshot is None:
            return _nothing()
        title = f"{int(labels.max())} segments"
        if len(self.coverings):
            title += f", mean covering {self.coverings.mean():.3f}"
        return interactive(segmentation(self.snapshot.image, labels, title))

    def _draw_coverings(self) -> hv.Overlay:
        kept = np.zeros((0, 0)) if self.snapshot is None else self.snapshot.coverings
        drawn = covering_bars(self.coverings, kept)
        return interactive(drawn.relabel("covering; grey: the best of the pool"), chart=True)

    def _draw_pool(self, number: int) -> hv.RGB:
        return self._pool[number] if number < len(self._pool) else _nothing(side=180)

    def _draw_ranking(self) -> hv.Overlay:
        scenes = self.snapshots.scenes()
        kept = [image.id for image in self.images if self.look or self._name(image.id) in scenes]
        chosen = next((i.id for i in self.images if self._name(i.id) == self.scene), None)
        drawn = ranking_chart(self.images, chosen, kept)
        title = f"{self.measure} covering, {self.method}, {self.evaluation}: click one"
        words = title if self.images else "not evaluated yet: workbench evaluate"
        return interactive(drawn.relabel(words), chart=True)


def _nothing(side: int = 360) -> hv.RGB:
    return interactive(photo(np.full((2, 2, 3), 255, np.uint8), "nothing to see"), side=side)
