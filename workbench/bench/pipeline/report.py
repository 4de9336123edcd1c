"""Report of the benchmark of the pipelines: rates side by side, and the cost of planning."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

from workbench.bench.records import Row
from workbench.bench.report import Report
from workbench.evaluation.rendering import Rows, duration

Task = Callable[[], int]
"""Function that processes regions and returns their number."""


@dataclass(frozen=True)
class Rate(Row):
    """Row whose seconds are those of one region.

    `ratio` is the median over rounds of theirs over ours in the same round: a machine that is busy
    for some rounds slows both.

    Attributes:
        fastest: seconds per region in the best round.
    """

    fastest: float | None = None


@dataclass(frozen=True)
class PlanCost:
    """Cost of planning the regions of a dataset of some size.

    Attributes:
        share: size of the dataset as a share of full COCO.
        images, instances: their numbers in the annotations.
        annotation_bytes: size of the annotations as JSON.
        seconds: time from the files to a finished plan, imports excluded.
        before, peak: resident bytes of the process, after all imports and at most.
        plan_bytes, record_bytes: sizes of the plan's two files.
    """

    share: float
    images: int
    instances: int
    annotation_bytes: int
    seconds: float
    before: int
    peak: int
    plan_bytes: int
    record_bytes: int


@dataclass(frozen=True)
class PipelineReport(Report):
    """Report of rates, and of plans of growing datasets."""

    plans: tuple[PlanCost, ...] = field(default=())

    def measured(self) -> Rows:
        """Table of rates."""
        header = ["case", "method", "one region", "regions a second", "fastest", "× ours"]
        return [header, *map(_cells, self.rows)]

    def planned(self) -> Rows:
        """Table of plans."""
        header = ["of COCO", "images", "instances", "JSON", "plan in", "an instance",
                  "peak memory", "imports alone", "plan.json", "records.jsonl"]  # fmt: skip
        return [
            header,
            *(
                [
                    f"{each.share:.3g}",
                    f"{each.images:,}",
                    f"{each.instances:,}",
                    f"{each.annotation_bytes / 1e6:.0f} MB",
                    duration(each.seconds, measured=True),
                    duration(each.seconds / each.instances, measured=True),
                    f"{each.peak / 2**20:.0f} MiB",
                    f"{each.before / 2**20:.0f} MiB",
                    f"{each.plan_bytes / 1e6:.2f} MB",
                    f"{each.record_bytes / 1e6:.0f} MB",
                ]
                for each in self.plans
            ),
        ]

    def tables(self) -> list[Rows]:
        """All tables, in order."""
        plans = [self.planned()] if self.plans else []
        return [self.measured(), *plans, self.promised()]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for strict JSON."""
        return {**super().to_dict(), "plans": [asdict(each) for each in self.plans]}


def in_turn(
    tasks: Mapping[str, Task], rounds: int, before: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """Seconds per region of each task in each round; every second round runs in reverse order.

    Args:
        tasks: tasks by name.
        rounds: number of rounds.
        before: function that is called before each task, untimed.
    """
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name in list(tasks)[:: -1 if number % 2 else 1]:
            before()
            start = perf_counter()
            regions = tasks[name]()
            found[name].append((perf_counter() - start) / regions)
    return found


def rates(case: str, found: Mapping[str, Sequence[float]], ours: str) -> list[Rate]:
    """Rows, one for each method, from its seconds per region in each round."""
    return [
        Rate(
            case,
            name,
            statistics.median(times),
            statistics.median(a / b for a, b in zip(times, found[ours], strict=True)),
            fastest=min(times),
        )
        for name, times in found.items()
    ]


def _cells(row: Row) -> list[str]:
    fastest = row.fastest if isinstance(row, Rate) else None
    return [
        row.case,
        row.method,
        duration(row.seconds, measured=True),
        f"{1 / row.seconds:,.0f}" if row.seconds else "–",
        duration(fastest, measured=True),
        "–" if row.ratio is None else f"{row.ratio:.3g}",
    ]
