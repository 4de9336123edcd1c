"""Cells of tables: numbers, percent, intervals, probabilities; "–" where a value is missing.

None and NaN both count as missing: assembled tables are strict JSON, which has no NaN.
"""

import math
from collections.abc import Mapping
from typing import Any

MISSING = "–"
Number = float | int
"""Numbers, of which JSON has both types."""


def number(value: Number | None, form: str = ".3f", scale: Number = 1) -> str:
    """Number as a cell.

    Args:
        value: the number.
        form: format specification of Python.
        scale: factor of the value.
    """
    return MISSING if value is None or math.isnan(value) else f"{scale * value:{form}}"


def percent(share: Number | None) -> str:
    """Share of 1 in percent."""
    return number(share, ".1f", 100)


def pair(figures: Mapping[str, Number] | None, form: str = ".2f") -> str:
    """Best and, in brackets, average covering, as the paper's Table 2 has them."""
    if figures is None:
        return MISSING
    return f"{figures['best']:{form}} ({figures['average']:{form}})"


def interval(low: Number | None, high: Number | None, form: str = ".3f", scale: Number = 1) -> str:
    """Interval by its ends; other arguments as in `number`."""
    if low is None or math.isnan(low):
        return MISSING
    return f"[{number(low, form, scale)}, {number(high, form, scale)}]"


def difference(found: Mapping[str, Any], form: str = "+.3f", scale: Number = 1) -> str:
    """Difference with its interval, if there is one.

    Args:
        found: an `evaluation.statistics.Difference` as a mapping.
        form, scale: as in `number`.
    """
    ends = interval(found["low"], found["high"], form, scale)
    return f"{number(found['mean'], form, scale)} {ends}".removesuffix(f" {MISSING}")


def chance(p: Number) -> str:
    """Probability of a test."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
