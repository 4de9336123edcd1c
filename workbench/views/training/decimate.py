"""Decimation of long curves to the resolution of a chart, with every spike kept."""

import numpy as np
import pandas as pd

MOST = 2000
"""Approximate number of drawn points of a curve: two or three a pixel of a chart."""


def thinned(values: pd.Series, most: int = MOST) -> pd.Series:
    """Lowest and highest value of every interval of steps; all values where they are few.

    A line through these covers the same pixels as the line through all values, as long as there
    are at least as many intervals as columns of pixels. The first and the last value are kept: a
    growing line reaches its newest step.

    Args:
        values: indexed by step, ascending, without NaN.
        most: largest number of returned points, at least four.
    """
    if len(values) <= most:
        return values
    stretches = most // 2 - 1
    length = -(-len(values) // stretches)
    padded = np.full(stretches * length, np.nan)
    padded[: len(values)] = values.to_numpy(float)
    rows = padded.reshape(-1, length)[: -(-len(values) // length)]  # the last ones may be empty
    starts = np.arange(len(rows)) * length
    lowest, highest = starts + np.nanargmin(rows, 1), starts + np.nanargmax(rows, 1)
    chosen = np.unique(np.concatenate([[0], lowest, highest, [len(values) - 1]]))
    return values.iloc[chosen]


def visible(values: pd.Series, window: tuple[int | float, int | float] | None) -> pd.Series:
    """Values within a range of steps and one value beyond at either end; all for None."""
    if window is None:
        return values
    low = int(values.index.searchsorted(window[0], "left"))
    high = int(values.index.searchsorted(window[1], "right"))
    return values.iloc[max(low - 1, 0) : high + 1]
