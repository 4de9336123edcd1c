"""Snapshots of scenes: a network's result for a scene as arrays of a run, for views to read.

Snapshots are made, described, written as arrays and read here.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8

from workbench.data import Scene, Scenes
from workbench.data.photos import Pixels
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.pool import PoolScores, evaluate_pool
from workbench.linalg.affinity import Affinity
from workbench.models import DeepNCuts
from workbench.runs import Run
from workbench.segmentation import CutConfig, Grid, PoolConfig, Prediction, cut
from workbench.segmentation.cutting import usual_cut
from workbench.training.building import trained_model
from workbench.training.scenes.config import DeepNCutsConfig


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Snapshot of a scene: all values that its pictures need.

    Attributes:
        image: RGB pixels.
        truths: label maps, one for each annotator.
        maps: factors X of the affinity at the cells of a feature map.
        grid: position of these cells in the image.
        eigenvalues: eigenvalues of D^-½WD^-½, descending, as many as the segmentations needed.
        eigenvectors: D^-½U at blocks of pixels.
        rank: rank of the affinity.
        segmentations: label maps at full size.
        coverings: covering of each annotator by each segmentation, float64.
        effective_rank: effective rank, see `linalg.Affinity.effective_rank`; NaN where an older
            run did not keep it.
        coupling: Λ; None where it is the identity.
        contour: probability at blocks of 2×2 pixels; None where the network predicts none.
        counts: k of each flat segmentation, the segments of each cut of a hierarchy; None where an
            older run did not keep them.
    """

    image: UInt8[np.ndarray, "height width 3"]
    truths: Integer[np.ndarray, "annotators height width"]
    maps: Float[np.ndarray, "features rows columns"]
    grid: Grid
    eigenvalues: Float[np.ndarray, "count"]
    eigenvectors: Float[np.ndarray, "count block_rows block_columns"]
    rank: int
    segmentations: Int[np.ndarray, "segmentations height width"]
    coverings: Float[np.ndarray, "segmentations annotators"]
    effective_rank: float = float("nan")
    coupling: Float[np.ndarray, "features features"] | None = None
    contour: Float[np.ndarray, "fine_rows fine_columns"] | None = None
    counts: Int[np.ndarray, "segmentations"] | None = None

    @cached_property
    def prediction(self) -> Prediction:
        """Prediction of the network, to be cut again; its tensors share the snapshot's memory."""
        rows, columns = self.maps.shape[1:]
        height, width = self.image.shape[:2]
        x = torch.from_numpy(self.maps).flatten(1).T
        coupling = None if self.coupling is None else torch.from_numpy(self.coupling)
        contour = None if self.contour is None else torch.from_numpy(self.contour).double().logit()
        affinity = Affinity(x, coupling)
        return Prediction(affinity, (rows, columns), self.grid, (height, width), contour)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Arrays by name, for `Run.snapshot`; None is left out."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        kept["grid"] = [self.grid.stride, self.grid.offset]
        return {name: np.asarray(value) for name, value in kept.items() if value is not None}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Snapshot":
        """Snapshot from the arrays of `to_arrays`.

        Raises:
            WorkbenchError: an array is missing.
        """
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise WorkbenchError(
                f"a snapshot of a scene, with {', '.join(missing)}",
                f"one with {', '.join(sorted(arrays)) or 'nothing'}",
                "choose a snapshot that a training or an evaluation has written",
            )
        kept: dict[str, Any] = {f.name: arrays[f.name] for f in fields(cls) if f.name in arrays}
        kept["grid"] = Grid(*arrays["grid"].tolist())
        for name in {"rank", "effective_rank"} & kept.keys():
            kept[name] = kept[name].item()
        return cls(**kept)

    @classmethod
    def load(cls, run: Run, step: int, name: str) -> "Snapshot":
        """Snapshot of a scene that a run kept at a step.

        Raises:
            WorkbenchError: there is none, or it is not of a scene.
        """
        return cls.from_arrays(run.load_snapshot(step, name))


