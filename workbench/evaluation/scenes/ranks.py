"""Does rank reduction go with better covering? Over the passes of trainings and over their scenes.

The paper reads a falling rank of W as the sign of learning (§5, §6.2). The numerical rank of a
trained affinity stays at the number of its features, so what is followed here is the effective one
(`linalg.Affinity.effective_rank`). Over the passes of a training both quantities drift, and two
things that drift always correlate; the scenes that a run held out are the fairer witnesses: did
those gain most whose rank fell most?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

Measure = Literal["best", "average"]
COLUMN: dict[Measure, int] = {"best": 1, "average": 2}
"""Of a covering in the rows of a trajectory; column 0 is the effective rank of W."""


@dataclass(frozen=True)
class Trajectory:
    """One training.

    Attributes:
        name: of the run.
        objective: what was trained.
        passes: a row before the first step and after every pass: effective rank of W, best and
            average covering, means over the held-out scenes.
        scenes: a row a held-out scene: the changes of the three from the first step to the last.
    """

    name: str
    objective: str
    passes: Float[np.ndarray, "_ 3"]
    scenes: Float[np.ndarray, "_ 3"]


@dataclass(frozen=True)
class Relation:
    """Spearman's correlation of the changes of effective rank and covering, over scenes.

    Attributes:
        rho: in [−1, 1]; negative where scenes gained whose rank fell; NaN where one does not vary.
        p: two-sided, that of independent scenes.
        scenes: how many, counted once for every run that held them out.
    """

    rho: float
    p: float
    scenes: int


def relation(trajectories: Sequence[Trajectory], measure: Measure = "best") -> Relation:
    """How the change of a scene's rank goes with that of its covering, over all runs' scenes.

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
