"""Scores of one method trained with several seeds, on one set of images.

Two sources of variation are kept apart: images, which the bootstrap resamples after the mean over
seeds of every image's scores; and seeds, whose means over the images have a spread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.scores import MethodScores, ScaleChoice, Summary
from workbench.evaluation.statistics import estimate


@dataclass(frozen=True)
class Replicates:
    """Scores of each seed.

    Attributes:
        method: name in a table.
        seeds: scores of at least one seed, all on the same images.

    Raises:
        WorkbenchError: there is no seed, or the images differ.
    """

    method: str
    seeds: tuple[MethodScores, ...]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise WorkbenchError(
                f"scores of at least one seed of {self.method!r}", "none", "evaluate one"
            )
        if any(scores.images.keys() != self.seeds[0].images.keys() for scores in self.seeds):
            raise WorkbenchError(
                f"the same images for every seed of {self.method!r}",
                ", ".join(f"{len(scores.images)}" for scores in self.seeds),
                "evaluate all on the same split of the same store",
            )

    def per_image(self) -> pd.DataFrame:
        """Mean of `MethodScores.per_image` over the seeds."""
        first, *others = (scores.per_image() for scores in self.seeds)
        total = sum((frame.loc[first.index] for frame in others), first)
        return total / len(self.seeds)

    def summary(self, seed: int = 0) -> Summary:
        """Summary: means over seeds, intervals over images; a scale only if all seeds share it.

        Args:
            seed: seed of the bootstrap.
        """
        found = [scores.summary(seed) for scores in self.seeds]
        table = self.per_image()
        return Summary(
            images=len(table),
            best=estimate(table["best"].to_numpy(), seed),
            average=estimate(table["average"].to_numpy(), seed),
            covering=_mean([s.covering for s in found]),
            pri=_mean([s.pri for s in found]),
            vi=_mean([s.vi for s in found]),
            benchmark_best=float(np.mean([s.benchmark_best for s in found])),
        )

    def means(self, measure: str) -> list[float]:
        """Means of a column of `per_image` over the images, one a seed."""
        return [float(scores.per_image()[measure].mean()) for scores in self.seeds]

    def spread(self, measure: str) -> float:
        """Standard deviation of `means`; NaN of a single seed."""
        means = self.means(measure)
        return float(np.std(means, ddof=1)) if len(means) > 1 else math.nan


def _mean(choices: Sequence[ScaleChoice]) -> ScaleChoice:
    scales = {choice.scale for choice in choices}
    return ScaleChoice(
        float(np.mean([choice.ods for choice in choices])),
        float(np.mean([choice.ois for choice in choices])),
        scales.pop() if len(scales) == 1 else None,
    )