def look_at_scene(
    model: DeepNCuts, scene: Scene, config: CutConfig | None = None
) -> tuple[PoolScores, Snapshot]:
    """Segment a scene at full resolution: the scores against its annotators, and a snapshot.

    The model must be in evaluation mode.

    Args:
        model: the network.
        scene: image and human segmentations.
        config: flat clusterings or a hierarchy; default: `usual_cut`.
    """
    device = next(model.parameters()).device
    with torch.inference_mode():
        found = model(scene.image.to(device))
    return look_at_prediction(found, scene, config)


def look_at_prediction(
    found: Prediction, scene: Scene, config: CutConfig | None = None
) -> tuple[PoolScores, Snapshot]:
    """`look_at_scene` for what a network predicted before."""
    looked = snapshot_of(found, scene.pixels, config)
    return scored(looked, scene.truths.numpy(force=True).astype(np.uint16))


def scored(
    looked: Snapshot, truths: Integer[np.ndarray, "annotators height width"]
) -> tuple[PoolScores, Snapshot]:
    """Scores of a snapshot's segmentations against truths, and the snapshot with both.

    Args:
        looked: snapshot of an image.
        truths: label maps of its annotators, at least one.
    """
    scores = evaluate_pool(list(looked.segmentations), list(truths))
    return scores, replace(looked, truths=truths, coverings=scores.coverings)


def snapshot_of(found: Prediction, pixels: Pixels, config: CutConfig | None = None) -> Snapshot:
    """Snapshot of a prediction of an image, without annotators; `scored` adds them.

    Args:
        found: affinity of the image, of any network.
        pixels: the image, (height, width, 3) uint8.
        config: flat clusterings or a hierarchy; default: `usual_cut`.

    Returns:
        A snapshot with zero annotators.

    Raises:
        WorkbenchError: normalized cuts are not defined on the affinity.
    """
    config = config or usual_cut(found)
    pool = cut(found, config)
    spectrum, coupling, contour = pool.embedding.spectrum, found.affinity.coupling, found.contour
    segments = [len(np.unique(labels)) for labels in pool.segmentations]
    return Snapshot(
        image=pixels,
        truths=np.zeros((0, *found.image), np.uint16),
        maps=found.affinity.x.T.unflatten(1, found.shape).numpy(force=True),
        grid=found.grid,
        eigenvalues=spectrum.values.numpy(force=True),
        eigenvectors=pool.embedding.maps.numpy(force=True),
        rank=spectrum.rank,
        segmentations=np.stack(pool.segmentations),
        coverings=np.zeros((len(pool.segmentations), 0)),
        effective_rank=found.affinity.effective_rank(),
        coupling=None if coupling is None else coupling.numpy(force=True),
        contour=None if contour is None else contour.sigmoid().numpy(force=True),
        counts=np.array(config.counts if isinstance(config, PoolConfig) else segments, np.int64),
    )


def looker(run: Run | Path | str) -> Callable[[str, str], Snapshot]:
    """Function of a split and an image's id that gives its snapshot by the trained network.

    The first call loads the network; a call takes half a second. The run is only read.

    Args:
        run: run, or its folder.
    """
    opened = run if isinstance(run, Run) else Run.open(run)

    @cache
    def model() -> DeepNCuts:
        return trained_model(opened, DeepNCutsConfig).eval()

    @cache
    def scenes(split: str) -> Scenes:
        return Scenes.open(DeepNCutsConfig.from_dict(opened.config).store, split)

    @lru_cache(maxsize=2)
    def look(split: str, id: str) -> Snapshot:
        there = scenes(split)
        if id not in there.ids:
            raise WorkbenchError(
                f"an image of {split}", repr(id), "name one of workbench.data.Scenes.ids"
            )
        return look_at_scene(model(), there[there.ids.index(id)])[1]

    return look
