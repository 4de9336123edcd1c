"""Snapshots of a run by scene and step, and the base class of explorers of one scene."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

from traitlets import Bool, Int, Unicode, observe

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.runs import Run
from workbench.widgets.shells.controls import Options
from workbench.widgets.shells.explorer import Explorer

_KEPT = 3
"""Snapshots kept in memory: one of 256 features at full resolution has 160 MB."""


class SceneSnapshots:
    """Snapshots of a run, read on demand.

    Args:
        run: run or its folder.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        self._made: dict[str, tuple[int, Snapshot]] = {}
        self._read: OrderedDict[tuple[str, int, int], Snapshot] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.run.path.name

    def scenes(self) -> list[str]:
        """Names of the scenes that have snapshots, in the order of their first."""
        return [*self.run.snapshot_names(), *self._made]

    def steps(self, scene: str) -> list[int]:
        """Steps at which a scene has snapshots, ascending."""
        return [self._made[scene][0]] if scene in self._made else self.run.snapshots(scene)

    def put(self, scene: str, snapshot: Snapshot) -> None:
        """Add a snapshot that the run does not keep, at the run's last step."""
        self._made = {scene: (self.run.step, snapshot)}  # one at a time: they are large

    def version(self, scene: str, step: int) -> int:
        """Version of a snapshot: a resumed run takes the snapshot of a step again."""
        taken = self.run.events("snapshot")
        return max((e.seq for e in taken if (e.fields["name"], e.step) == (scene, step)), default=0)

    def load(self, scene: str, step: int) -> Snapshot:
        """Read a snapshot.

        Raises:
            WorkbenchError: the snapshot does not exist or cannot be read.
        """
        if scene in self._made:
            return self._made[scene][1]
        key = scene, step, self.version(scene, step)
        if key not in self._read:
            self._read[key] = Snapshot.load(self.run, step, scene)
        self._read.move_to_end(key)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return self._read[key]


class SceneExplorer(Explorer):
    """Explorer of one scene of a run at one step.

    Attributes:
        scene: name of the scene.
        step: step of the optimizer.
        follow: whether `refresh` goes on to the latest step.
        snapshot: snapshot of that scene at that step; None where there is none.
    """

    scene = Unicode()
    step = Int()
    follow = Bool(False)

    def __init__(self, run: Run | Path | str) -> None:
        super().__init__()
        self.snapshots = SceneSnapshots(run)
        self.snapshot: Snapshot | None = None

    def options(self, name: str) -> Options:
        """Scenes by name, steps by number."""
        if name == "scene":
            return {scene: scene for scene in self.snapshots.scenes()}
        if name == "step":
            return {str(step): step for step in self.steps}
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
                    f"snapshots of scenes in {self.snapshots.run.path}",
                    "none yet",
                    "wait for the first pass of its training, or evaluate it: workbench evaluate",
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
