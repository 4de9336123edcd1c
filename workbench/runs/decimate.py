"""Decimation of long curves with every spike kept, and coarser levels of a curve to draw it from.

A level has the lowest and the highest value of every `BLOCK` values of the level below, so its
extremes are those of all values.
"""

import numpy as np
from jaxtyping import Float, Int

BLOCK = 32
"""Number of values of which a level keeps two."""
_FEWEST = 4096
"""Number of values up to which a level has no coarser one."""

Positions = Int[np.ndarray, "chosen"]


def extremes(values: Float[np.ndarray, "count"], length: int) -> Positions:
    """Positions, ascending, of the lowest and highest value of every block, the first and the last.

    Args:
        values: without NaN.
        length: number of values in a block.
    """
    count = len(values)
    whole = count // length
    rows = values[: whole * length].reshape(whole, length)
    starts = np.arange(whole) * length
    chosen = [starts + rows.argmin(1), starts + rows.argmax(1)]
    if rest := count - whole * length:
        last = values[-rest:]
        chosen.append(np.array([last.argmin(), last.argmax()]) + count - rest)
    ends = np.array([0, count - 1][: 2 * count], np.int64)
    return np.unique(np.concatenate([*chosen, ends]))


def most_telling(values: Float[np.ndarray, "count"], most: int) -> Positions:
    """Positions of at most `most` values, at least four: all, or the extremes of equal blocks."""
    count = len(values)
    if count <= most:
        return np.arange(count)
    return extremes(values, -(-count // (most // 2 - 1)))


def levels_of(values: Float[np.ndarray, "count"]) -> list[Positions]:
    """Positions of the values of every level, the finest first; NaN is in none of them."""
    found: list[Positions] = []
    chosen = np.flatnonzero(~np.isnan(values))
    while len(chosen) > _FEWEST:
        chosen = chosen[extremes(values[chosen], BLOCK)]
        found.append(chosen)
    return found
