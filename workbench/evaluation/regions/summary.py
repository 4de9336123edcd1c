"""Summary of a method over the regions of a split, and comparison with another method.

Two sources of variation are kept apart, as in `evaluation.scenes.replicates`: images, which the
bootstrap resamples after the mean over seeds of every region's losses; and seeds, whose means have
a spread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from workbench.errors import WorkbenchError
from workbench.evaluation.regions.calibration import expected_calibration_error
from workbench.evaluation.regions.outcomes import Outcomes
from workbench.evaluation.rendering import as_text
from workbench.evaluation.statistics import (
    Difference,
    Estimate,
    difference_of,
    estimate_of,
    resampled_ratios,
    sums_by_image,
)
from workbench.runs.plain import from_plain, plain

MEASURES = ("error", "top5_error", "nll", "brier", "balanced_error")
"""Measures, lower is better; see `RecognitionSummary`."""


@dataclass(frozen=True)
class CategoryError:
    """Error of one category.

    Attributes:
        name: name of the category.
        regions: number of its regions.
        error: share of its regions predicted as another category; NaN without regions.
    """

    name: str
    regions: int
    error: Estimate


@dataclass(frozen=True)
class RecognitionSummary:
    """Summary of a method: means over the regions of a split; intervals are over images.

    Attributes:
        regions: number of regions.
        images: number of their images.
        error: share of regions whose category was not predicted: the paper's measure.
        top5_error: share whose category is not among the five highest scores.
        balanced_error: mean over the categories that occur of the error in each.
        nll: mean negative log probability of the true category, nats.
        brier: mean squared distance of the probabilities to the truth, 0 to 2.
        calibration_error: expected calibration error, mean over seeds.
        seeds: error of each seed.
        categories: error of every category, in the order of their numbers.
    """

    regions: int
    images: int
    error: Estimate
    top5_error: Estimate
    balanced_error: Estimate
    nll: Estimate
    brier: Estimate
    calibration_error: float
    seeds: tuple[float, ...]
    categories: tuple[CategoryError, ...]

    @property
    def spread(self) -> float:
        """Standard deviation of the seeds' errors; NaN of a single seed."""
        return float(np.std(self.seeds, ddof=1)) if len(self.seeds) > 1 else math.nan

    def to_dict(self) -> dict[str, Any]:
        """Plain values; strict JSON, NaN as None."""
        found: dict[str, Any] = _with_missing(plain(self), None)
        return found

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RecognitionSummary":
        """Back from `to_dict`."""
        return from_plain(cls, _with_missing(values, math.nan), "evaluate the model again")

    def to_text(self) -> str:
        """The figures, and the categories that fare worst, for a terminal."""
        rows = [("", "mean", "95 % over images")]
        for name in ("error", "top5_error", "balanced_error", "nll", "brier"):
            value = getattr(self, name)
            shown = f"{value.mean:.3f}", f"{value.low:.3f} … {value.high:.3f}"
            rows.append((name.replace("_", " "), *shown))
        rows.append(("calibration error", f"{self.calibration_error:.3f}", ""))
        common = [each for each in self.categories if each.regions >= 10]
        worst = sorted(common, key=lambda each: -each.error.mean)[:5]
        named = ", ".join(f"{each.name} {each.error.mean:.2f}" for each in worst)
        hardest = f"\nhardest categories with ten regions or more: {named}" if named else ""
        return f"{self.regions} regions in {self.images} images\n{as_text(rows)}{hardest}"


def summarise(seeds: Sequence[Outcomes], seed: int = 0) -> RecognitionSummary:
    """Summary of a method trained with one or more seeds.

    Args:
        seeds: outcomes on the same regions, in any order.
        seed: seed of the bootstrap.

    Raises:
        WorkbenchError: there are no outcomes, or their regions differ.
    """
    seeds = _aligned(seeds)
    first, losses = seeds[0], mean_losses(seeds)
    means = _over_images(losses.to_numpy(), np.ones((len(first), 1)), first, seed)
    estimates = {
        name: estimate_of(float(losses[name].mean()), means[:, i], _images(first))
        for i, name in enumerate(losses)
    }
    errors, resampled, images = _by_category(losses["error"].to_numpy(), first, seed)
    counts = np.bincount(first.labels, minlength=len(first.names))
    return RecognitionSummary(
        regions=len(first),
        images=_images(first),
        balanced_error=_balanced(errors, resampled, _images(first)),
        calibration_error=float(np.mean([expected_calibration_error(each) for each in seeds])),
        seeds=tuple(float((each.rank > 0).mean()) for each in seeds),
        categories=tuple(
            CategoryError(
                name, int(counts[i]), estimate_of(errors[i], resampled[:, i], int(images[i]))
            )
            for i, name in enumerate(first.names)
        ),
        **estimates,
    )


