"""Spectrum of a scene over the steps of a training.

A snapshot holds only the leading eigenvalues that its segmentations needed. The complete spectrum
and the singular values of X are computed here from the factors. Each earlier step is a faint line.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import holoviews as hv
import numpy as np
import torch
from jaxtyping import Float

from workbench.evaluation.scenes.snapshots import Snapshot
from workbench.linalg import Affinity
from workbench.linalg.gram import gram
from workbench.views.style import AFTER, BEFORE, INK, as_chart, styled

FLOOR = 1e-6
"""Lower end of the axis, at which smaller values are drawn: rounding dominates them."""


@dataclass(frozen=True)
class SpectrumAt:
    """Spectrum of one scene at one step; every array descends.

    Attributes:
        step: step of the optimizer.
        singular: (features,) singular values of X.
        eigenvalues: (features,) eigenvalues of M = D^-½WD^-½; the first is 1, unless all
            features are zero.
        rank: numerical rank of M.
        effective_rank: effective rank of W, see `linalg.Affinity.effective_rank`.
    """

    step: int
    singular: Float[np.ndarray, "features"]
    eigenvalues: Float[np.ndarray, "features"]
    rank: int
    effective_rank: float

    @property
    def gaps(self) -> Float[np.ndarray, "features"]:
        """Eigengaps λ_k − λ_{k+1} for k = 1, 2, …; after the last eigenvalue comes 0."""
        return -np.diff(self.eigenvalues, append=0.0)

    @property
    def widest(self) -> tuple[int, float]:
        """Number k ≥ 2 of segments with the widest eigengap, and that gap."""
        if len(self.gaps) < 2:
            return len(self.gaps), float(self.gaps.sum())
        k = int(self.gaps[1:].argmax()) + 2
        return k, float(self.gaps[k - 1])

    @property
    def summary(self) -> str:
        """Text of rank, effective rank and widest gap."""
        k, gap = self.widest
        return (
            f"rank {self.rank}, effective rank {self.effective_rank:.1f}, "
            f"widest gap λ{k} − λ{k + 1} = {gap:.3f}"
        )


def spectrum_at(step: int, snapshot: Snapshot) -> SpectrumAt:
    """Complete spectrum of a snapshot, see `spectrum_of`."""
    return spectrum_of(step, snapshot.prediction.affinity)


def spectrum_of(step: int, affinity: Affinity) -> SpectrumAt:
    """Complete spectrum of an affinity, from its factors.

    Args:
        step: step at which a network predicted it.
        affinity: of the cells of an image.

    Raises:
        WorkbenchError: normalized cuts are not defined on its factors.
    """
    squares = torch.linalg.eigvalsh(gram(affinity.x)).flip(0).clamp(min=0.0)
    values = affinity.eigenvalues()
    tolerance = affinity.features * torch.finfo(torch.float64).eps  # as `Spectrum.tolerance`
    return SpectrumAt(
        step,
        squares.sqrt().numpy(),
        values.numpy(),
        int((values > tolerance).sum()),
        affinity.effective_rank(),
    )


def eigenvalue_history(
    now: SpectrumAt | None, earlier: Sequence[SpectrumAt] = (), colour: str = AFTER
) -> hv.Overlay:
    """Chart of the eigenvalues of M at one step, with earlier steps as faint lines.

    Args:
        now: spectrum to draw; None: none.
        earlier: spectra of other steps.
        colour: colour of `now`.
    """
    drawn = _lines(
        None if now is None else now.eigenvalues,
        [each.eigenvalues for each in earlier],
        "eigenvalue",
        colour,
    )
    return as_chart(
        drawn.relabel("Eigenvalues of M = D⁻½WD⁻½"),
        logy=True,
        ylim=(FLOOR / 1.5, 1.5),
        xlabel="number",
        ylabel="eigenvalue of M",
    )


def singular_history(
    now: SpectrumAt | None,
    earlier: Sequence[SpectrumAt] = (),
    colour: str = AFTER,
    highest: float | None = None,
) -> hv.Overlay:
    """Chart of the singular values of X at one step, with earlier steps as faint lines.

    Args:
        now: spectrum to draw; None: none.
        earlier: spectra of other steps.
        colour: colour of `now`.
        highest: top of the axis, where several charts share it; None: the largest drawn value.
    """
    drawn = _lines(
        None if now is None else now.singular,
        [each.singular for each in earlier],
        "singular value",
        colour,
    )
    there = [*earlier, *([] if now is None else [now])]
    top = highest or max((float(each.singular.max(initial=0)) for each in there), default=0) or 1.0
    return as_chart(
        drawn.relabel("Singular values of X"),
        logy=True,
        ylim=(max(FLOOR, top * 1e-5), top * 1.5),
        xlabel="number",
        ylabel="singular value of X",
    )


def rank_history(
    all_steps: Sequence[SpectrumAt],
    now: int | None = None,
    colour: str = AFTER,
    along: str = "step",
) -> hv.Overlay:
    """Chart of the effective rank of W by step, with a ring around the selected step.

    Args:
        all_steps: spectra, in order.
        now: selected step.
        colour: colour of the line.
        along: what the steps are.
    """
    points = [(each.step, each.effective_rank) for each in all_steps]
    dimensions = (along, "effective rank")
    line = styled(
        hv.Curve(points, *dimensions),
        common={"color": colour},
        bokeh={"line_width": 2},
        matplotlib={"linewidth": 1.8},
    )
    ring = styled(
        hv.Scatter([point for point in points if point[0] == now], *dimensions),
        common={"color": INK},
        bokeh={"size": 9},
        matplotlib={"s": 36},
    )
    return as_chart((line * ring).relabel("Effective rank of W"), ylim=(0, None))


def _lines(
    now: Float[np.ndarray, "features"] | None,
    earlier: Sequence[Float[np.ndarray, "_"]],
    name: str,
    colour: str,
) -> hv.Overlay:
    """Line with points for the present spectrum, and a faint line for each earlier one."""
    dimensions = ("number", name)
    faint = styled(
        hv.Path([_points(values) for values in earlier], list(dimensions)),
        common={"color": BEFORE, "alpha": 0.35},
        bokeh={"line_width": 1},
        matplotlib={"linewidth": 0.8},
    )
    points = _points(np.zeros(0) if now is None else now)
    line = styled(
        hv.Curve(points, *dimensions),
        common={"color": colour},
        bokeh={"line_width": 1.8},
        matplotlib={"linewidth": 1.5},
    )
    dots = styled(
        hv.Scatter(points, *dimensions),
        common={"color": colour},
        bokeh={"size": 5},
        matplotlib={"s": 14},
    )
    return faint * line * dots


def _points(values: Float[np.ndarray, "features"]) -> Float[np.ndarray, "features 2"]:
    numbers = np.arange(1, len(values) + 1, dtype=float)
    return np.column_stack([numbers, values.clip(min=FLOOR)])
