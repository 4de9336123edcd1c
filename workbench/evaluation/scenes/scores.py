"""Scores of a method over a set of images, aggregated as in the paper and in the benchmark.

Two ways of averaging are kept apart:

- the paper's best and average covering, and PRI and VI, are means over images, unweighted;
- the benchmark's covering (ODS, OIS and its own "best") divides sums of areas over the regions of
  all annotators of all images: an image weighs pixels × annotators. Only this weighting makes its
  OIS differ from the average covering of the same pool (.6455 and .6450 for gPb-owt-ucm on
  BSDS300's test set).

OIS takes the best scale of the pool in each image, ODS the one scale that is best for the set.
Sources: paper §6.2; Arbelaez et al., PAMI 2011, §2.3 and §5 with the benchmark's published code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.pool import PoolScores
from workbench.evaluation.statistics import Difference, Estimate, estimate, paired_difference

MEASURES = ("best", "average", "pri", "vi")
"""Measures with one value an image; see `MethodScores.per_image`."""


@dataclass(frozen=True)
class ScaleChoice:
    """Values of a measure with the scale fixed for the set, and chosen in each image.

    Attributes:
        ods: value at the one scale that is best for the whole set; NaN where images have
            different numbers of segmentations, and so no scale in common.
        ois: value with the best scale of each image.
        scale: index of the scale behind `ods`; None where that is NaN.
    """

    ods: float
    ois: float
    scale: int | None


@dataclass(frozen=True)
class Summary:
    """Summary of a method over a set of images.

    Attributes:
        images: number of images.
        best: best covering of the paper, mean over images.
        average: average covering of the paper, mean over images.
        covering: covering of the benchmark, weighted by area and annotators.
        pri: probabilistic Rand index; higher is better.
        vi: variation of information, bits; lower is better.
        benchmark_best: best covering of the benchmark, weighted likewise.
    """

    images: int
    best: Estimate
    average: Estimate
    covering: ScaleChoice
    pri: ScaleChoice
    vi: ScaleChoice
    benchmark_best: float


@dataclass(frozen=True)
class MethodScores:
    """Scores of one method on each image of a set.

    Attributes:
        method: name of the method in a table.
        images: scores by the image's id; at least one.
    """

    method: str
    images: Mapping[str, PoolScores]

    def __post_init__(self) -> None:
        if not self.images:
            raise WorkbenchError(
                f"scores of at least one image for {self.method!r}",
                "none",
                "check that the split has images with human segmentations",
            )

    def per_image(self) -> pd.DataFrame:
        """Measures, one row an image, indexed by its id.

        Columns: best, average (covering, paper); pri, vi (bits), each at the image's best scale;
        benchmark_best.
        """
        rows = {
            name: {
                "best": scores.best,
                "average": scores.average,
                "pri": scores.pri.max(),
                "vi": scores.vi.min(),
                "benchmark_best": scores.benchmark_best,
            }
            for name, scores in self.images.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("image")

    def summary(self, seed: int = 0) -> Summary:
        """Summary over the images.

        Args:
            seed: seed of the bootstrap intervals.
        """
        scores = list(self.images.values())
        table = self.per_image()
        alike = np.ones(len(scores))
        weights = np.array([float(s.pixels * s.annotators) for s in scores])
        return Summary(
            images=len(scores),
            best=estimate(table["best"].to_numpy(), seed),
            average=estimate(table["average"].to_numpy(), seed),
            covering=_choose([s.covering for s in scores], weights, np.argmax),
            pri=_choose([s.pri for s in scores], alike, np.argmax),
            vi=_choose([s.vi for s in scores], alike, np.argmin),
            benchmark_best=float(np.average(table["benchmark_best"], weights=weights)),
        )


def compare(
    method: MethodScores, baseline: MethodScores, measure: str = "average", seed: int = 0
) -> Difference:
    """Mean of method − baseline over their common images.

    Args:
        method: scores of the method; for VI, a negative difference means that it is better.
        baseline: scores on the same images, in any order.
        measure: one of `MEASURES`.
        seed: seed of the bootstrap.

    Raises:
        WorkbenchError: the images differ, or the measure is unknown.
    """
    if measure not in MEASURES:
        raise WorkbenchError(f"a measure out of {', '.join(MEASURES)}", measure, "name one of them")
    if method.images.keys() != baseline.images.keys():
        raise WorkbenchError(
            f"the same images for {method.method!r} and {baseline.method!r}",
            f"{len(method.images.keys() ^ baseline.images.keys())} that only one of them has",
            "evaluate both on the same split of the same store",
        )
    values = method.per_image()[measure]
    others = baseline.per_image()[measure].loc[values.index]
    return paired_difference(values.to_numpy(), others.to_numpy(), seed)


def _choose(
    by_scale: list[Float[np.ndarray, "_"]],
    weights: Float[np.ndarray, "images"],
    argbest: Callable[[Shaped[np.ndarray, "_"]], np.intp],
) -> ScaleChoice:
    """Weighted means over images, the scale chosen for the set and in each image."""
    chosen = [values[argbest(values)] for values in by_scale]
    ois = float(np.average(chosen, weights=weights))
    if len({values.size for values in by_scale}) > 1:
        return ScaleChoice(float("nan"), ois, None)
    means = np.average(by_scale, axis=0, weights=weights)
    scale = int(argbest(means))
    return ScaleChoice(float(means[scale]), ois, scale)
