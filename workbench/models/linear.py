"""A linear classifier for vectors longer than their number; scikit-learn does the work.

A linear classifier with an ℓ2 penalty depends on the vectors through their inner products alone.
Where there are fewer of them than entries they are therefore rotated first, to as many coordinates
as there are regions: the classifier stays the same and costs a fraction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp
from sklearn.decomposition import KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from workbench.errors import WorkbenchError

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Values of C that cross-validation chooses from, for vectors whose mean square is 1."""
FOLDS = 3
UNSEEN = 0.5
"""Number of training regions whose probability a category without any is given."""


@dataclass(frozen=True)
class LinearFit:
    """Scores of a linear classifier, with its C and the errors of all values of C.

    Attributes:
        scores: (regions, classes) float64, logits of the regions that were to be classified.
        strength: the C that was chosen; larger fits closer.
        errors: cross-validated top-1 error of each of `STRENGTHS`.
    """

    scores: Float[np.ndarray, "regions classes"]
    strength: float
    errors: tuple[float, ...]


def signed_power(x: Float[np.ndarray, "..."], power: float) -> Float[np.ndarray, "..."]:
    """sign(x)·|x|^power, entry by entry: power normalisation (Perronnin et al., ECCV 2010)."""
    return np.asarray(np.sign(x) * np.abs(x) ** power) if power != 1 else x


def fit_linear(
    train: Float[np.ndarray, "train entries"],
    labels: Int[np.ndarray, "train"],
    images: Int[np.ndarray, "train"],
    test: Float[np.ndarray, "test entries"],
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearFit:
    """Multinomial logistic regression, its C chosen by cross-validation over images.

    Args:
        train: vectors to learn from.
        labels: categories of these, from 0; at least two different ones.
        images: image of each: folds share none.
        test: vectors to classify.
        classes: number of categories that have a score.
        strengths: values of C to choose from.

    Raises:
        WorkbenchError: too few categories or images.
    """
    if len(np.unique(labels)) < 2 or len(np.unique(images)) < FOLDS:
        raise WorkbenchError(
            f"regions of two categories in at least {FOLDS} images",
            f"{len(np.unique(labels))} categories in {len(np.unique(images))} images",
            "take more of the training part",
        )
    train, test = _rotated(train, test)
    ascending = sorted(strengths)
    wrong = np.zeros(len(ascending))
    for fit, held in GroupKFold(FOLDS).split(train, labels, images):
        model = _model()
        for i, strength in enumerate(ascending):  # each starts where the weaker one ended
            model.set_params(C=strength).fit(train[fit], labels[fit])
            wrong[i] += np.count_nonzero(model.predict(train[held]) != labels[held])
    best = int(wrong.argmin())
    model = _model()
    for strength in ascending[: best + 1]:
        model.set_params(C=strength).fit(train, labels)
    known = _decisions(model, test)
    scores = np.empty((len(test), classes))
    rare = np.log(UNSEEN / len(train)) + logsumexp(known, axis=1)
    scores[:] = rare[:, None]
    scores[:, model.classes_] = known
    return LinearFit(scores, ascending[best], tuple(wrong / len(train)))


def _rotated(
    train: Float[np.ndarray, "train entries"], test: Float[np.ndarray, "test entries"]
) -> tuple[Float[np.ndarray, "train _"], Float[np.ndarray, "test _"]]:
    """Vectors centred, at mean square 1, in the fewest coordinates that keep inner products."""
    train, test = train.astype(float), test.astype(float)
    if len(train) < train.shape[1]:
        rotation = KernelPCA(kernel="linear", eigen_solver="dense", remove_zero_eig=True)
        train, test = rotation.fit_transform(train), rotation.transform(test)
    else:
        middle = train.mean(0)
        train, test = train - middle, test - middle
    size = np.sqrt(np.square(train).sum(1).mean())
    size = size if size > 0 else 1.0
    return train / size, test / size


def _model() -> LogisticRegression:
    return LogisticRegression(max_iter=1000, warm_start=True)


def _decisions(
    model: LogisticRegression, x: Float[np.ndarray, "regions _"]
) -> Float[np.ndarray, "regions known"]:
    """Logits of the known categories; of two, scikit-learn gives only their difference."""
    found = model.decision_function(x)
    return np.stack([-found / 2, found / 2], 1) if found.ndim == 1 else np.asarray(found)
