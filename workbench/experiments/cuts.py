"""How to build and cut hierarchies, chosen on scenes that trainings held out.

Every run keeps some training scenes out; on those its network meets images as it will the test's.
Several runs with different seeds hold out different scenes. For every way to build a hierarchy, the
heights of its cuts are chosen on four fifths of the scenes and scored on the last fifth, in turns,
so that a way with more freedom has no advantage; the heights that are reported come from all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from workbench.data import Scene, Scenes
from workbench.errors import WorkbenchError
from workbench.evaluation.heights import (
    Curve,
    candidate_heights,
    choose_heights,
    covering_curve,
    pool_coverings,
)
from workbench.evaluation.networks import cut
from workbench.models import Prediction
from workbench.runs import Run
from workbench.segmentation import Grid, Hierarchy, HierarchyConfig
from workbench.training.building import trained_model
from workbench.training.config import DeepNCutsConfig

FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """One way to build hierarchies, and how it did on held-out scenes.

    Attributes:
        name: of the way.
        config: with the heights chosen on all scenes.
        best, average: coverings, each scene's with heights chosen on other scenes.
    """

    name: str
    config: HierarchyConfig
    best: float
    average: float

    @property
    def value(self) -> float:
        """What is to be maximised: the sum of the two."""
        return self.best + self.average


def choose_cuts(
    runs: Sequence[Path | str], ways: dict[str, tuple[HierarchyConfig, bool]], count: int = 8
) -> list[Choice]:
    """Score ways to build hierarchies on the scenes that runs held out, the best way first.

    Args:
        runs: folders of trained runs.
        ways: by name, a configuration whose heights do not matter, and whether the network's
            contours are used (where it has any).
        count: how many cuts.

    Raises:
        WorkbenchError: a run has held nothing out.
    """
    hierarchies: dict[str, list[Hierarchy]] = {name: [] for name in ways}
    scenes: list[Scene] = []
    for scene, found, grid in _predictions(runs):
        scenes.append(scene)
        for name, (config, contours) in ways.items():
            seen = found if contours else replace(found, contour=None)
            pool = cut(seen, grid, scene.size, replace(config, heights=(0.0,)))
            assert pool.hierarchy is not None
            hierarchies[name].append(pool.hierarchy)
    truths = [list(scene.truths.numpy(force=True)) for scene in scenes]
    choices = []
    for name, (config, _) in ways.items():
        heights = candidate_heights(hierarchies[name])
        curves = [
            covering_curve(hierarchy, truth, heights)
            for hierarchy, truth in zip(hierarchies[name], truths, strict=True)
        ]
        chosen = tuple(heights[choose_heights(curves, count)].tolist())
        best, average = _cross_validated(curves, lambda some: choose_heights(some, count))
        choices.append(Choice(name, replace(config, heights=chosen), best, average))
    return sorted(choices, key=lambda choice: -choice.value)


def _predictions(runs: Sequence[Path | str]) -> Iterator[tuple[Scene, Prediction, Grid]]:
    for path in runs:
        run = Run.open(path)
        config = DeepNCutsConfig.from_dict(run.config)
        if config.holdout == 0:
            raise WorkbenchError(
                f"a run with held-out scenes in {path}", "none held out", "train with --holdout 50"
            )
        _, held = Scenes.open(config.store, "train").hold_out(config.holdout, config.seed)
        model = trained_model(run)
        for scene in tqdm(held, desc=Path(path).name, unit="scene"):
            with torch.inference_mode():
                yield scene, model(scene.image), model.grid


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
