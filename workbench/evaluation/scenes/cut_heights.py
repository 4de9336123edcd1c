"""Choice of the heights at which hierarchies are cut: heights that complement each other.

The covering of a cut follows from the table of overlaps of basins and annotators' segments, whose
rows merge with the basins: all cuts of an image cost little more than one.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from workbench.evaluation.scenes.contingency import LabelMap
from workbench.segmentation.hierarchical import full_size
from workbench.segmentation.hierarchy import Hierarchy

Curve = Float[np.ndarray, "_ _"]
"""Coverings (heights, annotators) by the cut at each height against each annotator.

The dimensions are not named: images differ in their numbers of annotators."""


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
    hierarchies: Sequence[Hierarchy], count: int = 64, last: int = 60
) -> Float[np.ndarray, "heights"]:
    """Candidate heights, ascending: quantiles of the last merges of all hierarchies."""
    merges = np.concatenate([each.heights[-last:] for each in hierarchies])
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
