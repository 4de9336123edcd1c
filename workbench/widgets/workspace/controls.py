"""Controls of a workspace, bound to its state; those that cannot act are hidden."""

from functools import partial
from typing import Any

import panel as pn

from workbench.probe.affinities import CHOICES
from workbench.widgets.workspace.state import (
    AFFINITY,
    EIGENVECTOR,
    ERROR,
    FLAT,
    NOBODY,
    NUMBER,
    OVERLAYS,
    PHOTOGRAPH,
    POOL,
    SEGMENTS,
    THRESHOLD,
    TYPICAL,
    State,
)
from workbench.widgets.workspace.view import View

_CUTS = {
    "k-way cut": FLAT,
    "Hierarchy, number of segments": NUMBER,
    "Hierarchy, merge threshold": THRESHOLD,
    "Pool of the evaluation": POOL,
}
_ROWS = {"M = D⁻½WD⁻½": "M", "W = XΛXᵀ": "W"}


class Controls:
    """Controls of image, step and overlay.

    Args:
        state: state that they read and write.

    Attributes:
        row: all controls; the row breaks where the page is narrow.
        watchers: watchers of the state, to be taken back.
    """

    def __init__(self, state: State) -> None:
        self._state, self._busy = state, False
        self.watchers: list[Any] = []
        self._image = pn.widgets.Select(label="Image", width=190)
        self._step = pn.widgets.DiscreteSlider(label="Step", options=[0], width=230)
        self._affinity = pn.widgets.Select.from_param(
            state.param.affinity,
            label="Affinity",
            width=210,
            options={v: k for k, v in CHOICES.items()},
        )
        self._play = pn.widgets.Toggle.from_param(
            state.param.playing, label="▶", width=36, align="end"
        )
        self._pin = pn.widgets.Button(
            label="Compare", width=76, align="end", description="Keep this step beside (key c)"
        )
        self._pin.on_click(lambda _: self._toggle_pin())
        self.share = pn.widgets.Button(label="Share", width=60, align="end")
        self.help = pn.widgets.Button(label="?", width=30, align="end")
        self.photo = pn.widgets.FileInput(accept="image/*", width=112, align="end")
        self._overlay = pn.widgets.RadioButtonGroup.from_param(state.param.overlay, align="end")
        self._rows = pn.widgets.Select.from_param(
            state.param.rows, label="Row of", options=_ROWS, width=130
        )
        self._several = pn.widgets.Checkbox.from_param(
            state.param.several, label="Several pixels", align="end"
        )
        self._cut = pn.widgets.Select.from_param(
            state.param.cut, label="Cut", options=_CUTS, width=200
        )
        self._k = pn.widgets.IntSlider.from_param(state.param.k, label="Segments", width=150)
        self._seed = pn.widgets.IntInput.from_param(state.param.seed, label="Seed", width=65)
        self._threshold = pn.widgets.FloatSlider.from_param(
            state.param.threshold, label="Merge threshold", start=0, end=1, step=0.005, width=170
        )
        self._pooled = pn.widgets.IntSlider.from_param(
            state.param.pooled, label="Segmentation", start=1, end=8, width=150
        )
        self._vector = pn.widgets.IntSlider.from_param(
            state.param.eigenvector, label="Eigenvector", start=1, end=20, width=170
        )
        self._annotator = pn.widgets.Select(label="Boundaries of", width=150)
        self._opacity = pn.widgets.FloatSlider.from_param(
            state.param.opacity, label="Opacity", start=0, end=1, step=0.05, width=110
        )
        self.row = pn.FlexBox(
            self._image, self._step, self._play, self._pin, self._affinity, self._overlay,
            self._rows, self._several, self._cut, self._k, self._threshold, self._pooled,
            self._seed, self._vector, self._annotator, self._opacity, self.photo, self.share,
            self.help,
            align_items="end",
        )  # fmt: skip
        for widget, name in (
            (self._image, "image"), (self._step, "step"), (self._annotator, "annotator"),
        ):  # fmt: skip
            widget.param.watch(lambda event, name=name: self._chosen(name, event.new), "value")
            follow = partial(self._follow, widget)
            self.watchers.append(state.param.watch(follow, name))
        hiding = ["overlay", "cut", "pins", "step", "playing"]
        self.watchers.append(state.param.watch(lambda *_: self._hide(), hiding))
        self._hide()

    def _toggle_pin(self) -> None:
        pins, step = self._state.pins, self._state.step
        self._state.pins = [p for p in pins if p != step] if step in pins else [*pins, step]

    def offer(
        self, images: list[str], steps: dict[str, int], words: tuple[str, str], probe: bool
    ) -> None:
        """Offer images and steps.

        Args:
            images: names of the images.
            steps: steps by their label.
            words: what an image and a step are called.
            probe: whether the features leave the affinity open.
        """
        state = self._state
        self._put(self._image, {each: each for each in images}, state.image)
        self._put(self._step, steps or {"–": 0}, state.step)
        self._image.label, self._step.label = (word.capitalize() for word in words)
        for each in (self._step, self._play, self._pin):
            each.visible = len(steps) > 1
        self._affinity.visible = probe

    def show(self, view: View | None) -> None:
        """Offer what a view has: annotators, eigenvectors, thresholds."""
        count = 0 if view is None else len(view.snapshot.truths)
        each = {f"Annotator {i + 1}": i for i in range(count)}
        typical = {"Typical annotator": TYPICAL} if count else {}
        self._put(self._annotator, {**typical, **each, "None": NOBODY}, self._state.annotator)
        annotated = count > 0 or self._state.overlay == ERROR
        self._overlay.options = [each for each in OVERLAYS if annotated or each != ERROR]
        if view is not None:
            self._pooled.end = max(len(view.snapshot.segmentations), 2)
            self._vector.end = max(view.eigenvectors, 2)
            if self._state.overlay in (SEGMENTS, ERROR) and self._state.cut == THRESHOLD:
                self._threshold.end = view.highest
        self._hide()

    def _hide(self) -> None:
        overlay, cut = self._state.overlay, self._state.cut
        segments = overlay in (SEGMENTS, ERROR)
        pinned = self._state.step in self._state.pins
        self._pin.label = "Unpin" if pinned else "Compare"
        self._play.label = "❚❚" if self._state.playing else "▶"
        for widget, shown in (
            (self._rows, overlay == AFFINITY),
            (self._several, overlay == AFFINITY),
            (self._cut, segments),
            (self._k, segments and cut not in (THRESHOLD, POOL)),
            (self._pooled, segments and cut == POOL),
            (self._seed, segments and cut == FLAT),
            (self._threshold, segments and cut == THRESHOLD),
            (self._vector, overlay == EIGENVECTOR),
            (self._opacity, overlay != PHOTOGRAPH),
            (self._annotator, overlay != SEGMENTS and len(self._annotator.options) > 1),
        ):
            widget.visible = shown

    def _put(self, widget: Any, options: dict[str, Any], value: Any) -> None:
        self._busy = True
        try:
            there = list(options.values())
            value = value if value in there else there[0] if there else None
            widget.param.update(options=options, value=value)
        finally:
            self._busy = False

    def _chosen(self, name: str, value: Any) -> None:
        if not self._busy and value is not None:
            setattr(self._state, name, value)

    def _follow(self, widget: Any, event: Any) -> None:
        value, options = event.new, widget.options
        there = options.values() if isinstance(options, dict) else options
        if value in there and widget.value != value:
            self._busy = True
            try:
                widget.value = value
            finally:
                self._busy = False
