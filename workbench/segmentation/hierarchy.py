"""A hierarchy of segmentations: basins merged one pair at a time, cheapest border first.

Flat k-way clustering decides every border for one k alone; a hierarchy keeps the order in which
borders fall, and each of its cuts is a segmentation (Arbelaez et al., PAMI 2011, §4.2). Here the
price of a border has two parts:

    price(R, R') = (mean strength of the contour between them + β ‖ē_R − ē_R'‖²)
                   · (area of the smaller one / area of the image)^γ

The local part is what lies on the border; the global part is how far apart normalized cuts places
the two regions, e being unit rows of the spectral embedding (`spectral.directions`) and ē their
mean over a region. Both are updated exactly as regions grow.
"""

from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Price:
    """Price of a border, see the module.

    Attributes:
        coherence: β, weight of the distance in the spectral embedding.
        area_exponent: γ; positive: small regions go first.
    """

    coherence: float = 0.1
    area_exponent: float = 0.1


@dataclass(frozen=True)
class Hierarchy:
    """Hierarchy of an image: its basins and the order in which they merge.

    Attributes:
        base: (rows, columns) int32, basins 1 … n.
        pairs: (merges, 2) int64: the region named first takes in the second one; a region is named
            after one of its basins.
        heights: (merges,) float64, never falling: the price at which each merge happens.
    """

    base: Int[np.ndarray, "rows columns"]
    pairs: Int[np.ndarray, "merges 2"]
    heights: Float[np.ndarray, "merges"]

    @property
    def regions(self) -> int:
        """Number of basins."""
        return int(self.base.max())

    def cut(self, height: float) -> Int[np.ndarray, "rows columns"]:
        """Segmentation left after all merges below a height: labels 1 … n, int32."""
        return self._after(int(np.searchsorted(self.heights, height)))

    def cut_into(self, segments: int) -> Int[np.ndarray, "rows columns"]:
        """Segmentation into a number of segments, or into all basins where there are fewer."""
        return self._after(min(max(self.regions - segments, 0), len(self.pairs)))

    def height_of(self, segments: int) -> float:
        """Height whose cut has a number of segments, or as near below it as ties allow."""
        merges = min(max(self.regions - segments, 0), len(self.heights))
        around = np.concatenate([[0.0], self.heights, self.heights[-1:] * 1.01])
        return float(around[merges : merges + 2].mean())

    @cached_property
    def contours(self) -> Float[np.ndarray, "rows columns"]:
        """Ultrametric contour map: for each block the height at which its border falls.

        A block takes the highest border to its right and lower neighbours; 0 inside basins.
        """
        strength = np.zeros(self.base.shape)
        level = self._levels()
        for a, b, here in (
            (self.base[:, :-1], self.base[:, 1:], strength[:, :-1]),
            (self.base[:-1], self.base[1:], strength[:-1]),
        ):
            np.maximum(here, level[a - 1, b - 1], out=here)
        return strength

    def _after(self, merges: int) -> Int[np.ndarray, "rows columns"]:
        parent = np.arange(self.regions + 1)
        parent[self.pairs[:merges, 1]] = self.pairs[:merges, 0]
        while (parent != parent[parent]).any():
            parent = parent[parent]
        _, names = np.unique(parent[self.base], return_inverse=True)
        return (names.reshape(self.base.shape) + 1).astype(np.int32)

    def _levels(self) -> Float[np.ndarray, "regions regions"]:
        """Heights at which each two basins are merged into one region."""
        level = np.zeros((self.regions, self.regions))
        members = {i: [i - 1] for i in range(1, self.regions + 1)}
        for (kept, gone), height in zip(self.pairs.tolist(), self.heights, strict=True):
            own, new = members[kept], members.pop(gone)
            level[np.ix_(own, new)] = height
            level[np.ix_(new, own)] = height
            own.extend(new)
        return level


