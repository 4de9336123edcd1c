"""What is watched while DeepNCuts trains: held-out scenes, their covering and their spectra."""

import numpy as np

from workbench.data import Scenes
from workbench.evaluation.networks import CutConfig, look_at_scene
from workbench.models import DeepNCuts
from workbench.runs import Run


class CoveringMonitor:
    """Segments held-out scenes; returns their mean coverings, takes snapshots of the first ones.

    Args:
        model: the network in training.
        scenes: held-out scenes; none: nothing is watched.
        run: where snapshots go.
        probes: how many scenes get snapshots.
        pool: how scenes are cut.
    """

    def __init__(
        self,
        model: DeepNCuts,
        scenes: Scenes,
        run: Run,
        probes: int = 2,
        pool: CutConfig | None = None,
    ) -> None:
        self.model, self.scenes, self.run = model, scenes, run
        self.probes, self.pool = probes, pool

    def __call__(self, step: int) -> dict[str, float]:
        """Mean best and average covering, and rank of the affinity, at a step."""
        scores, ranks = [], []
        for i, scene in enumerate(self.scenes):
            score, snapshot = look_at_scene(self.model, scene, self.pool)
            scores.append(score)
            ranks.append(int(snapshot["rank"]))
            if i < self.probes:
                self.run.snapshot(step, scene.id, snapshot)
        if not scores:
            return {}
        return {
            "covering_best": float(np.mean([s.best for s in scores])),
            "covering_average": float(np.mean([s.average for s in scores])),
            "rank_held_out": float(np.mean(ranks)),
        }
