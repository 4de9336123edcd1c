"""Affinities of cells from features of any sign, as factors: W = XXᵀ, never formed.

Normalized cuts want nonnegative affinities. Features of a ReLU give them as they are; those of a
transformer have both signs. Three choices, each a function of two cells' features a, b:

- linear: ⟨a, b⟩. Exact; negative where features point apart, and then cuts may be undefined.
- cosine: (1 + cos(a, b)) / 2, in [0, 1]. Exact, with one more feature: rows (a/‖a‖, 1)/√2.
- exponential: exp((cos(a, b) − 1)/τ), in (0, 1]. Approximated through landmarks (Nyström: Williams
  and Seeger, NIPS 2000); the error is measured on pairs of cells and stated.
"""

from dataclasses import dataclass
from typing import Literal, get_args

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
"""Cells through which the exponential affinity is approximated."""
_PAIRS = 4096
"""Pairs of cells on which the approximation's error is measured."""


@dataclass(frozen=True)
class Factors:
    """Affinity by its factors, with what there is to say of them.

    Attributes:
        affinity: W = XXᵀ, float32.
        largest_error, rms_error: of the entries of W, measured on random pairs; 0 where exact.
        warning: what limits the use of this affinity; empty where nothing does.
    """

    affinity: Affinity
    largest_error: float = 0.0
    rms_error: float = 0.0
    warning: str = ""


def factors(
    values: Float[Tensor, "cells channels"],
    choice: Choice = "cosine",
    *,
    temperature: float = TEMPERATURE,
    landmarks: int = LANDMARKS,
    seed: int = 0,
) -> Factors:
    """Factors of the affinity of cells.

    Args:
        values: features of the cells, of any sign.
        choice: see the module.
        temperature: τ of "exponential".
        landmarks: of "exponential"; fewer cells than that make it exact.
        seed: of the landmarks and of the pairs on which the error is measured.

    Raises:
        WorkbenchError: there is no such choice.
    """
    x = values.float()
    if choice == "linear":
        negative = bool((x < 0).any())
        words = (
            "These features have negative entries: inner products may be negative, and normalized "
            "cuts are undefined where a degree is. Choose cosine."
        )
        return Factors(Affinity(x), warning=words if negative else "")
    if choice == "cosine":
        return Factors(Affinity(cosine_rows(x)))
    if choice == "exponential":
        return _exponential(x, temperature, landmarks, seed)
    raise WorkbenchError(
        f"an affinity out of {', '.join(get_args(Choice))}", repr(choice), "name one of them"
    )


def cosine_rows(x: Float[Tensor, "cells channels"]) -> Float[Tensor, "cells more"]:
    """Rows (a/‖a‖, 1)/√2, whose inner products are (1 + cosine)/2; of a zero row a/‖a‖ is 0."""
    unit = unit_length(x)
    ones = unit.new_ones(len(unit), 1)
    return torch.cat([unit, ones], dim=1) / 2**0.5


def unit_length(x: Float[Tensor, "cells channels"]) -> Float[Tensor, "cells channels"]:
    """Rows at length 1; zero rows stay so. Lengths are taken relative to the largest entry."""
    top = x.abs().amax(dim=1, keepdim=True)
    scaled = x / top.where(top > 0, 1)
    length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return scaled / length.where(length > 0, 1)


def _exponential(
    x: Float[Tensor, "cells channels"], temperature: float, landmarks: int, seed: int
) -> Factors:
    if not temperature > 0:
        raise WorkbenchError("a positive temperature", f"{temperature}", "raise it")
    unit = unit_length(x).double()
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(unit), generator=random)[:landmarks].to(unit.device)
    nodes = unit[chosen]

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp((a @ b.mT - 1) / temperature)

    values, vectors = torch.linalg.eigh(kernel(nodes, nodes))
    kept = values > values[-1] * len(values) * torch.finfo(values.dtype).eps
    root = vectors[:, kept] * values[kept].rsqrt()
    rows = kernel(unit, nodes) @ root
    pairs = torch.randint(len(unit), (2, _PAIRS), generator=random).to(unit.device)
    exact = torch.exp(((unit[pairs[0]] * unit[pairs[1]]).sum(1) - 1) / temperature)
    error = (rows[pairs[0]] * rows[pairs[1]]).sum(1) - exact
    return Factors(
        Affinity(rows.float()),
        largest_error=float(error.abs().max()),
        rms_error=float(error.square().mean().sqrt()),
    )
