"""How long a plan may take and how much it will write, by trying a handful of its items."""

import time
from dataclasses import dataclass

import numpy as np
from dask.system import CPU_COUNT
from numcodecs import zstd

from pipelines.chunks import LEVEL
from pipelines.datasets import read_items
from pipelines.plan import Plan, Planned
from pipelines.profiles import LOCAL

SECONDS = 2.0
"""To spend on trying, about."""
PLACES = 8
"""The tried items begin at so many places of the dataset."""


@dataclass(frozen=True)
class Estimate:
    """What trying some items came to.

    Attributes:
        plan: whose items they are.
        tried: how many.
        seconds: a mean item took to read, on one core, without the disk that it is written to.
        item_bytes: a mean item's in the store.
    """

    plan: Plan
    tried: int
    seconds: float
    item_bytes: float

    @property
    def total_bytes(self) -> float:
        """Of all pixel arrays, as they will lie on the disk."""
        return self.item_bytes * self.plan.items

    def __str__(self) -> str:
        each = self.plan.item
        total = self.seconds * self.plan.items / CPU_COUNT
        return (
            f"  estimate     {_duration(total)} on {CPU_COUNT} cores and "
            f"{self.total_bytes / 1e6:.0f} MB on the disk, "
            f"from {self.tried} {each}s at {1e3 * self.seconds:.2f} ms a core"
        )


def estimate(made: Planned, seconds: float = SECONDS) -> Estimate:
    """Read items from the beginnings of some units, spread over the dataset, and write nothing.

    Raises:
        pipelines.errors.UserError: what a run would fail with.
    """
    plan = made.plan
    places = np.unique(np.linspace(0, len(plan.units) - 1, PLACES).astype(int))
    tried, spent, size = 0, 0.0, 0
    for place in places:
        items = read_items(plan, made.records[place])
        limit = spent + seconds / len(places)
        while spent < limit:
            began = time.perf_counter()
            item = next(items, None)
            spent += time.perf_counter() - began
            if item is None:
                break
            tried += 1
            pixels = item.pixels or {}
            size += sum(len(zstd.compress(np.ascontiguousarray(x), LEVEL)) for x in pixels.values())
    whole = plan.profile == LOCAL
    each = plan.schema.item_bytes if whole else size / tried
    return Estimate(plan, tried, spent / tried, float(each))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes // 60} h {minutes % 60} min"
