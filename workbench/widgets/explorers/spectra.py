"""Explorer of a scene's spectra over the steps of a training, of one run or of two side by side.

Of a probe: of an image's spectra over the layers.
"""

from collections.abc import Hashable
from functools import partial
from typing import Any

import holoviews as hv
import numpy as np
from traitlets import Bool, Enum, Int, Unicode, observe

from pipelines.errors import UserError
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.probe.affinities import CHOICES
from workbench.runs import Status
from workbench.views.panels import heatmap
from workbench.views.scenes.history import (
    SpectrumAt,
    eigenvalue_history,
    rank_history,
    singular_history,
    spectrum_of,
)
from workbench.views.scenes.spectrum import eigenvectors
from workbench.views.style import AFTER, DIVERGING, OTHER, interactive
from workbench.widgets.explorers.sources import (
    AFFINITY,
    Explored,
    SceneSnapshots,
    affinity_options,
    snapshots_of,
)
from workbench.widgets.shells.controls import Action, Choice, Control, Options, Player, Toggle
from workbench.widgets.shells.explorer import Explorer

CHARTS = ("eigenvalues", "singular values", "effective rank")
VECTORS = 4
"""Number of eigenvectors shown for each run, from the second on."""


class _Side:
    """Spectra of one run by step, and its selected snapshot."""

    def __init__(self, snapshots: SceneSnapshots, colour: str) -> None:
        self.snapshots, self.colour = snapshots, colour
        self.spectra: list[SpectrumAt] = []  # of the scene, by step, up to the selected one
        self.now: SpectrumAt | None = None
        self.vectors: list[hv.Image] = []
        self.note = ""
        self._known: dict[tuple[str, int, Hashable], SpectrumAt] = {}

    def spectrum(self, scene: str, step: int) -> SpectrumAt:
        key = scene, step, self.snapshots.version(scene, step)
        if key not in self._known:
            self._known[key] = spectrum_of(step, self.snapshots.affinity_of(scene, step))
        return self._known[key]

    def go(self, scene: str, step: int) -> None:
        """Select the last snapshot up to a step, and read the earlier ones."""
        steps = [each for each in self.snapshots.steps(scene) if each <= step]
        self.spectra, self.now, self.vectors = [], None, []
        if not steps:
            return
        # A damaged earlier snapshot must not hide the selected one.
        for earlier in steps[:-1]:
            try:
                self.spectra.append(self.spectrum(scene, earlier))
            except UserError:
                continue
        snapshot: Snapshot = self.snapshots.load(scene, steps[-1])
        self.note = self.snapshots.note(scene, steps[-1])
        self.now = self.spectrum(scene, steps[-1])
        self.spectra.append(self.now)
        self.vectors = list(eigenvectors(snapshot, VECTORS))


