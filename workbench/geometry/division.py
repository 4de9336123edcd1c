"""Division of a polygon into the regions of a network, layer by layer.

On each piece every feature is a function ax + by + c of the plane's coordinates. A layer cuts each
piece where one of its choices changes, and the choice made on a piece gives its next functions.
"""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.piecewise import BLOCK, Step
from workbench.geometry.polygons import Polygon, cut_by_all, cut_by_largest


class Division:
    """Regions found so far, and the way down through the layers, in blocks of bounded memory."""

    def __init__(self, plan: Sequence[Step], limit: int, tolerance: float) -> None:
        self.plan, self.limit, self.tolerance = plan, limit, tolerance
        self.numbers = count()
        self.layers: dict[str, int] = {}
        self.polygons: list[Polygon] = []
        self.patterns: list[np.ndarray] = []
        self.maps: list[Tensor] = []

    def descend(
        self,
        index: int,
        polygons: list[Polygon],
        maps: Float64[Tensor, "polygons 3 numbers"],
        patterns: list[np.ndarray],
    ) -> None:
        """Cut polygons by the choices of all steps from `index` on, and keep what comes out.

        Args:
            index: the step.
            polygons: pieces on each of which the network is affine so far.
            maps: (a, b, c) of each feature ax + by + c on each of them.
            patterns: choices made so far.
        """
        step = self.plan[index]
        if len(polygons) > max(1, BLOCK // (3 * step.size(maps[0]))):
            half = len(polygons) // 2
            for part in (slice(half), slice(half, None)):
                self.descend(index, polygons[part], maps[part], patterns[part])
            return
        maps = _affine(step.affine, maps)
        if step.choice is None:
            self._keep(polygons, maps, patterns)
            return
        pieces: list[Polygon] = []
        parents: list[int] = []
        chosen: list[np.ndarray] = []
        for number, polygon in enumerate(polygons):
            functions = _functions(step, maps[number])
            parts = self._cut(step, polygon, functions)
            self._check(len(pieces) + len(parts))
            pieces += parts
            parents += [number] * len(parts)
            chosen += [_choices(step, piece, functions) for piece in parts]
        self.layers[step.name] = len(chosen[0])
        longer = [
            np.concatenate([patterns[number], own])
            for number, own in zip(parents, chosen, strict=True)
        ]
        choices = torch.from_numpy(np.stack(chosen))
        self.descend(index + 1, pieces, _chosen(step, maps[parents], choices), longer)

    def _cut(
        self, step: Step, polygon: Polygon, functions: Float64[np.ndarray, "choices entries 3"]
    ) -> list[Polygon]:
        if not step.pools:
            return cut_by_all(polygon, functions[:, 0], self.numbers, self.tolerance)
        values = _values(polygon.corners, functions)
        settled = (values == values.max(2, keepdims=True)).all(0).any(1)
        pieces = [polygon]
        for window in functions[~settled]:
            pieces = [
                part
                for piece in pieces
                for part in cut_by_largest(piece, window, self.numbers, self.tolerance)
            ]
        return pieces

    def _keep(self, polygons: list[Polygon], maps: Tensor, patterns: list[np.ndarray]) -> None:
        self.polygons += polygons
        self.patterns += patterns
        self.maps.append(maps)
        self._check(0)

    def _check(self, more: int) -> None:
        if len(self.polygons) + more > self.limit:
            raise WorkbenchError(
                f"at most {self.limit:,} regions",
                f"{len(self.polygons) + more:,}, and more to come",
                "take a smaller extent or a narrower network, or raise the limit",
            )


def _affine(
    affine: Callable[[Tensor], Tensor], maps: Float64[Tensor, "polygons 3 numbers"]
) -> Float64[Tensor, "polygons 3 out"]:
    """Coefficients (a, b, c) after an affine map: its constant part belongs to c only."""
    out = affine(maps.flatten(0, 1))
    constant = affine(torch.zeros_like(maps[0, :1]))
    out = out.reshape(len(maps), 3, *out.shape[1:])
    return torch.cat([out[:, :2] - constant, out[:, 2:]], 1)


def _functions(
    step: Step, maps: Float64[Tensor, "3 numbers"]
) -> Float64[np.ndarray, "choices entries 3"]:
    """Functions (a, b, c) among which each unit or window chooses; a ReLU's second one is 0."""
    if not step.pools:
        z = maps[:, : step.units].T
        return torch.stack([z, torch.zeros_like(z)], 1).numpy()
    entries = step.entries(maps)
    missing = step.windows() < 0
    entries[:2] = entries[:2].masked_fill(missing, 0.0)
    return entries.permute(1, 2, 0).numpy()


def _values(
    points: Float64[np.ndarray, "points 2"], functions: Float64[np.ndarray, "choices entries 3"]
) -> Float64[np.ndarray, "points choices entries"]:
    x, y = points.T[:, :, None, None]
    values: Float64[np.ndarray, "points choices entries"] = (
        functions[..., 0] * x + functions[..., 1] * y + functions[..., 2]
    )
    return values


def _choices(
    step: Step, piece: Polygon, functions: Float64[np.ndarray, "choices entries 3"]
) -> UInt8[np.ndarray, "choices"]:
    """Entry that each unit or window chooses on a piece, which does not change on it."""
    values = _values(piece.centre[None], functions)[0]
    chosen: np.ndarray = values.argmax(1) if step.pools else values[:, 0] <= 0
    return chosen.astype(np.uint8)


def _chosen(
    step: Step,
    maps: Float64[Tensor, "polygons 3 numbers"],
    choices: UInt8[Tensor, "polygons choices"],
) -> Float64[Tensor, "polygons 3 out"]:
    """Coefficients after the choices."""
    own, others = maps[:, :, : step.units], maps[:, :, step.units :]
    if step.pools:
        places = step.windows()[None].expand(len(maps), -1, -1)
        picked = torch.take_along_dim(places, choices.long()[..., None], -1)[..., 0]
        own = torch.take_along_dim(own, picked[:, None], -1)
    else:
        own = own * torch.where(choices == 0, 1.0, step.slope).double()[:, None]
    return torch.cat([own, others], 2)
