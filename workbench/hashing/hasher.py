"""Interface of every hashing method: fit on labelled and unlabelled vectors, then encode any.

A method learns real functions of a vector, one a bit; the bit is 1 where the function is positive.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np
from jaxtyping import Float, Float64, Integer

from workbench.errors import WorkbenchError
from workbench.geometry.hyperplanes import Codes, pack

Vectors = Float[np.ndarray, "points features"]
Own = TypeVar("Own", bound="Hasher")
BLOCK = 8192
"""Vectors that are encoded together."""


class MoreBitsThanClassesWarning(UserWarning):
    """Method whose useful directions are fewer than its bits: the rest of the code is noise."""


@dataclass(frozen=True)
class Labelled:
    """Vectors with their classes.

    Attributes:
        vectors: (points, features) float.
        labels: (points,) integer, from 0 to classes − 1.
        classes: number of classes.

    Raises:
        WorkbenchError: NaN, labels that do not fit, fewer than two classes, or a class without
            points.
    """

    vectors: Float[np.ndarray, "points features"]
    labels: Integer[np.ndarray, "points"]
    classes: int

    def __post_init__(self) -> None:
        require_finite(self.vectors)
        if len(self.vectors) != len(self.labels):
            raise WorkbenchError(
                f"a label for each of {len(self.vectors)} vectors",
                f"{len(self.labels)}",
                "pass the labels of these vectors, in their order",
            )
        if self.classes < 2 or self.labels.min() < 0 or self.labels.max() >= self.classes:
            raise WorkbenchError(
                f"labels from 0 to {self.classes - 1}, of two classes at least",
                f"{self.labels.min(initial=0)} to {self.labels.max(initial=0)}",
                "number the classes from 0",
            )
        if empty := np.flatnonzero(self.counts == 0).tolist():
            raise WorkbenchError(
                "training points of every class",
                f"none of {', '.join(map(str, empty))}",
                "label some of it, or leave the class out and number the others anew",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> Integer[np.ndarray, "classes"]:
        """Number of points of each class."""
        return np.asarray(np.bincount(self.labels, minlength=self.classes))

    @property
    def indicators(self) -> Float64[np.ndarray, "points classes"]:
        """Matrix with a 1 at each point's class."""
        return np.asarray(np.eye(self.classes)[self.labels])


@dataclass
class Hasher(ABC):
    """Hashing method with its parameters; `fit` learns the rest.

    Attributes:
        bits: length of a code.
        seed: seed of all that is drawn.
        supervised: whether the method learns from labels.
        within_dimensions: whether more bits than dimensions are refused.
        features: number of features of the vectors it was fitted on; 0 before.
    """

    bits: int
    seed: int = 0
    supervised: ClassVar[bool] = False
    within_dimensions: ClassVar[bool] = False
    features: int = field(default=0, init=False, repr=False)

    def fit(self: Own, labelled: Labelled | None, pool: Vectors | None = None) -> Own:
        """Learn the functions of a code's bits.

        Args:
            labelled: vectors with classes; None only for methods that use none.
            pool: (points, features) vectors without classes; None: the labelled ones.

        Raises:
            WorkbenchError: NaN, no labels for a method that needs them, no bits, or more than
                dimensions.
        """
        if self.supervised and labelled is None:
            raise WorkbenchError(
                f"labelled vectors for {type(self).__name__}", "none", "label some, or take ITQ"
            )
        vectors = labelled.vectors if pool is None and labelled is not None else pool
        if vectors is None:
            raise WorkbenchError("vectors to fit on", "none", "pass a pool")
        require_finite(vectors)
        if labelled is not None and labelled.vectors.shape[1] != vectors.shape[1]:
            raise WorkbenchError(
                f"labelled vectors and pool of {vectors.shape[1]} features",
                f"{labelled.vectors.shape[1]} features",
                "take the same features for both",
            )
        most = vectors.shape[1] if self.within_dimensions else self.bits
        if not 1 <= self.bits <= most:
            raise WorkbenchError(
                f"1 to {vectors.shape[1]} bits, the number of dimensions",
                f"{self.bits} bits for {type(self).__name__}",
                "take fewer bits, or LSH",
            )
        self._learn(labelled, vectors)  # type: ignore[arg-type]
        self.features = vectors.shape[1]
        return self

    def values(self, x: Vectors) -> Float64[np.ndarray, "points bits"]:
        """Values of the functions, whose positive ones are the bits that are 1.

        Raises:
            WorkbenchError: not fitted, NaN, or another number of features.
        """
        if not self.features:
            raise WorkbenchError("a fitted hasher", "one that is not", "fit it first")
        if x.shape[1] != self.features:
            raise WorkbenchError(
                f"vectors of {self.features} features", f"{x.shape[1]}", "encode what was fitted"
            )
        require_finite(x)
        parts = [
            self._values(x[start : start + BLOCK].astype(np.float64))
            for start in range(0, len(x), BLOCK)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.bits))

    def encode(self, x: Vectors) -> Codes:
        """Binary codes of vectors, packed.

        Args:
            x: (points, features).

        Raises:
            WorkbenchError: as `values`.
        """
        return pack(self.values(x))

    @abstractmethod
    def _learn(self, labelled: Labelled, pool: Vectors) -> None:
        """Learn from checked vectors; `labelled` is None where the method is not supervised."""

    @abstractmethod
    def _values(
        self, x: Float64[np.ndarray, "points features"]
    ) -> Float64[np.ndarray, "points bits"]:
        """Values for a block of vectors."""


def require_finite(x: Vectors) -> None:
    """Require vectors without NaN and Inf.

    Raises:
        WorkbenchError: an entry is not finite.
    """
    if wrong := int(np.count_nonzero(~np.isfinite(x))):
        raise WorkbenchError(
            "finite vectors", f"{wrong} entries that are NaN or Inf", "leave those vectors out"
        )
