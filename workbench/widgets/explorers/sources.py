"""Sources of snapshots: a training by scene and step, or a probe by image and layer."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.snapshots import Snapshot, scored, snapshot_of
from workbench.linalg import Affinity
from workbench.probe.affinities import CHOICES
from workbench.probe.affinities import Choice as AffinityChoice
from workbench.probe.recording import KIND
from workbench.probe.result import Probe
from workbench.runs import Run
from workbench.training.kinds import kind_name
from workbench.widgets.shells.controls import Choice, Control, Options

Explored = Run | Path | str | Probe
"""Subject of an explorer of one image: a run, its folder, or a probe."""
_KEPT = 3
"""Snapshots kept in memory: one of 256 features at full resolution has 160 MB."""


class SceneSnapshots:
    """Snapshots of a run, read on demand.

    Args:
        run: run or its folder.

    Attributes:
        words: what a scene and a step are called.
        advice: how to get snapshots where there are none.
        common: how to get snapshots that two sources have in common.
        affinity: choice of the affinity, where the source leaves it open.
    """

    words: ClassVar[tuple[str, str]] = ("scene", "step")
    advice: ClassVar[str] = (
        "wait for the first pass of its training, or evaluate it: workbench evaluate"
    )
    common: ClassVar[str] = (
        "wait for the first pass of the training, or name runs that watched the same"
    )
    affinity: AffinityChoice = "cosine"

    def __init__(self, run: Run | Path | str) -> None:
        self.run = run if isinstance(run, Run) else Run.open(run)
        self._made: dict[str, tuple[int, Snapshot]] = {}
        self._read: OrderedDict[tuple[str, int, Hashable], Snapshot] = OrderedDict()

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.run.path.name

    @property
    def annotated(self) -> bool:
        """Whether scenes may have annotators and evaluations."""
        return True

    @property
    def hidden(self) -> set[str]:
        """Names of controls that mean nothing for this source."""
        return {"affinity"}

    def evaluation_of(self, step: int) -> tuple[str, str] | None:
        """Evaluation and method whose scores are those of a step; None where a user chooses."""
        return None

    def evaluated_scene(self, evaluation: str, method: str, id: str) -> str:
        """Name of the scene that is an image of an evaluation."""
        return f"{evaluation}-{method}-{id}"

    def scenes(self) -> list[str]:
        """Names of the scenes that have snapshots, in the order of their first."""
        return [*self.run.snapshot_names(), *self._made]

    def steps(self, scene: str) -> list[int]:
        """Steps at which a scene has snapshots, ascending."""
        return [self._made[scene][0]] if scene in self._made else self.run.snapshots(scene)

    def label(self, step: int) -> str:
        """Name of a step, unique among the steps."""
        return str(step)

    def where(self, step: int) -> str:
        """Step in words, for titles."""
        return f"{self.words[1]} {self.label(step)}"

    def title(self, scene: str, step: int) -> str:
        """Scene and step in words, for titles."""
        return f"{self.words[0]} {scene}, {self.where(step)}"

    def note(self, scene: str, step: int) -> str:
        """Note on the affinity at a step; empty where it is the network's own."""
        return ""

    def offered(self, controls: Sequence[Control]) -> tuple[Control, ...]:
        """Controls that mean something for this source, in its words."""
        words = dict(zip(SceneSnapshots.words, map(str.capitalize, self.words), strict=True))
        return tuple(
            replace(control, label=words.get(control.name, control.label))
            for control in controls
            if control.name not in self.hidden
        )

    def put(self, scene: str, snapshot: Snapshot) -> None:
        """Add a snapshot that the run does not keep, at the run's last step."""
        self._made = {scene: (self.run.step, snapshot)}  # one at a time: they are large

    def version(self, scene: str, step: int) -> Hashable:
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
            self._read[key] = self._make(scene, step)
        self._read.move_to_end(key)
        while len(self._read) > _KEPT:
            self._read.popitem(last=False)
        return self._read[key]

    def image(self, scene: str, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Pixels of a scene, and coverings of its annotators by the segmentations, if known.

        Raises:
            WorkbenchError: the snapshot cannot be read.
        """
        if scene in self._made:
            made = self._made[scene][1]
            return made.image, made.coverings
        found = self.run.load_snapshot(step, scene, ("image", "coverings"))
        if "image" not in found:
            raise WorkbenchError(
                f"the pixels of {scene}", "a snapshot without them", "choose another"
            )
        return found["image"], found.get("coverings")

    def affinity_of(self, scene: str, step: int) -> Affinity:
        """Affinity of a scene's cells at a step.

        Raises:
            WorkbenchError: as `load`.
        """
        return self.load(scene, step).prediction.affinity

    def _make(self, scene: str, step: int) -> Snapshot:
        return Snapshot.load(self.run, step, scene)


class ProbeSnapshots(SceneSnapshots):
    """Images of a probe as scenes, its layers in the order of their depth as steps 1 … L.

    Args:
        probe: record of a network over images.
    """

    words = ("image", "layer")
    advice = "wait for its first image, or probe again with a larger keep=…"
    common = "wait for the first image, or name probes of the same images"

    def __init__(self, probe: Probe) -> None:
        super().__init__(probe.run)
        self.probe = probe

    @property
    def annotated(self) -> bool:
        """Whether an image has ground truth."""
        return bool(self.probe.annotated)

    @property
    def hidden(self) -> set[str]:
        """Controls of trainings, and those of annotators where there are none.

        The layer and the affinity that are shown choose the evaluation.
        """
        of_annotators = {"annotator", "drawn_by", "measure"}
        return {"follow", "evaluation", "method"} | (set() if self.annotated else of_annotators)

    def evaluation_of(self, step: int) -> tuple[str, str] | None:
        """The affinity and the layer, by which evaluations of probes are named."""
        return self.affinity, self.label(step)

    def evaluated_scene(self, evaluation: str, method: str, id: str) -> str:
        """The image itself."""
        return id

    def scenes(self) -> list[str]:
        """Ids of the images whose features are kept."""
        return self.probe.images

    def steps(self, scene: str) -> list[int]:
        """Numbers of the layers, from 1."""
        return list(range(1, len(self.probe.layers) + 1))

    def label(self, step: int) -> str:
        """Name of a layer; beyond the last one, the last one's."""
        layers = self.probe.layers
        return layers[min(step, len(layers)) - 1]

    def note(self, scene: str, step: int) -> str:
        """Affinity that was chosen, with the error of its approximation or its warning."""
        found = self.probe.factors(scene, self.label(step), self.affinity)
        said = f"affinity {self.affinity}"
        if found.largest_error:
            said += (
                f", approximated: error of its entries {found.rms_error:.2g} (root mean square), "
                f"{found.largest_error:.2g} at most"
            )
        return f"{said}. {found.warning}".removesuffix(". ")

    def version(self, scene: str, step: int) -> Hashable:
        """Choice of the affinity, and the last record of the image."""
        taken = self.run.events("snapshot")
        return self.affinity, max((e.seq for e in taken if e.fields["name"] == scene), default=0)

    def image(self, scene: str, step: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Pixels of an image as the network saw it; nothing is scored for it."""
        return self.probe.image(scene), None

    def affinity_of(self, scene: str, step: int) -> Affinity:
        """Affinity of an image's cells at a layer; nothing is cut for it."""
        return self.probe.factors(scene, self.label(step), self.affinity).affinity

    def _make(self, scene: str, step: int) -> Snapshot:
        found = self.probe.prediction(scene, self.label(step), self.affinity)
        looked = snapshot_of(found, self.probe.image(scene))
        truths = self.probe.truths(scene)
        return scored(looked, np.stack(truths))[1] if truths else looked


def snapshots_of(explored: Explored) -> SceneSnapshots:
    """Source of snapshots of a run or a probe.

    Raises:
        WorkbenchError: there is no run.
    """
    if isinstance(explored, Probe):
        return ProbeSnapshots(explored)
    run = explored if isinstance(explored, Run) else Run.open(explored)
    return ProbeSnapshots(Probe(run)) if kind_name(run.config) == KIND else SceneSnapshots(run)


AFFINITY = Choice("affinity", "Affinity")
"""Control of explorers of probes, whose features leave the affinity open."""


def affinity_options() -> Options:
    """Choices of the affinity, by what there is to say of each."""
    return {sentence: choice for choice, sentence in CHOICES.items()}