def compare(
    method: Sequence[Outcomes],
    baseline: Sequence[Outcomes],
    measure: str = "error",
    seed: int = 0,
) -> Difference:
    """Mean of method − baseline over the same regions; negative if the method is better.

    Args:
        method: outcomes of the method's seeds.
        baseline: outcomes of the baseline's seeds on the same regions, in any order; the number of
            seeds may differ.
        measure: one of `MEASURES`.
        seed: seed of the bootstrap.

    Raises:
        WorkbenchError: the regions differ, or the measure is unknown.
    """
    if measure not in MEASURES:
        raise WorkbenchError(f"a measure out of {', '.join(MEASURES)}", measure, "name one of them")
    method, baseline = _aligned(method), _aligned(baseline)
    first = _aligned([method[0], baseline[0]])[0]
    column = "error" if measure == "balanced_error" else measure
    surplus = (mean_losses(method)[column] - mean_losses(baseline)[column]).to_numpy()
    if measure == "balanced_error":
        errors, resampled, _ = _by_category(surplus, first, seed)
        return difference_of(
            float(np.nanmean(errors)), np.nanmean(resampled, axis=1), _images(first)
        )
    means = _over_images(surplus[:, None], np.ones((len(first), 1)), first, seed)
    return difference_of(float(surplus.mean()), means[:, 0], _images(first))


def mean_losses(seeds: Sequence[Outcomes]) -> pd.DataFrame:
    """Mean of `Outcomes.losses` over the seeds, in the order of the regions' ids."""
    first, *others = (outcomes.losses().sort_index() for outcomes in seeds)
    return sum(others, first) / len(seeds)


def mean_confusion(seeds: Sequence[Outcomes]) -> Float[np.ndarray, "classes classes"]:
    """Mean of `Outcomes.confusion` over the seeds."""
    return np.asarray(np.mean([outcomes.confusion() for outcomes in seeds], axis=0))


def _aligned(seeds: Sequence[Outcomes]) -> list[Outcomes]:
    """Outcomes in the order of the regions' ids; an error if the regions differ."""
    if not seeds:
        raise WorkbenchError("outcomes of at least one seed", "none", "evaluate one")
    ordered = [outcomes.ordered() for outcomes in seeds]
    first = ordered[0]
    for other in ordered[1:]:
        if other.names != first.names or not all(
            np.array_equal(getattr(other, name), getattr(first, name))
            for name in ("regions", "images", "labels")
        ):
            raise WorkbenchError(
                f"outcomes on the same {len(first)} regions",
                f"others, {len(other)} of them",
                "evaluate both on the same split of the same store",
            )
    return ordered


def _images(outcomes: Outcomes) -> int:
    return len(np.unique(outcomes.images))


def _over_images(
    values: Float[np.ndarray, "regions columns"],
    counted: Float[np.ndarray, "regions _"],
    outcomes: Outcomes,
    seed: int,
) -> Float[np.ndarray, "resamples columns"]:
    """Means of the columns over the counted regions, for each resample of the images."""
    return resampled_ratios(
        sums_by_image(values, outcomes.images), sums_by_image(counted, outcomes.images), seed
    )


def _by_category(
    values: Float[np.ndarray, "regions"], outcomes: Outcomes, seed: int
) -> tuple[
    Float[np.ndarray, "classes"],
    Float[np.ndarray, "resamples classes"],
    Float[np.ndarray, "classes"],
]:
    """Means in each category, their resamples, and the number of images of each category."""
    belongs = (outcomes.labels[:, None] == np.arange(len(outcomes.names))).astype(float)
    counts = belongs.sum(0)
    means = np.full(len(counts), np.nan)
    np.divide(belongs.T @ values, counts, out=means, where=counts > 0)
    resampled = _over_images(belongs * values[:, None], belongs, outcomes, seed)
    images = (sums_by_image(belongs, outcomes.images) > 0).sum(0)
    return means, resampled, images.astype(float)


def _balanced(
    errors: Float[np.ndarray, "classes"],
    resampled: Float[np.ndarray, "resamples classes"],
    images: int,
) -> Estimate:
    """Mean over the categories that occur, with the interval of its resamples."""
    return estimate_of(float(np.nanmean(errors)), np.nanmean(resampled, axis=1), images)


def _with_missing(tree: Any, missing: float | None) -> Any:
    """Tree with `missing` in place of every None and NaN."""
    if isinstance(tree, dict):
        return {key: _with_missing(value, missing) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with_missing(value, missing) for value in tree]
    return missing if tree is None or (isinstance(tree, float) and math.isnan(tree)) else tree
