"""Measurements of a run as columns of numbers, which grow with the log and shrink when it resumes.

Events with the same names form a block: a training logs one set of names at every step and another
at every evaluation, so a block has no gaps, and one array of steps serves all of its columns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from workbench.runs.growing import Growing

NO_STEP = np.iinfo(np.int64).min
"""Step of an event that has none."""
HEAD = ("seq", "step", "offset", "time")
"""Arrays that every block has: numbers of events, steps, places of their lines in the log, bytes,
and seconds since 1970."""
Metrics = pd.DataFrame | Mapping[str, pd.Series]
"""Measurements by name, indexed by step: `Run.metrics` or `Run.series`."""
_DTYPES = {"time": np.float64}


class Block:
    """Events of one kind with the same measurements, in the order of the log.

    Args:
        kind: kind of the events.
        names: names of their measurements; none for a kind that has no columns.
        arrays: arrays of `HEAD` and of `names`, one value an event; None: no event yet.

    Attributes:
        ascending: whether every event's step is greater than that of the one before.
    """

    def __init__(
        self, kind: str, names: Sequence[str] = (), arrays: Mapping[str, Any] | None = None
    ) -> None:
        self.kind, self.names = kind, tuple(names)
        if arrays is None:
            arrays = {
                **{name: np.empty(0, _DTYPES.get(name, np.int64)) for name in HEAD},
                **{column(name): np.empty(0) for name in names},
            }
        self._arrays = {key: Growing(values) for key, values in arrays.items()}
        self.ascending = _rising(self["step"])

    def __len__(self) -> int:
        return len(self._arrays["seq"])

    def __getitem__(self, key: str) -> Any:
        """Array of a key of `HEAD`, or of a measurement's `column`."""
        return self._arrays[key].values

    def arrays(self) -> dict[str, Any]:
        """All arrays by their keys, one value an event."""
        return {key: each.values for key, each in self._arrays.items()}

    def extend(self, arrays: Mapping[str, Any]) -> None:
        """Add events at the end.

        Args:
            arrays: as in the constructor.
        """
        steps = arrays["step"]
        together = np.concatenate([self["step"][-1:], steps])
        self.ascending = self.ascending and _rising(together)
        for key, values in arrays.items():
            self._arrays[key].extend(values)

    def until(self, step: int) -> "Block":
        """Events without those of later steps."""
        kept: Bool[np.ndarray, "count"] = self["step"] <= step
        if kept.all():
            return self
        return Block(
            self.kind, self.names, {key: values[kept] for key, values in self.arrays().items()}
        )


def column(name: str) -> str:
    """Key of a measurement's array, which is no key of `HEAD`."""
    return f"={name}"


def series_of(blocks: Iterable[Block], name: str) -> pd.Series:
    """Values of a measurement wherever it was taken, by ascending step.

    The later value of two at one step counts. Values of a single block are not copied.
    """
    return _along([block for block in blocks if name in block.names], column(name), name)


def times_of(blocks: Sequence[Block]) -> pd.Series:
    """Time of the last measurement at each step, seconds since 1970, by ascending step."""
    return _along(blocks, "time", "time")


def _along(blocks: Sequence[Block], key: str, name: str) -> pd.Series:
    if len(blocks) == 1 and blocks[0].ascending:
        steps, values = blocks[0]["step"], blocks[0][key]
    elif blocks:
        seq, steps, values = (
            np.concatenate([block[each] for block in blocks]) for each in ("seq", "step", key)
        )
        steps, values = _latest(seq, steps, values)
    else:
        steps, values = np.empty(0, np.int64), np.empty(0)
    return pd.Series(values, pd.Index(steps, name="step"), name=name, copy=False)


def names_of(blocks: Iterable[Block]) -> list[str]:
    """Names of all measurements, in the order of their first."""
    ordered = sorted(blocks, key=lambda block: int(block["seq"][0]))
    return list(dict.fromkeys(name for block in ordered for name in block.names))


def frame_of(blocks: Sequence[Block]) -> pd.DataFrame:
    """Table with a row a step, ascending, and a column a name; NaN where nothing was measured."""
    parts = [block["step"] for block in blocks]
    alone = len(blocks) == 1 and blocks[0].ascending
    steps = parts[0] if alone else np.unique(np.concatenate([*parts, np.empty(0, np.int64)]))
    names = names_of(blocks)
    values = np.full((len(names), len(steps)), np.nan)
    for row, name in zip(values, names, strict=True):
        found = series_of(blocks, name)
        if len(found) == len(steps):
            row[:] = found
        else:
            row[np.searchsorted(steps, found.index)] = found
    index = pd.Index(steps, name="step", dtype="int64")
    return pd.DataFrame(values.T, index=index, columns=names, copy=False)


def _latest(
    seq: Int[np.ndarray, "count"], steps: Int[np.ndarray, "count"], values: Float[np.ndarray, "count"]
) -> tuple[Int[np.ndarray, "kept"], Float[np.ndarray, "kept"]]:
    """Steps, ascending, and of each the value that was measured last."""
    order = np.lexsort((seq, steps))
    last = np.append(np.diff(steps[order]) > 0, [True] * (len(order) > 0))
    return steps[order][last], values[order][last]


def _rising(steps: Int[np.ndarray, "count"]) -> bool:
    return bool((np.diff(steps) > 0).all())
