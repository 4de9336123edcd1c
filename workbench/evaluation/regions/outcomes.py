"""Outcomes of a classifier for each region, and the errors computed from them.

`Outcomes` keeps only what the measures need of the scores (six numbers a region, for any number of
categories), so that a column of a table is a small file and two methods can be compared region by
region long after both were trained. Scores are logits: their softmax is the probability that
calibration compares with the truth.

Source of the measure: the paper's Table 1, classification error over COCO's 80 categories (§6.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Real
from scipy.special import log_softmax

from workbench.errors import WorkbenchError

TOP = 5
"""Number of highest scores that may include the true category in `top5_error`."""


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of one trained classifier, region by region.

    Attributes:
        names: names of the categories, by their number.
        regions: (regions,) unique ids: the dataset's annotation ids.
        images: (regions,) ids of the regions' images.
        labels: (regions,) true category.
        predicted: (regions,) category of the highest score, the first of equals.
        rank: (regions,) number of categories before the true one; 0 where it is predicted.
        confidence: (regions,) probability of the predicted category.
        surprise: (regions,) negative log probability of the true category, nats.
        brier: (regions,) squared distance of the probabilities to the truth, Σ_k (p_k − y_k)²,
            from 0 to 2.
    """

    names: tuple[str, ...]
    regions: Int[np.ndarray, "regions"]
    images: Int[np.ndarray, "regions"]
    labels: Int[np.ndarray, "regions"]
    predicted: Int[np.ndarray, "regions"]
    rank: Int[np.ndarray, "regions"]
    confidence: Float[np.ndarray, "regions"]
    surprise: Float[np.ndarray, "regions"]
    brier: Float[np.ndarray, "regions"]

    @classmethod
    def of_scores(
        cls,
        scores: Float[np.ndarray, "regions classes"],
        labels: Int[np.ndarray, "regions"],
        images: Int[np.ndarray, "regions"],
        regions: Int[np.ndarray, "regions"],
        names: Sequence[str],
    ) -> "Outcomes":
        """Outcomes from a classifier's logits.

        Args:
            scores: (regions, classes), any float dtype; converted to float64.
            labels: true category of each region, from 0.
            images: id of each region's image.
            regions: id of each region, all different.
            names: names of the classes.

        Raises:
            WorkbenchError: no regions, a score that is not finite, a label without a name, or an
                id that occurs twice.
        """
        _check(scores, labels, regions, names)
        logs = log_softmax(scores.astype(float), axis=1)
        rows = np.arange(len(labels))
        truth = logs[rows, labels][:, None]
        # Equal scores are ordered by their category's number, as in argmax.
        before = np.arange(logs.shape[1]) < labels[:, None]
        rank = ((logs > truth) | ((logs == truth) & before)).sum(1)
        predicted = logs.argmax(1)
        probabilities = np.exp(logs)
        confidence = probabilities[rows, predicted]
        probabilities[rows, labels] -= 1
        return cls(
            tuple(names),
            regions,
            images,
            labels.astype(np.int64),
            predicted,
            rank,
            confidence,
            -truth[:, 0],
            np.square(probabilities).sum(1),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def losses(self) -> pd.DataFrame:
        """Losses, one row a region, indexed by its id; the mean of a column is the measure.

        Columns: error, top5_error (0 or 1); nll (nats); brier.
        """
        columns = {
            "error": (self.rank > 0).astype(float),
            f"top{TOP}_error": (self.rank >= TOP).astype(float),
            "nll": self.surprise,
            "brier": self.brier,
        }
        return pd.DataFrame(columns, pd.Index(self.regions, name="region"))

    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """Confusion matrix: number of regions by true category (row) and predicted one (column)."""
        count = len(self.names)
        cells = np.bincount(self.labels * count + self.predicted, minlength=count**2)
        return cells.reshape(count, count)

    def ordered(self) -> "Outcomes":
        """Outcomes with regions in the order of their ids."""
        order = np.argsort(self.regions)
        arrays = {name: value[order] for name, value in vars(self).items() if name != "names"}
        return replace(self, **arrays)


def strongest_confusions(
    confusion: Real[np.ndarray, "classes classes"], names: Sequence[str], count: int = 10
) -> pd.DataFrame:
    """Most frequent confusions of two categories, in descending order.

    Columns: truth, predicted (names); regions; share, of the true category's regions.
    """
    wrong = confusion * (1 - np.eye(len(confusion), dtype=confusion.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    truth, predicted = np.unravel_index(order, wrong.shape)
    found = wrong[truth, predicted]
    kept = found > 0
    table = {
        "truth": np.array(names, object)[truth],
        "predicted": np.array(names, object)[predicted],
        "regions": found,
        "share": found / np.maximum(confusion.sum(1)[truth], 1),
    }
    return pd.DataFrame(table)[kept]


def _check(
    scores: Float[np.ndarray, "regions classes"],
    labels: Int[np.ndarray, "regions"],
    regions: Int[np.ndarray, "regions"],
    names: Sequence[str],
) -> None:
    if not len(labels):
        raise WorkbenchError("scores of at least one region", "none", "check the split")
    if scores.shape[1] != len(names):
        raise WorkbenchError(
            f"a score for each of the {len(names)} categories",
            f"{scores.shape[1]}",
            "evaluate the model on the store that it was trained on",
        )
    if not np.isfinite(scores).all():
        raise WorkbenchError(
            "finite scores",
            f"NaN or Inf for {int((~np.isfinite(scores)).any(1).sum())} regions",
            "lower the learning rate, or look for NaN in the features",
        )
    if labels.min() < 0 or labels.max() >= len(names):
        raise WorkbenchError(
            f"labels from 0 to {len(names) - 1}",
            f"{labels.min()} to {labels.max()}",
            "pass the contiguous numbers, `Regions.categories`",
        )
    if len(np.unique(regions)) < len(regions):
        raise WorkbenchError(
            "every region once", "an id that occurs twice", "pass the annotation ids"
        )
