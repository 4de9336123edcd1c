"""What a benchmark writes down: rows of figures, targets, curves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One method on one case.

    Attributes:
        case: what is computed, at which size.
        method: by whom.
        seconds: median; None where only an error is of interest.
        ratio: seconds over ours in the same case; above 1 we are faster.
        peak: bytes beyond what was there; None: not measured.
        error: relative error of the gradient, sin θ, or what a cost is above the lowest; NaN where
            NaN came out.
        floor: bytes and flops that the case cannot do without.
    """

    case: str
    method: str
    seconds: float | None = None
    ratio: float | None = None
    peak: int | None = None
    error: float | None = None
    floor: str = ""


@dataclass(frozen=True)
class Target:
    """What the project promises of a case.

    Attributes:
        name: the promise.
        found: the figure, in words.
        met: None where it could not be measured here.
    """

    name: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Curves:
    """Error of the gradient by method, against a gap (0: a tie) or what else the axis says."""

    title: str
    axis: str
    at: tuple[float, ...]
    errors: dict[str, tuple[float, ...]]
