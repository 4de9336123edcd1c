"""Estimate of a plan's time and bytes, from reading some of its items."""

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
"""Time spent on reading items, about."""
PLACES = 8
"""Number of places in the dataset at which items are read."""


@dataclass(frozen=True)
class Estimate:
    """Cost of an item, measured on some.

    Attributes:
        plan: the plan.
        tried: number of items that were read.
        seconds: mean time to read an item on one core; writing is not included.
        item_bytes: mean bytes of an item in the store.
    """

    plan: Plan
    tried: int
    seconds: float
    item_bytes: float

    @property
    def total_bytes(self) -> float:
        """Bytes of all pixel arrays on the disk."""
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
