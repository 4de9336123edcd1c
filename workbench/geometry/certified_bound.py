"""Certified bound of the width after a map: the theorem of Sudakov and Fernique on all pairs."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from workbench.errors import WorkbenchError
from workbench.geometry.angles import pair_blocks
from workbench.geometry.mean_width import mean_width
from workbench.geometry.points import as_cloud
from workbench.geometry.width import MeanWidth


@dataclass(frozen=True)
class CertifiedBound:
    """Bound ω(f(K)) ≤ L ω(K), by the theorem of Sudakov and Fernique: with the constant 1.

    Attributes:
        value: L ω(K).
        high: L times the upper end of the interval of ω(K).
        lipschitz: L, the largest ‖f(u) − f(v)‖ / ‖u − v‖ over the sample's pairs.
        pair: indices of the two points where it is reached.
    """

    value: float
    high: float
    lipschitz: float
    pair: tuple[int, int]


def certified_bound(before: Any, after: Any, width: MeanWidth | None = None) -> CertifiedBound:
    """Upper bound of the width after a map, from the width before it and all pairs of points.

    Pairs are taken in blocks, N²(d + d')/2 products; pairs that are equal before and after are left
    out (HDP, theorem 7.2.11).

    Args:
        before: (points, features) the sample before the map.
        after: (points, other features) the same points after it, in the same order.
        width: width before; default: `mean_width(before)`.

    Raises:
        WorkbenchError: different numbers of points, or points that are equal before and not after.
    """
    first, second = as_cloud(before, least=2), as_cloud(after, least=2)
    if first.count != second.count:
        raise WorkbenchError(
            f"the same {first.count} points after the map",
            f"{second.count}",
            "pass outputs in the order of the inputs",
        )
    largest, pair = 0.0, (0, 1)
    both = zip(pair_blocks(first, "distance"), pair_blocks(second, "distance"), strict=True)
    for u, v in both:
        a, b = u.values.double().cpu(), v.values.double().cpu()
        ratios = torch.where(b == 0, 0.0, b / a)
        ratios = torch.where(u.each_pair_once().cpu(), ratios, 0.0)
        place = int(ratios.argmax())
        if float(ratios.flatten()[place]) > largest:
            largest = float(ratios.flatten()[place])
            row, column = divmod(place, ratios.shape[1])
            pair = (u.rows.start + row, u.columns.start + column)
    if math.isinf(largest):
        raise WorkbenchError(
            "points that are equal after the map where they are before",
            f"points {pair[0]} and {pair[1]}, which the map separates",
            "use a map without noise (dropout off), and inputs that are all of its input",
        )
    known = mean_width(first) if width is None else width
    return CertifiedBound(largest * known.value, largest * known.high, largest, pair)
