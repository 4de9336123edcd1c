"""Affinities of cells from features of any sign, as factors: W = XXᵀ, never formed.

Normalized cuts need nonnegative affinities. Features of a ReLU give them directly; those of a
transformer have both signs. Three choices, each a function of two cells' features a, b:

- linear: ⟨a, b⟩. Exact; negative where features point apart, and then cuts may be undefined.
- cosine: (1 + cos(a, b)) / 2, in [0, 1]. Exact, with one more feature: rows (a/‖a‖, 1)/√2.
- exponential: exp((cos(a, b) − 1)/τ), in (0, 1]. Approximated through landmarks (Nyström: Williams
  and Seeger, NIPS 2000); the error is measured on pairs of cells and stated.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.linalg import Affinity

Choice = Literal["linear", "cosine", "exponential"]
CHOICES: dict[Choice, str] = {
    "cosine": "(1 + cosine)/2: any features, exact, the usual choice",
    "exponential": "exp((cosine − 1)/τ): sharper, approximated through landmarks, error stated",
    "linear": "inner products: exact, for nonnegative features (after a ReLU) only",
}
"""Choices with a sentence on each, the default first."""
TEMPERATURE = 0.1
"""τ of the exponential affinity."""
LANDMARKS = 256
"""Number of cells through which the exponential affinity is approximated."""
_PAIRS = 4096
"""Number of pairs of cells on which the approximation's error is measured."""


Rows = Float[Tensor, "cells factors"]


@runtime_checkable
class FactorMap(Protocol):
    """Map from features of cells to the factors X of their affinity W = XXᵀ, cell by cell."""

    def __call__(self, values: Float[Tensor, "cells channels"]) -> Rows:
        """Factors of some cells, float32."""


@dataclass(frozen=True)
class Factors:
    """Affinity by its factors, with its errors.

    Attributes:
        affinity: W = XXᵀ, float32.
        largest_error, rms_error: errors of entries of W, on random pairs; 0 where exact.
        warning: sentence on limits of this affinity; empty where there are none.
    """

    affinity: Affinity
    largest_error: float = 0.0
    rms_error: float = 0.0
    warning: str = ""


NEGATIVE = (
    "These features have negative entries: inner products may be negative, and normalized cuts are "
    "undefined where a degree is. Choose cosine."
)


def factors(values: Float[Tensor, "cells channels"], choice: Choice = "cosine") -> Factors:
    """Factors of the affinity of cells.

    Args:
        values: features of the cells, of any sign.
        choice: kind of affinity, see the module.

    Raises:
        WorkbenchError: there is no such choice.
    """
    make = factor_map(choice, values)
    affinity = Affinity(make(values))
    if isinstance(make, Exponential):
        return Factors(affinity, *make.errors(values))
    negative = choice == "linear" and bool((values < 0).any())
    return Factors(affinity, warning=NEGATIVE if negative else "")


def factor_map(choice: Choice, sample: Float[Tensor, "cells channels"]) -> FactorMap:
    """Map from features to factors.

    Args:
        choice: see the module.
        sample: cells among which the landmarks of "exponential" are drawn.

    Raises:
        WorkbenchError: there is no such choice.
    """
    if choice not in CHOICES:
        raise WorkbenchError(
            f"an affinity out of {', '.join(CHOICES)}", repr(choice), "name one of them"
        )
    if choice == "exponential":
        return Exponential(sample)
    return cosine_rows if choice == "cosine" else _as_they_are


def _as_they_are(values: Float[Tensor, "cells channels"]) -> Rows:
    return values.float()


def cosine_rows(values: Float[Tensor, "cells channels"]) -> Rows:
    """Rows (a/‖a‖, 1)/√2, whose inner products are (1 + cosine)/2; of a zero row a/‖a‖ is 0."""
    unit = unit_length(values.float())
    return torch.cat([unit, unit.new_ones(len(unit), 1)], dim=1) / 2**0.5


def unit_length(x: Float[Tensor, "cells channels"]) -> Float[Tensor, "cells channels"]:
    """Rows at length 1; zero rows stay so. Lengths are taken relative to the largest entry."""
    top = x.abs().amax(dim=1, keepdim=True)
    scaled = x / top.where(top > 0, 1)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    unit: Tensor = scaled / length.where(length > 0, 1)
    return unit


class Exponential:
    """Factors of exp((cos(a, b) − 1)/τ) through landmarks: K(·, N) K(N, N)^-½ for landmarks N.

    Args:
        sample: cells among which the landmarks are drawn.
        temperature: τ.
        landmarks: number of landmarks; all cells where there are fewer, and then it is exact.
        seed: seed of the draw.
    """

    def __init__(
        self,
        sample: Float[Tensor, "cells channels"],
        temperature: float = TEMPERATURE,
        landmarks: int = LANDMARKS,
        seed: int = 0,
    ) -> None:
        if not temperature > 0:
            raise WorkbenchError("a positive temperature", f"{temperature}", "raise it")
        self.temperature, self.seed = temperature, seed
        random = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(sample), generator=random)[:landmarks].to(sample.device)
        self._nodes = unit_length(sample[chosen].double())
        values, vectors = torch.linalg.eigh(self._kernel(self._nodes))
        kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
        self._root = vectors[:, kept] * values[kept].rsqrt()

    def _kernel(self, unit: Tensor) -> Tensor:
        return torch.exp((unit @ self._nodes.mT - 1) / self.temperature)

    def __call__(self, values: Float[Tensor, "cells channels"]) -> Rows:
        """Factors of some cells, float32."""
        rows: Tensor = self._kernel(unit_length(values.double())) @ self._root
        return rows.float()

    def errors(self, values: Float[Tensor, "cells channels"]) -> tuple[float, float]:
        """Largest and root-mean-square error of the entries of W, on random pairs of cells."""
        random = torch.Generator().manual_seed(self.seed + 1)
        one, other = (
            values[torch.randint(len(values), (_PAIRS,), generator=random).to(values.device)]
            for _ in range(2)
        )
        cosines = (unit_length(one.double()) * unit_length(other.double())).sum(1)
        exact = torch.exp((cosines - 1) / self.temperature)
        error = (self(one).double() * self(other).double()).sum(1) - exact
        return float(error.abs().max()), float(error.square().mean().sqrt())
