"""Base class of explorers of one scene of a run, or of one image of a probe."""

from typing import Any

from traitlets import Bool, Enum, Int, Unicode, observe

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.probe.affinities import CHOICES
from workbench.runs import Status
from workbench.widgets.explorers.sources import Explored, affinity_options, snapshots_of
from workbench.widgets.shells.controls import Control, Options
from workbench.widgets.shells.explorer import Explorer


class SceneExplorer(Explorer):
    """Explorer of one scene of a run at one step, or of one image of a probe at one layer.

    Attributes:
        scene: name of the scene; of a probe: id of the image.
        step: step of the optimizer; of a probe: number of the layer, from 1.
        affinity: choice of the affinity of a probe's features, see `probe.affinities`.
        follow: whether `refresh` goes on to the latest step.
        snapshot: snapshot of that scene at that step; None where there is none.
    """

    scene = Unicode()
    step = Int()
    affinity = Enum(tuple(CHOICES), next(iter(CHOICES)))
    follow = Bool(False)

    def __init__(self, run: Explored) -> None:
        super().__init__()
        self.snapshots = snapshots_of(run)
        self.snapshot: Snapshot | None = None

    @property
    def ended(self) -> bool:
        """Whether the run writes no more records."""
        return self.snapshots.run.status is not Status.RUNNING

    def offered_controls(self) -> tuple[Control, ...]:
        """Controls that mean something for a training, or for a probe."""
        return self.snapshots.offered(self.controls)

    def options(self, name: str) -> Options:
        """Scenes by name, steps by number, layers of a probe by name, affinities."""
        if name == "affinity":
            return affinity_options()
        if name == "scene":
            return {scene: scene for scene in self.snapshots.scenes()}
        if name == "step":
            return {self.snapshots.label(step): step for step in self.steps}
        return super().options(name)

    @property
    def steps(self) -> list[int]:
        """Steps at which the scene has snapshots."""
        return self.snapshots.steps(self.scene) if self.scene else []

    def refresh(self) -> None:
        """Read new records of the run; go to its latest step where `follow` is on."""
        with self._errors_as_message():
            scenes = self.snapshots.scenes()
            if not scenes:
                raise WorkbenchError(
                    f"snapshots of {self.snapshots.words[0]}s in {self.snapshots.run.path}",
                    "none yet",
                    self.snapshots.advice,
                )
            if self.scene not in scenes:
                self.scene = scenes[0]
            steps = self.steps
            if self.step not in steps or self.follow:
                self.step = steps[-1]
        self._update_options()
        if self.snapshot is None and not self.message:
            self._load()

    def _begin(self) -> None:
        """Go to the latest step; a subclass calls this once its pictures are set up."""
        scenes = self.snapshots.scenes()
        if scenes:
            with self.hold_trait_notifications():
                self.scene, self.step = scenes[0], self.snapshots.steps(scenes[0])[-1]
        self.refresh()

    @observe("scene")
    def _on_scene(self, change: Any) -> None:
        steps = self.steps
        self._update_options()
        if steps and self.step not in steps:
            self.step = steps[-1]  # loads
        else:
            self._load()

    @observe("affinity")
    def _on_affinity(self, change: Any) -> None:
        self.snapshots.affinity = self.affinity
        self._load()

    @observe("step")
    def _on_step(self, change: Any) -> None:
        self._load()

    def _load(self) -> None:
        """Read the snapshot and redraw all pictures."""
        self.snapshot = self._ready()
        if self.snapshot is None:
            self._drop()
        self._redraw()

    def _ready(self) -> Snapshot | None:
        """Snapshot after `_take`; None where an error became the message."""
        found = None
        with self._errors_as_message():
            snapshot = self.snapshots.load(self.scene, self.step)
            self._take(snapshot)
            found = snapshot
        return found

    def _take(self, snapshot: Snapshot) -> None:
        """Prepare what the pictures need; errors become the message."""

    def _drop(self) -> None:
        """Forget what `_take` has prepared."""
