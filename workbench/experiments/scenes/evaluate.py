"""Evaluation of a column on scenes: scores of every image, seconds, ranks, and scenes to show.

Seconds are medians over the images: the first one includes loading, and other processes may slow
down some. The backbone is timed separately, because its features may be stored when it is frozen.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm.auto import tqdm

from workbench.data import Scene, Scenes
from workbench.data.sheet import evenly_spaced
from workbench.evaluation.scenes.cut_heights import choose_heights, held_out_curves
from workbench.evaluation.scenes.pool import PoolScores, evaluate_pool
from workbench.experiments.scenes.columns import FLAT, Column
from workbench.experiments.scenes.elsewhere import FeatureSource
from workbench.experiments.scenes.results import ColumnResult, CutResult
from workbench.models import DeepNCuts
from workbench.runs.provenance import provenance
from workbench.runs.snapshots import write_snapshot
from workbench.segmentation import CutConfig, HierarchyConfig, Pool, PoolConfig, cut
from workbench.segmentation.contour_cuts import segment_contours
from workbench.training.devices import device_of

SHOWN = 6
"""Number of scenes kept for Figure 3, evenly spread over the split."""
HEIGHTS = 8
"""Number of cuts of a hierarchy whose heights are chosen."""

Found = TypeVar("Found")


def evaluate_network(
    column: Column,
    model: DeepNCuts,
    scenes: Scenes,
    held: Scenes,
    question: dict[str, Any],
    device: str = "auto",
    kept: Path | None = None,
    source: FeatureSource | None = None,
) -> ColumnResult:
    """Cut and score every scene in all ways of a column.

    Args:
        column: column with the ways to cut.
        model: the network.
        scenes: scenes to score.
        held: training scenes that the network has not seen; heights are chosen on them.
        question: question that the result answers.
        device: "auto", "cpu" or "cuda".
        kept: folder of the table, to keep a few scenes in; None: none are kept.
        source: source of features that knows the network; None: the network computes them.
    """
    model.to(device_of(device)).eval()
    ways = {name: _with_heights(column, config, model, held) for name, config in column.cuts}
    tally = _Tally(column, scenes, kept)
    backbone, head, ranks, effective = [], [], [], []
    for scene in tqdm(scenes, desc=f"evaluating {column.name}", unit="scene"):
        with torch.inference_mode():
            image = scene.image.to(next(model.parameters()).device)
            if source is None:
                features, seconds = _timed(model.features, image)
            else:
                source.begin(scene)
                features, seconds = _timed(source.features, model)
            backbone.append(seconds)
            found, seconds = _timed(model.predict, features, scene.size)
            head.append(seconds)
        for name, config in ways.items():
            pool, seconds = _timed(cut, found, config)
            tally.count(name, scene, pool, seconds)
        ranks.append(pool.embedding.spectrum.rank)
        effective.append(found.affinity.effective_rank())
    tally.keep()
    return ColumnResult(
        question,
        provenance(),
        tally.results(ways),
        seconds_backbone=float(np.median(backbone)),
        seconds_head=float(np.median(head)),
        rank=float(np.mean(ranks)),
        effective_rank=float(np.mean(effective)),
    )


def evaluate_contours(
    column: Column, scenes: Scenes, question: dict[str, Any], kept: Path | None = None
) -> ColumnResult:
    """Cut and score every scene by its contours; arguments as in `evaluate_network`."""
    config = dict(column.cuts)[FLAT]
    assert isinstance(config, PoolConfig)
    tally = _Tally(column, scenes, kept)
    for scene in tqdm(scenes, desc=f"evaluating {column.name}", unit="scene"):
        pool, seconds = _timed(segment_contours, scene.pixels, column.contours, config)
        tally.count(FLAT, scene, pool, seconds)
    tally.keep()
    return ColumnResult(question, provenance(), tally.results({FLAT: config}))


class _Tally:
    """Results of a column so far, by cut."""

    def __init__(self, column: Column, scenes: Scenes, kept: Path | None) -> None:
        self.column, self.kept = column, kept
        shown = [scenes.ids[i] for i in evenly_spaced(len(scenes), SHOWN)]
        self.shown = set(shown) if kept is not None else set()
        self.scores: dict[str, dict[str, PoolScores]] = {name: {} for name, _ in column.cuts}
        self.seconds: dict[str, list[float]] = {name: [] for name, _ in column.cuts}
        self.pictures: dict[str, np.ndarray] = {}
        self.scenes: dict[str, np.ndarray] = {}

    def count(self, name: str, scene: Scene, pool: Pool, seconds: float) -> None:
        """Score the segmentations of a scene."""
        truths = scene.truths.numpy(force=True)
        scores = evaluate_pool(pool.segmentations, list(truths))
        self.scores[name][scene.id] = scores
        self.seconds[name].append(seconds)
        if scene.id in self.shown:
            best = int(scores.covering.argmax())
            self.pictures[f"{scene.id}/{name}"] = pool.segmentations[best].astype(np.uint16)
            self.scenes[f"{scene.id}/image"] = scene.pixels
            self.scenes[f"{scene.id}/truths"] = truths.astype(np.uint16)

    def keep(self) -> None:
        """Write the scenes and segmentations of Figure 3."""
        if self.kept is not None:
            write_snapshot(scenes_file(self.kept), self.scenes)
            write_snapshot(pictures_file(self.kept, self.column.name), self.pictures)

    def results(self, ways: dict[str, CutConfig]) -> dict[str, CutResult]:
        """Results of every cut."""
        return {
            name: CutResult(
                self.scores[name],
                float(np.median(self.seconds[name])),
                config.heights if isinstance(config, HierarchyConfig) else None,
            )
            for name, config in ways.items()
        }


def scenes_file(folder: Path) -> Path:
    """Path of a table's scenes of Figure 3: images and human segmentations."""
    return folder / "scenes.safetensors"


