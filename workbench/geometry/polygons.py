"""Convex polygons cut by lines, whose edges remember the cut that made them.

Both sides of a cut get the same number for its edge, and pieces inherit the numbers of what they
are cut from. So two polygons are neighbours exactly where edges with one number overlap:
coordinates of different polygons are only ever compared along one and the same cut.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

OUTSIDE = -1
"""Number of the edges of the whole polygon, beyond which there is nothing."""


@dataclass(frozen=True, eq=False)
class Polygon:
    """Convex polygon, counterclockwise.

    Attributes:
        corners: (corners, 2).
        edges: number of the cut on which the edge from each corner to the next lies.
    """

    corners: Float64[np.ndarray, "corners 2"]
    edges: Int64[np.ndarray, "corners"]

    def at(self, lines: Float64[np.ndarray, "lines 3"]) -> Float64[np.ndarray, "corners lines"]:
        """Values ax + by + c of functions (a, b, c) at each corner."""
        values: Float64[np.ndarray, "corners lines"] = self.corners @ lines[:, :2].T + lines[:, 2]
        return values

    @property
    def centre(self) -> Float64[np.ndarray, "2"]:
        """Mean of the corners, which lies inside."""
        mean: np.ndarray = self.corners.mean(0)
        return mean

    @property
    def area(self) -> float:
        """Area, by Gauss's formula."""
        x, y = (self.corners - self.corners[0]).T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies inside or on the border."""
        along = np.roll(self.corners, -1, 0) - self.corners
        to = np.array([x, y]) - self.corners
        return bool((along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0] >= 0).all())


def normalised(lines: Float64[np.ndarray, "lines 3"]) -> Float64[np.ndarray, "lines 3"]:
    """Functions (a, b, c) whose values are distances to their line, signed; constants unchanged."""
    length = np.hypot(lines[:, 0], lines[:, 1])
    scaled: Float64[np.ndarray, "lines 3"] = lines / np.where(length > 0, length, 1.0)[:, None]
    return scaled


def cut(
    polygon: Polygon, line: Float64[np.ndarray, "3"], number: int, tolerance: float
) -> tuple[Polygon | None, Polygon | None]:
    """Parts of a polygon in which ax + by + c is positive, and negative; None for an empty one.

    Args:
        polygon: what is cut.
        line: (a, b, c), normalised.
        number: number of the new edge, on both sides.
        tolerance: distance within which a corner counts as on the line.
    """
    height = polygon.at(line[None])[:, 0]
    height = np.where(np.abs(height) <= tolerance, 0.0, height)
    if height.min() >= 0:
        return polygon, None
    if height.max() <= 0:
        return None, polygon
    return _side(polygon, height, number), _side(polygon, -height, number)


def _side(polygon: Polygon, height: Float64[np.ndarray, "corners"], number: int) -> Polygon:
    """Part with height ≥ 0 of a polygon that has corners on both sides."""
    corners, edges = [], []
    for here in range(len(height)):
        after = (here + 1) % len(height)
        start, stop = height[here], height[after]
        if start >= 0:
            corners.append(polygon.corners[here])
            edges.append(number if start == 0 and stop < 0 else polygon.edges[here])
        if start * stop < 0:
            share = start / (start - stop)
            crossing = (1 - share) * polygon.corners[here] + share * polygon.corners[after]
            corners.append(crossing)
            edges.append(polygon.edges[here] if stop > 0 else number)
    return Polygon(np.array(corners), np.array(edges, np.int64))


def cut_by_all(
    polygon: Polygon,
    lines: Float64[np.ndarray, "lines 3"],
    numbers: Iterator[int],
    tolerance: float,
) -> list[Polygon]:
    """Pieces into which lines cut a polygon; each piece looks only at the lines that cross it."""
    finished, open_pieces = [], [(polygon, normalised(lines))]
    while open_pieces:
        piece, left = open_pieces.pop()
        heights = piece.at(left)
        left = left[(heights.max(0) > tolerance) & (heights.min(0) < -tolerance)]
        if len(left) == 0:
            finished.append(piece)
            continue
        for part in cut(piece, left[0], next(numbers), tolerance):
            if part is not None:
                open_pieces.append((part, left[1:]))
    return finished


def cut_by_largest(
    polygon: Polygon,
    functions: Float64[np.ndarray, "functions 3"],
    numbers: Iterator[int],
    tolerance: float,
) -> list[Polygon]:
    """Pieces in each of which one function is the largest; of equal functions the first wins."""
    values = polygon.at(functions)
    scale = tolerance * np.hypot(functions[:, 0], functions[:, 1]).max(initial=0.0)
    if (values >= values.max(1, keepdims=True) - scale).all(0).any():
        return [polygon]
    pairs: defaultdict[tuple[int, int], int] = defaultdict(lambda: next(numbers))
    finished = []
    for first, function in enumerate(functions):
        piece: Polygon | None = polygon
        for second in range(len(functions)):
            if second == first or piece is None:
                continue
            line = normalised((function - functions[second])[None])[0]
            if not line.any():
                piece = piece if first < second else None
            else:
                number = pairs[min(first, second), max(first, second)]
                piece = cut(piece, line, number, tolerance)[0]
        if piece is not None:
            finished.append(piece)
    return finished


def neighbours(polygons: Sequence[Polygon], tolerance: float) -> list[Int64[np.ndarray, "others"]]:
    """Polygons that share an edge longer than the tolerance with each polygon, ascending."""
    on_cut: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for index, polygon in enumerate(polygons):
        for place, number in enumerate(polygon.edges.tolist()):
            if number != OUTSIDE:
                on_cut[number].append((index, place))
    found: list[set[int]] = [set() for _ in polygons]
    for members in on_cut.values():
        ends = np.array(
            [
                polygons[index].corners[[place, (place + 1) % len(polygons[index].corners)]]
                for index, place in members
            ]
        )
        along = ends[0, 1] - ends[0, 0]
        span = (ends - ends[0, 0]) @ (along / np.hypot(*along))
        low, high, forward = span.min(1), span.max(1), span[:, 1] > span[:, 0]
        overlap = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        touching = (overlap > tolerance) & (forward[:, None] & ~forward)
        for one, other in np.argwhere(touching):
            found[members[one][0]].add(members[other][0])
            found[members[other][0]].add(members[one][0])
    return [np.array(sorted(each), np.int64) for each in found]
