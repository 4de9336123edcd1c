"""What a run has measured, column by column: grows by a row a step, and shrinks when a run resumes.

A view that polls a run of a hundred thousand steps must not pay for all of them each time, so rows
are kept as plain arrays of numbers that new events only add to.
"""

from array import array
from collections.abc import Mapping
from math import isnan, nan
from typing import Any

import numpy as np
import pandas as pd


class Measurements:
    """One row a step, one column a name; NaN where nothing was taken."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._rows: dict[int, int] = {}
        self._columns: dict[str, array[float]] = {}  # each as long as the last row it has

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, step: int, values: Mapping[str, Any]) -> None:
        """Take in what was measured at a step; a name measured twice keeps the later value.

        Raises:
            TypeError: a value is no number.
        """
        row = self._rows.get(step)
        if row is None:
            row = self._rows[step] = len(self._steps)
            self._steps.append(step)
        for name, value in values.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = array("d")
            length = len(column)
            if length == row:
                column.append(value)
            elif length > row:
                column[row] = value
            else:
                column.extend([nan] * (row - length))
                column.append(value)

    def rewind(self, step: int) -> None:
        """Forget all rows of later steps, and the columns that are empty without them."""
        kept = [row for row, own in enumerate(self._steps) if own <= step]
        if len(kept) == len(self._steps):
            return
        columns = self._columns.items()
        shorter = {
            name: array("d", (column[row] for row in kept if row < len(column)))
            for name, column in columns
        }
        self._steps = [self._steps[row] for row in kept]
        self._rows = {own: row for row, own in enumerate(self._steps)}
        self._columns = {
            name: column for name, column in shorter.items() if not all(map(isnan, column))
        }

    def frame(self) -> pd.DataFrame:
        """All of it, rows by ascending step; the reader's own copy."""
        values = np.full((len(self._columns), len(self._steps)), nan)
        for row, column in zip(values, self._columns.values(), strict=True):
            row[: len(column)] = column
        index = pd.Index(self._steps, name="step", dtype="int64")
        table = pd.DataFrame(dict(zip(self._columns, values, strict=True)), index=index)
        return table if index.is_monotonic_increasing else table.sort_index()
