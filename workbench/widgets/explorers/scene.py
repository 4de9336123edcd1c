"""The scenes and steps that a run has snapshots of, and an explorer that walks through them."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

from traitlets import Bool, Int, Unicode, observe

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.networks import Snapshot
from workbench.runs import Run
from workbench.widgets.shells.controls import Options
from workbench.widgets.shells.explorer import Explorer

_KEPT = 3
"""Snapshots that stay in memory: one of 256 features at full resolution has 160 MB."""


class SceneSnapshots:
    """Snapshots of a run, read when they are asked for.

    Args:
        run: or its folder.
    """

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        self._made: dict[str, tuple[int, Snapshot]] = {}
        self._read: OrderedDict[tuple[str, int, int], Snapshot] = OrderedDict()

    @property
    def name(self) -> str:
        """What to call the run."""
        return self.run.path.name

    def scenes(self) -> list[str]:
        """What there are snapshots of, in the order of their first."""
        return [*self.run.snapshot_names(), *self._made]

    def steps(self, scene: str) -> list[int]:
        """Of which there are snapshots of a scene, ascending."""
        return [self._made[scene][0]] if scene in self._made else self.run.snapshots(scene)

    def put(self, scene: str, snapshot: Snapshot) -> None:
        """Have a snapshot that the run does not keep stand beside its own, at its last step."""
        self._made = {scene: (self.run.step, snapshot)}  # one at a time: they are large

    def version(self, scene: str, step: int) -> int:
        """Which snapshot it is: a run that was resumed takes that of a step again."""
        taken = self.run.events("snapshot")
        return max((e.seq for e in taken if (e.fields["name"], e.step) == (scene, step)), default=0)

    def load(self, scene: str, step: int) -> Snapshot:
        """A snapshot.

        Raises:
            WorkbenchError: there is none, or it does not read.
        """
        if scene in self._made:
            return self._made[scene][1]
        key = scene, step, self.version(scene, step)
        if key not in self._read:
            self._read[key] = self.run.load_snapshot(step, scene)
        self._read.move_to_end(key)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return self._read[key]


class SceneExplorer(Explorer):
    """An explorer of one scene of a run at one step.

    Attributes:
        scene: its name.
        step: of the optimizer.
        follow: whether `refresh` goes on to the latest step.
        snapshot: of that scene at that step; None where there is none to see.
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
        """Of which there are snapshots of the scene."""
        return self.snapshots.steps(self.scene) if self.scene else []

    def refresh(self) -> None:
        """Take in what the run has recorded since; go to its latest step where `follow` is on."""
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
        """To be called when a subclass has its pictures: look at the latest step."""
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
        """Read the snapshot, and have everything follow from it."""
        self.snapshot = self._ready()
        if self.snapshot is None:
            self._drop()
        self._redraw()

    def _ready(self) -> Snapshot | None:
        """The snapshot, with everything made ready; None where something is wrong with it."""
        found = None
        with self._errors_as_message():
            snapshot = self.snapshots.load(self.scene, self.step)
            self._take(snapshot)
            found = snapshot
        return found

    def _take(self, snapshot: Snapshot) -> None:
        """Make ready what the pictures need; errors become the message."""

    def _drop(self) -> None:
        """Forget what was made ready."""
