"""Monitor of held-out scenes while DeepNCuts trains: their covering and their spectra."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Integer

from workbench.data import FeatureCache, Scene, Scenes
from workbench.evaluation.scenes.pool import PoolScores
from workbench.evaluation.scenes.snapshots import Snapshot, look_at_prediction, look_at_scene
from workbench.models import DeepNCuts
from workbench.runs import Run
from workbench.training.trainer import LookAbandoned


class CoveringMonitor:
    """Monitor that segments held-out scenes, returns mean coverings and takes snapshots.

    Args:
        model: the network in training.
        scenes: held-out scenes; none: nothing is watched.
        run: where snapshots go.
        probes: how many scenes get snapshots.
        cache: of a frozen backbone's features, to read them instead of computing them every time.

    Attributes:
        stopping: function that is asked before every scene whether to break off the evaluation,
            which may take minutes.
    """

    def __init__(
        self,
        model: DeepNCuts,
        scenes: Scenes,
        run: Run,
        probes: int = 2,
        cache: FeatureCache | None = None,
    ) -> None:
        self.model, self.scenes, self.run = model, scenes, run
        self.probes, self.cache = probes, cache
        self.stopping: Callable[[], bool] = lambda: False

    def __call__(self, step: int) -> dict[str, float]:
        """Means of best and average covering, rank and effective rank of the affinity, at a step.

        Also the eigengap at the number of segments of each scene's median annotator: mean and
        narrowest.

        Raises:
            LookAbandoned: `stopping` says that the training stops.
        """
        scores, ranks, effective, gaps = [], [], [], []
        for i, scene in enumerate(self.scenes):
            if self.stopping():
                raise LookAbandoned
            score, snapshot = self._look(scene)
            scores.append(score)
            ranks.append(snapshot.rank)
            effective.append(snapshot.effective_rank)
            gaps.append(eigengap(snapshot.eigenvalues, snapshot.truths))
            if i < self.probes:
                self.run.snapshot(step, scene.id, snapshot.to_arrays())
        if not scores:
            return {}
        return {
            "covering_best": float(np.mean([s.best for s in scores])),
            "covering_average": float(np.mean([s.average for s in scores])),
            "rank_held_out": float(np.mean(ranks)),
            "effective_rank_held_out": float(np.mean(effective)),
            "eigengap_held_out": float(np.mean(gaps)),
            "narrowest_eigengap_held_out": float(np.min(gaps)),
        }

    def _look(self, scene: Scene) -> tuple[PoolScores, Snapshot]:
        if self.cache is None:
            return look_at_scene(self.model, scene)
        device = next(self.model.parameters()).device
        maps = [each.to(device) for each in self.cache.maps(scene.id, mirrored=False)]
        with torch.inference_mode():
            found = self.model.predict(maps, scene.size)
        return look_at_prediction(found, scene)


def eigengap(
    values: Float[np.ndarray, "count"], truths: Integer[np.ndarray, "annotators height width"]
) -> float:
    """Eigengap λ_k − λ_{k+1} of M = D^-½WD^-½, whose largest eigenvalue is 1, for a scene's k.

    The number k is the median of the annotators' numbers of segments, limited by the number of
    eigenvalues. Without any, where all features are zero, the gap is 0.

    Args:
        values: eigenvalues, descending.
        truths: label maps of the annotators.
    """
    if len(values) < 2:
        return 0.0
    segments = [np.count_nonzero(np.bincount(truth.ravel())) for truth in truths]
    k = min(max(int(np.median(segments)), 1), len(values) - 1)
    return float(values[k - 1] - values[k])
