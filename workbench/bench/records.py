"""Records of a benchmark: rows of figures, targets, curves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Row of a table: the figures of one method on one case.

    Attributes:
        case: the computation and its size.
        method: name of the library or method.
        seconds: median; None where only an error is of interest.
        ratio: seconds over ours in the same case; above 1 we are faster.
        peak: bytes beyond what was there; None: not measured.
        error: relative error of the gradient, sin θ, or excess of a cost over the lowest; NaN where
            the result is NaN.
        floor: least bytes and flops of the case.
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
    """Target: a promise of the project on a case.

    Attributes:
        name: the promise, in words.
        found: the measured figure, in words.
        met: whether the promise is kept; None where it could not be measured here.
    """

    name: str
    found: str
    met: bool | None


@dataclass(frozen=True)
class Curves:
    """Curves of the gradient's error by method, against a gap (0: a tie) or another `axis`."""

    title: str
    axis: str
    at: tuple[float, ...]
    errors: dict[str, tuple[float, ...]]