def pictures_file(folder: Path, column: str) -> Path:
    """Path of a column's best segmentations of the scenes of Figure 3."""
    return folder / "results" / column / "scenes.safetensors"


def mean_effective_rank(model: DeepNCuts, scenes: Scenes, device: str = "auto") -> float | None:
    """Mean effective rank of the network's affinities; None without scenes.

    Args:
        model: the network, which is left in evaluation mode.
        scenes: scenes to predict.
        device: "auto", "cpu" or "cuda".
    """
    model.to(device_of(device)).eval()
    found = []
    for scene in tqdm(scenes, desc="effective rank", unit="scene"):
        with torch.inference_mode():
            image = scene.image.to(next(model.parameters()).device)
            found.append(model(image).affinity.effective_rank())
    return float(np.mean(found)) if found else None


def choose_cut_heights(
    model: DeepNCuts, held: Iterable[Scene], config: HierarchyConfig
) -> HierarchyConfig:
    """Configuration of a hierarchy with the heights whose cuts together cover best.

    Args:
        model: the network, in evaluation mode.
        held: scenes with human segmentations, at least one.
        config: configuration of the hierarchies.
    """
    heights, curves = held_out_curves(model, held, config)
    return replace(config, heights=tuple(heights[choose_heights(curves, HEIGHTS)].tolist()))


def _with_heights(column: Column, config: CutConfig, model: DeepNCuts, held: Scenes) -> CutConfig:
    if not isinstance(config, HierarchyConfig) or not column.choose_heights or not len(held):
        return config
    bar = tqdm(held, desc=f"choosing heights of {column.name}", unit="scene")
    return choose_cut_heights(model, bar, config)


def _timed(work: Callable[..., Found], *arguments: Any) -> tuple[Found, float]:
    """Result of a call and its seconds, including the kernels it started on a GPU."""
    _wait()
    began = time.perf_counter()
    found = work(*arguments)
    _wait()
    return found, time.perf_counter() - began


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
