"""Choice of a way to cut, flat or by a hierarchy, on scenes held out of training.

Every run holds out some training scenes, which are as new to its network as test images. Several
runs with different seeds hold out different scenes. For every way to build a hierarchy, the heights
of its cuts are chosen on four fifths of the scenes and scored on the last fifth, in turns, so that
a way with more parameters has no advantage; the reported heights are chosen on all scenes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from workbench.data import Scene, Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.cut_heights import (
    Curve,
    choose_heights,
    covering_curves,
    pool_coverings,
)
from workbench.evaluation.scenes.pool import evaluate_pool
from workbench.runs import Run
from workbench.segmentation import CutConfig, Pool, PoolConfig, Prediction, cut
from workbench.training.building import trained_model
from workbench.training.scenes.config import DeepNCutsConfig

FOLDS = 5
MEASURES = ("best", "average")


@dataclass(frozen=True)
class Choice:
    """Way to cut, with its coverings on held-out scenes.

    Attributes:
        name: name of the way.
        config: configuration; of a hierarchy, with the heights chosen on all scenes.
        best, average: mean coverings, each scene's with heights chosen on other scenes.
    """

    name: str
    config: CutConfig
    best: float
    average: float

    @property
    def value(self) -> float:
        """Criterion to maximise: the sum of the two coverings."""
        return self.best + self.average


def choose_cuts(
    runs: Sequence[Path | str], ways: Mapping[str, tuple[CutConfig, bool]], count: int = 8
) -> list[Choice]:
    """Score ways to cut on the scenes that runs held out, the best way first.

    Args:
        runs: folders of trained runs.
        ways: by name, a configuration (a hierarchy's heights are ignored) and whether the network's
            contours are used, where it has any.
        count: number of cuts of a hierarchy.

    Raises:
        WorkbenchError: a run has no held-out scenes.
    """
    pools: dict[str, list[Pool]] = {name: [] for name in ways}
    truths: list[list[np.ndarray]] = []
    for scene, found in _predictions(runs):
        truths.append(list(scene.truths.numpy(force=True)))
        for name, (config, contours) in ways.items():
            seen = found if contours else replace(found, contour=None)
            pools[name].append(cut(seen, config))
    choices = [
        _choice(name, config, pools[name], truths, count) for name, (config, _) in ways.items()
    ]
    return sorted(choices, key=lambda choice: -choice.value)


def _choice(
    name: str,
    config: CutConfig,
    pools: Sequence[Pool],
    truths: Sequence[Sequence[np.ndarray]],
    count: int,
) -> Choice:
    if isinstance(config, PoolConfig):  # flat cuts have no heights to choose
        scores = [
            evaluate_pool(pool.segmentations, truth)
            for pool, truth in zip(pools, truths, strict=True)
        ]
        best, average = (float(np.mean([getattr(s, kind) for s in scores])) for kind in MEASURES)
        return Choice(name, config, best, average)
    hierarchies = [pool.hierarchy for pool in pools if pool.hierarchy is not None]
    heights, curves = covering_curves(hierarchies, truths)
    chosen = tuple(heights[choose_heights(curves, count)].tolist())
    best, average = _cross_validated(curves, lambda some: choose_heights(some, count))
    return Choice(name, replace(config, heights=chosen), best, average)


def _predictions(runs: Sequence[Path | str]) -> Iterator[tuple[Scene, Prediction]]:
    for path in runs:
        run = Run.open(path)
        config = DeepNCutsConfig.from_dict(run.config)
        if config.holdout == 0:
            raise WorkbenchError(
                f"a run with held-out scenes in {path}", "none held out", "train with --holdout 50"
            )
        _, held = Scenes.open(config.store, "train").hold_out(config.holdout, config.seed)
        model = trained_model(run, DeepNCutsConfig)
        for scene in tqdm(held, desc=Path(path).name, unit="scene"):
            with torch.inference_mode():
                yield scene, model(scene.image)


def _cross_validated(
    curves: list[Curve], choose: Callable[[list[Curve]], np.ndarray]
) -> tuple[float, float]:
    """Mean best and average covering, each scene's heights chosen on the other folds."""
    totals = np.zeros(2)
    for fold in range(FOLDS):
        own = curves[fold::FOLDS]
        rest = [curve for i, curve in enumerate(curves) if i % FOLDS != fold]
        if own:
            totals += np.array(pool_coverings(own, choose(rest or own))) * len(own)
    best, average = totals / len(curves)
    return float(best), float(average)
