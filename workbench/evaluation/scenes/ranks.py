"""Relation of effective rank and covering over the passes of trainings and over their scenes.

The paper takes a falling rank of W as the sign of learning (§5, §6.2). The numerical rank of a
trained affinity stays at the number of its features, so the effective rank is used here
(`linalg.Affinity.effective_rank`). Over the passes of a training both quantities drift, and any two
drifting quantities correlate; held-out scenes give the fairer test: whether the covering rises most
where the rank falls most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

Measure = Literal["best", "average"]
COLUMN: dict[Measure, int] = {"best": 1, "average": 2}
"""Column of a covering in the rows of a trajectory; column 0 is the effective rank of W."""


@dataclass(frozen=True)
class Trajectory:
    """Effective rank and covering of one training.

    Attributes:
        name: name of the run.
        objective: objective of the training.
        passes: a row before the first step and after every pass: effective rank of W, best and
            average covering, means over the held-out scenes.
        scenes: a row a held-out scene: changes of the three from the first step to the last.
    """

    name: str
    objective: str
    passes: Float[np.ndarray, "_ 3"]
    scenes: Float[np.ndarray, "_ 3"]


@dataclass(frozen=True)
class Relation:
    """Spearman's correlation of the changes of effective rank and covering, over scenes.

    Attributes:
        rho: in [−1, 1]; negative where covering rose as rank fell; NaN if either is constant.
        p: two-sided p-value for independent scenes.
        scenes: number of scenes, counted once for every run that held them out.
    """

    rho: float
    p: float
    scenes: int


def relation(trajectories: Sequence[Trajectory], measure: Measure = "best") -> Relation:
    """Correlation of the changes of rank and covering over all runs' scenes.

    Args:
        trajectories: at least one.
        measure: which covering.
    """
    changes = np.concatenate([each.scenes for each in trajectories])
    ranks, coverings = changes[:, 0], changes[:, COLUMN[measure]]
    if len(changes) < 2 or np.ptp(ranks) == 0 or np.ptp(coverings) == 0:
        return Relation(float("nan"), float("nan"), len(changes))
    found = stats.spearmanr(ranks, coverings)
    return Relation(float(found.statistic), float(found.pvalue), len(changes))
