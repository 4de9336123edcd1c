"""Report of the benchmark of second-order pooling in a network."""

from dataclasses import dataclass

from workbench.bench.o2p.poolings import OURS
from workbench.bench.records import Row, Target
from workbench.bench.report import Report, at_most, find
from workbench.evaluation.rendering import Rows, duration

BACKBONE = "the backbone alone"

CPU_BOUND, DEVICE_BOUND = 1.5, 1.0
"""Largest promised time of the layer over the backbone's, on a CPU and on an accelerator."""


@dataclass(frozen=True)
class StepRow(Row):
    """Row of a model's whole step, forward and backward; `seconds`, `ratio`, `peak` are of that.

    Every ratio is the median over rounds of a quotient within a round, in which each model and
    each of its parts has its turn: a machine that is busy for a while slows both alike.

    Attributes:
        rate: images per second.
        layer: seconds of the pooling layer alone, forward and backward; None for the backbone.
        layer_ratio: the layer's seconds over those of our log layer.
        share: the layer's part of the whole step, 0 to 1.
        of_backbone: the layer's seconds over the backbone's.
        finite: whether every gradient of the step was finite.
    """

    rate: float | None = None
    layer: float | None = None
    layer_ratio: float | None = None
    share: float | None = None
    of_backbone: float | None = None
    finite: bool = True


@dataclass(frozen=True)
class StepReport(Report):
    """Report of whole steps and the pooling layer's share of them."""

    def measured(self) -> Rows:
        """Table of figures."""
        header = ["case", "pooling", "step", "images/s", "step × ours", "layer", "layer × ours",
                  "share of step", "× backbone", "peak memory", "gradient"]  # fmt: skip
        return [header, *(_cells(row) for row in self.rows if isinstance(row, StepRow))]


def targets(rows: list[StepRow], cuda: bool) -> tuple[Target, ...]:
    """Targets for each case: the layer's time over the backbone's, and finite gradients."""
    bound = DEVICE_BOUND if cuda else CPU_BOUND
    found = []
    for case in dict.fromkeys(row.case for row in rows):
        ours = find(rows, case, OURS)
        if isinstance(ours, StepRow):
            name = f"layer at most {bound:g}× the backbone: {case}"
            found.append(at_most(name, ours.of_backbone, bound, "{}×"))
            state = "finite" if ours.finite else "NaN"
            found.append(Target(f"gradient finite: {case}", state, ours.finite))
    return tuple(found)


def _cells(row: StepRow) -> list[str]:
    def figure(value: float | None, words: str = "{:.3g}") -> str:
        return "–" if value is None else words.format(value)

    return [
        row.case,
        row.method,
        duration(row.seconds, measured=True),
        figure(row.rate),
        figure(row.ratio),
        duration(row.layer, measured=True),
        figure(row.layer_ratio),
        figure(row.share and 100 * row.share, "{:.1f} %"),
        figure(row.of_backbone),
        figure(row.peak and row.peak / 2**20, "{:.0f} MiB"),
        "finite" if row.finite else "NaN",
    ]