class SpectrumExplorer(Explorer):
    """Explorer of a scene's spectra over the steps of one or two runs, or the layers of probes.

    Attributes:
        scene: name of a scene that all runs have snapshots of; of probes: id of an image.
        step: selected step; each run shows its last snapshot up to this step. Of probes: number of
            the layer, from 1.
        affinity: choice of the affinity of probes, see `probe.affinities`.
        follow: whether `refresh` goes on to the latest step.
    """

    scene = Unicode()
    step = Int()
    affinity = Enum(tuple(CHOICES), next(iter(CHOICES)))
    follow = Bool(False)

    controls = (
        Choice("scene", "Scene"),
        Player("step", "Step"),
        AFFINITY,
        Toggle("follow", "Follow the training"),
        Action("refresh", "Refresh"),
    )

    def __init__(self, run: Explored, other: Explored | None = None) -> None:
        """Open a run or a probe, and beside it another one if given.

        Args:
            run: run or its folder, or a probe.
            other: second run or its folder, or a second probe.
        """
        super().__init__()
        runs = [run] if other is None else [run, other]
        self.sides = [
            _Side(snapshots_of(each), colour)
            for each, colour in zip(runs, (AFTER, OTHER), strict=False)
        ]
        for i, side in enumerate(self.sides):
            self._picture(f"eigenvalues {i}", partial(self._draw_eigenvalues, side))
            self._picture(f"singular values {i}", partial(self._draw_singular, side))
            self._picture(f"effective rank {i}", partial(self._draw_rank, side))
            for j in range(VECTORS):
                self._picture(f"eigenvector {i}.{j + 2}", partial(_draw_vector, side, j))
        self._go_to_latest()
        self.refresh()

    def rows(self) -> list[list[str]]:
        """Rows: each kind of chart with the runs side by side, then each run's eigenvectors."""
        names, sides = list(self.pictures), range(len(self.sides))
        charts = [[n for n in names if n.startswith(kind)] for kind in CHARTS]
        vectors = [[n for n in names if n.startswith(f"eigenvector {i}.")] for i in sides]
        if len(self.sides) == 1:
            charts = [[name for names in charts for name in names]]
        return [*charts, *vectors]

    @property
    def ended(self) -> bool:
        """Whether the runs write no more records."""
        return all(side.snapshots.run.status is not Status.RUNNING for side in self.sides)

    def offered_controls(self) -> tuple[Control, ...]:
        """Controls that mean something for trainings, or for probes."""
        return self.sides[0].snapshots.offered(self.controls)

    def options(self, name: str) -> Options:
        """Scenes that all runs have, steps that any run has, affinities."""
        if name == "affinity":
            return affinity_options()
        if name == "scene":
            return {scene: scene for scene in self._scenes()}
        if name == "step":
            return {self._label(step): step for step in self._steps()}
        return super().options(name)

    def refresh(self) -> None:
        """Read new records of the runs."""
        with self._errors_as_message():
            if not self._scenes():
                names = " and ".join(str(side.snapshots.run.path) for side in self.sides)
                raise WorkbenchError(
                    f"a scene with snapshots in {names}",
                    "none yet" if len(self.sides) == 1 else "none that both have",
                    self.sides[0].snapshots.common,
                )
        if self._scenes() and (self.follow or self.scene not in self._scenes()):
            self._go_to_latest()
        self._update_options()
        if not self.message:
            self._go()

    def _go_to_latest(self) -> None:
        scenes = self._scenes()
        if scenes:
            with self.hold_trait_notifications():
                self.scene = self.scene if self.scene in scenes else scenes[0]
                self.step = self._steps()[-1]

    @observe("scene", "step", "affinity")
    def _on_choice(self, change: Any) -> None:
        for side in self.sides:
            side.snapshots.affinity = self.affinity
        if change["name"] == "scene":
            self._update_options()
        self._go()

    def _go(self) -> None:
        with self._errors_as_message():
            for side in self.sides:
                side.now, side.vectors = None, []
                if self.scene:
                    side.go(self.scene, self.step)
        words = [
            f"{side.snapshots.name}: {side.snapshots.where(side.now.step)}: {side.now.summary}"
            + f"; {side.note}" * bool(side.note)
            for side in self.sides
            if side.now is not None
        ]
        self.readout = " | ".join(words)
        self._redraw()

    def _scenes(self) -> list[str]:
        first, *others = [side.snapshots.scenes() for side in self.sides]
        return [scene for scene in first if all(scene in each for each in others)]

    def _steps(self) -> list[int]:
        steps = {step for side in self.sides for step in side.snapshots.steps(self.scene)}
        return sorted(steps)

    def _label(self, step: int) -> str:
        """Name of a step; where the runs have different ones, the names of each."""
        return " | ".join(dict.fromkeys(side.snapshots.label(step) for side in self.sides))

    def _draw_eigenvalues(self, side: _Side) -> hv.Overlay:
        drawn = eigenvalue_history(side.now, side.spectra[:-1], side.colour)
        return interactive(drawn.relabel(self._title(side, "eigenvalues of M")), chart=True)

    def _draw_singular(self, side: _Side) -> hv.Overlay:
        # The charts share one axis, so that they can be compared.
        tops = [each.singular.max(initial=0) for other in self.sides for each in other.spectra]
        highest = float(max(tops, default=0))
        drawn = singular_history(side.now, side.spectra[:-1], side.colour, highest)
        return interactive(drawn.relabel(self._title(side, "singular values of X")), chart=True)

    def _draw_rank(self, side: _Side) -> hv.Overlay:
        now = None if side.now is None else side.now.step
        drawn = rank_history(side.spectra, now, side.colour, side.snapshots.words[1])
        return interactive(drawn.relabel(self._title(side, "effective rank of W")), chart=True)

    def _title(self, side: _Side, what: str) -> str:
        now = side.now
        where = side.snapshots.where(now.step) if now is not None else "nothing to see"
        return (
            f"{side.snapshots.name} · {what} · {where}"
            if len(self.sides) > 1
            else f"{what} · {where}"
        )


def _draw_vector(side: _Side, number: int) -> hv.Image:
    if number < len(side.vectors):
        return interactive(side.vectors[number], side=240)
    nothing = heatmap(np.zeros((2, 2)), 1, name="value", cmap=DIVERGING, limits=(-1.0, 1.0))
    return interactive(nothing.relabel("no such eigenvector"), side=240)
