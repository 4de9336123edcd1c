"""Choice of the heights at which hierarchies are cut: heights that complement each other.

The covering of a cut follows from the table of overlaps of basins and annotators' segments, whose
rows merge with the basins: all cuts of an image cost little more than one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int

from workbench.data import Scene
from workbench.evaluation.scenes.contingency import LabelMap
from workbench.models import DeepNCuts
from workbench.segmentation import Hierarchy, HierarchyConfig, cut
from workbench.segmentation.hierarchical import full_size

Curve = Float[np.ndarray, "_ _"]
"""Coverings (heights, annotators) by the cut at each height against each annotator.

Its size is not named: images differ in their annotators."""
_LAST = 60
"""Merges of a hierarchy that heights are looked for among: those that leave so many regions."""


def held_out_curves(
    model: DeepNCuts, scenes: Iterable[Scene], config: HierarchyConfig
) -> tuple[Float[np.ndarray, "heights"], list[Curve]]:
    """Candidate heights, and the coverings of the cuts there for each scene.

    Args:
        model: the network, in evaluation mode.
        scenes: with human segmentations, at least one.
        config: how hierarchies are built; its heights do not matter.
    """
    hierarchies, truths = [], []
    device = next(model.parameters()).device
    for scene in scenes:
        with torch.inference_mode():
            found = cut(model(scene.image.to(device)), replace(config, heights=()))
        assert found.hierarchy is not None
        hierarchies.append(found.hierarchy)
        truths.append(list(scene.truths.numpy(force=True)))
    return covering_curves(hierarchies, truths)


def covering_curves(
    hierarchies: Sequence[Hierarchy], truths: Sequence[Sequence[LabelMap]]
) -> tuple[Float[np.ndarray, "heights"], list[Curve]]:
    """Candidate heights of several images' hierarchies, and each image's coverings there."""
    heights = candidate_heights(hierarchies)
    pairs = zip(hierarchies, truths, strict=True)
    return heights, [covering_curve(hierarchy, truth, heights) for hierarchy, truth in pairs]


def covering_curve(
    hierarchy: Hierarchy, truths: Sequence[LabelMap], heights: Float[np.ndarray, "heights"]
) -> Curve:
    """Coverings by a hierarchy's cuts.

    Args:
        hierarchy: hierarchy of an image, on blocks of 2×2 pixels.
        truths: (height, width) label maps, one for each annotator.
        heights: heights, ascending.
    """
    base = full_size(hierarchy.base, truths[0].shape)
    tables = [_overlaps(base, truth) for truth in truths]
    there = np.ones(len(tables[0]), bool)
    there[0] = False  # basins count from 1
    curve, merged = [], 0
    for stop in np.searchsorted(hierarchy.heights, heights):
        for kept, gone in hierarchy.pairs[merged:stop]:
            there[gone] = False
            for table in tables:
                table[kept] += table[gone]
        merged = max(merged, stop)
        curve.append([_covering(table[there]) for table in tables])
    return np.array(curve).reshape(len(heights), len(truths))


def candidate_heights(
    hierarchies: Sequence[Hierarchy], count: int = 64
) -> Float[np.ndarray, "heights"]:
    """Ascending heights at which something happens: quantiles of every hierarchy's last merges."""
    merges = np.concatenate([each.heights[-_LAST:] for each in hierarchies])
    return np.unique(np.quantile(merges, np.linspace(0, 1, count)))


def choose_heights(curves: Sequence[Curve], count: int = 8) -> Int[np.ndarray, "chosen"]:
    """Choose the heights whose cuts together cover best; returns their positions, ascending.

    The objective is the mean over images of best plus average covering: the maximum over chosen
    cuts and annotators, plus the maximum over cuts of the mean over annotators. Heights are added
    greedily, then exchanged one by one as long as that improves the objective.
    """
    # (images, heights, 2): each image's best and average covering at every height
    gains = np.stack(
        [np.stack([curve.max(axis=1), curve.mean(axis=1)], axis=1) for curve in curves]
    )
    chosen: list[int] = []
    for _ in range(min(count, gains.shape[1])):
        chosen.append(_best_addition(gains, chosen))
    better = True
    while better:
        before = _value(gains, chosen)
        for place in range(len(chosen)):
            rest = chosen[:place] + chosen[place + 1 :]
            chosen[place] = _best_addition(gains, rest)
        better = _value(gains, chosen) > before + 1e-12
    return np.sort(np.array(chosen))


def pool_coverings(
    curves: Sequence[Curve], chosen: Int[np.ndarray, "chosen"]
) -> tuple[float, float]:
    """Best and average covering of the chosen cuts, means over images."""
    best = [float(curve[chosen].max()) for curve in curves]
    average = [float(curve[chosen].mean(axis=1).max()) for curve in curves]
    return float(np.mean(best)), float(np.mean(average))


def _best_addition(gains: Float[np.ndarray, "images heights 2"], chosen: list[int]) -> int:
    so_far = gains[:, chosen].max(axis=1, initial=0.0)[:, None]
    return int(np.maximum(gains, so_far).mean(axis=0).sum(axis=1).argmax())


def _value(gains: Float[np.ndarray, "images heights 2"], chosen: list[int]) -> float:
    return float(gains[:, chosen].max(axis=1).mean(axis=0).sum())


def _overlaps(
    base: Int[np.ndarray, "height width"], truth: LabelMap
) -> Float[np.ndarray, "basins segments"]:
    """Number of common pixels of each basin and each of the annotator's segments."""
    names, segment = np.unique(truth, return_inverse=True)
    code = base.ravel() * len(names) + segment.ravel()
    counts = np.bincount(code, minlength=(int(base.max()) + 1) * len(names))
    return counts.reshape(-1, len(names)).astype(np.float64)


def _covering(table: Float[np.ndarray, "regions segments"]) -> float:
    """Covering C(S→G) from the table of overlaps, see `evaluation.scenes.contingency`."""
    drawn = table.sum(axis=0)
    union = table.sum(axis=1, keepdims=True) + drawn - table
    return float(drawn @ (table / union).max(axis=0)) / float(drawn.sum())
