"""Inversion of a layer as a result: the image, what is left of its features, and what it means."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

Photograph = Float[Tensor, "3 height width"]


class Outcome(Enum):
    """Reason for which an inversion ended; the value says what its image means."""

    REACHED = (
        "converged: the features are the photograph's up to the tolerance, so the layer does not "
        "tell this image from the photograph; another start or prior may still come closer to it"
    )
    STALLED = (
        "not converged: the objective falls no more, but a feature error is left; the PSNR is a "
        "lower bound of what the layer keeps and says nothing of information that is lost "
        "(try a smaller weight of the total variation, or the other optimiser)"
    )
    SPENT = (
        "not converged: all steps are spent and a feature error is left; the PSNR is a lower bound "
        "of what the layer keeps and says nothing of information that is lost (try more steps)"
    )


class Step(NamedTuple):
    """Image after a step.

    Attributes:
        error: relative feature error ‖f(x) − f(x₀)‖ / ‖f(x₀)‖.
        psnr: dB against the photograph.
    """

    error: float
    psnr: float


@dataclass(frozen=True, eq=False)
class Inversion:
    """Image recovered from the features of a photograph at a layer.

    Attributes:
        layer: name of the layer.
        image: (3, height, width) RGB in [0, 1], float32 on the CPU.
        psnr: peak signal-to-noise ratio against the photograph, dB; peak 1, all channels together.
        feature_error: relative feature error that is left, ‖f(x) − f(x₀)‖ / ‖f(x₀)‖: the square
            root of the objective's first term.
        start_psnr: PSNR of the start, dB.
        start_error: relative feature error of the start.
        history: start and every step; the image is that of the lowest objective.
        evaluations: number of forward and backward passes.
        outcome: reason for which it ended.
        tolerance: relative feature error at which it counts as converged.
        tv_weight: λ.
    """

    layer: str
    image: Photograph
    psnr: float
    feature_error: float
    start_psnr: float
    start_error: float
    history: tuple[Step, ...]
    evaluations: int
    outcome: Outcome
    tolerance: float
    tv_weight: float

    @property
    def steps(self) -> int:
        """Number of the optimiser's steps."""
        return len(self.history) - 1

    @property
    def converged(self) -> bool:
        """Whether the feature error came down to the tolerance."""
        return self.outcome is Outcome.REACHED

    @property
    def words(self) -> str:
        """Result and its meaning in words."""
        return (
            f"{self.layer}: PSNR {self.psnr:.1f} dB (start {self.start_psnr:.1f}), feature error "
            f"{self.feature_error:.1%} after {self.steps} steps (start {self.start_error:.0%}, "
            f"tolerance {self.tolerance:.1%}); {self.outcome.value}"
        )

    def __repr__(self) -> str:
        return self.words
