"""Decimation of long curves to the resolution of a chart, with every spike kept."""

import pandas as pd

from workbench.runs.decimate import most_telling

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
    return values.iloc[most_telling(values.to_numpy(float), most)]


def visible(values: pd.Series, window: tuple[int | float, int | float] | None) -> pd.Series:
    """Values within a range of steps and one value beyond at either end; all for None."""
    if window is None:
        return values
    low = int(values.index.searchsorted(window[0], "left"))
    high = int(values.index.searchsorted(window[1], "right"))
    return values.iloc[max(low - 1, 0) : high + 1]