def build_hierarchy(
    base: Int[np.ndarray, "rows columns"],
    strength: Float[np.ndarray, "rows columns"],
    directions: Float[np.ndarray, "dimensions rows columns"],
    price: Price | None = None,
) -> Hierarchy:
    """Merge the basins until one region is left.

    Args:
        base: basins 1 … n.
        strength: strength of the contour at every block.
        directions: unit rows of the spectral embedding at every block.
        price: price of a border; default: `Price()`.
    """
    graph = _Graph(base, strength, directions, price or Price())
    pairs, heights = [], []
    height = 0.0
    while graph.queue:
        cost, a, b = graph.pop()
        if a:
            height = max(height, cost)
            pairs.append(graph.merge(a, b))
            heights.append(height)
    return Hierarchy(base, np.array(pairs, np.int64).reshape(-1, 2), np.array(heights))


class _Graph:
    """Regions, the borders between them, and a queue of the borders by price."""

    def __init__(
        self,
        base: Int[np.ndarray, "rows columns"],
        strength: Float[np.ndarray, "rows columns"],
        directions: Float[np.ndarray, "dimensions rows columns"],
        price: Price,
    ) -> None:
        count = int(base.max()) + 1
        flat = base.ravel()
        self.price = price
        self.pixels = flat.size
        self.area = np.bincount(flat, minlength=count).astype(np.float64)
        sums = [np.bincount(flat, each.ravel(), minlength=count) for each in directions]
        self.sums = np.array(sums).reshape(-1, count).T  # none where all features are off
        self.version = [0] * count
        self.borders: list[dict[int, tuple[float, int]]] = [{} for _ in range(count)]
        for a, b, total, length in _borders(base, strength, count):
            self.borders[a][b] = self.borders[b][a] = (total, length)
        self.queue = [self._entry(a, b) for a in range(count) for b in self.borders[a] if a < b]
        heapify(self.queue)

    def pop(self) -> tuple[float, int, int]:
        """Cheapest border; (…, 0, 0) for one that has changed since it was queued."""
        cost, a, b, version_a, version_b = heappop(self.queue)
        stale = self.version[a] != version_a or self.version[b] != version_b
        return (cost, 0, 0) if stale else (cost, a, b)

    def merge(self, a: int, b: int) -> tuple[int, int]:
        """Merge two regions into one; the name that it keeps and the name that is removed."""
        if len(self.borders[a]) < len(self.borders[b]):
            a, b = b, a
        self.area[a] += self.area[b]
        self.sums[a] += self.sums[b]
        own, others = self.borders[a], self.borders[b]
        del own[b], others[a]
        for c, (total, length) in others.items():
            del self.borders[c][b]
            before, pixels = own.get(c, (0.0, 0))
            own[c] = self.borders[c][a] = (before + total, pixels + length)
        self.borders[b] = {}
        self.version[a] += 1
        self.version[b] = -1
        for c in own:
            heappush(self.queue, self._entry(a, c))
        return a, b

    def _entry(self, a: int, b: int) -> tuple[float, int, int, int, int]:
        total, length = self.borders[a][b]
        apart = self.sums[a] / self.area[a] - self.sums[b] / self.area[b]
        smaller = min(self.area[a], self.area[b]) / self.pixels
        cost = total / length + self.price.coherence * float(apart @ apart)
        cost *= smaller**self.price.area_exponent
        return (float(cost), a, b, self.version[a], self.version[b])


def _borders(
    base: Int[np.ndarray, "rows columns"], strength: Float[np.ndarray, "rows columns"], count: int
) -> list[tuple[int, int, float, int]]:
    """Borders of all neighbours a < b: summed strength and number of adjacent block pairs.

    The strength between two adjacent blocks is that of the stronger one.
    """
    keys, values = [], []
    for here, there in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
    ):
        a, b = base[here].astype(np.int64), base[there].astype(np.int64)
        across = a != b
        low, high = np.minimum(a, b)[across], np.maximum(a, b)[across]
        keys.append(low * count + high)
        values.append(np.maximum(strength[here], strength[there])[across])
    pairs, index = np.unique(np.concatenate(keys), return_inverse=True)
    totals = np.bincount(index, np.concatenate(values), minlength=len(pairs))
    lengths = np.bincount(index, minlength=len(pairs))
    a, b = np.divmod(pairs, count)
    return list(zip(a.tolist(), b.tolist(), totals.tolist(), lengths.tolist(), strict=True))
