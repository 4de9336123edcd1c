"""Linear regions of a network, counted exactly along a segment and on a plane through data.

A region is a set on which all choices (signs of ReLUs, places of the largest in max-poolings) are
the same; there the network is affine. Layer by layer the pieces of the segment or plane, on each of
which everything so far is affine, are cut where a choice of the next layer changes: no sampling, no
grid. Montúfar, Pascanu, Cho and Bengio (NIPS 2014) and Telgarsky (COLT 2016) build networks whose
number of regions is exponential in depth; Hanin and Rolnick (ICML 2019) show that random networks
have, along a line, about as many as units, at any depth. `region_growth` measures which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float64, Int64, UInt8
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.geometry.checked import Array, float64
from workbench.geometry.division import Division
from workbench.geometry.piecewise import BLOCK, Step, steps
from workbench.geometry.polygons import OUTSIDE, Polygon, neighbours

CLOSE = 1e-12
"""Distance of breakpoints, as a part of the segment, below which they are one."""
NARROW = 1e-10
"""Width of a region, as a part of the plane's extent, below which it is not cut off."""


@dataclass(frozen=True, eq=False)
class LineRegions:
    """Regions that a segment passes through.

    Attributes:
        breakpoints: t in (0, 1), ascending, at which a choice changes on a + t(b − a).
        layer: name of the module that chooses there.
        modules: names of all modules that choose, in their order.
    """

    breakpoints: Float64[np.ndarray, "breakpoints"]
    layer: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.breakpoints) + 1

    def by_layer(self) -> dict[str, int]:
        """Number of breakpoints of each module that chooses, in their order."""
        return {name: self.layer.count(name) for name in self.modules}


def _inputs(model_inputs: Sequence[Array]) -> Float64[Tensor, "inputs *shape"]:
    if len({tuple(each.shape) for each in model_inputs}) > 1:
        raise WorkbenchError(
            "inputs of one shape, without a batch",
            ", ".join(str(tuple(each.shape)) for each in model_inputs),
            "pass one image or one vector each",
        )
    return torch.stack([float64(each, "inputs").detach().cpu() for each in model_inputs])


@torch.no_grad()
def count_on_line(model: nn.Module, a: Array, b: Array) -> LineRegions:
    """Regions along the segment from a to b, exact: breakpoints go through the network with it.

    Time and memory are those of running the network on as many inputs as there are breakpoints, in
    blocks that keep memory bounded. Breakpoints closer than 1e-12 of the segment count once.

    Args:
        model: as `piecewise.steps`; it is copied, and counted in evaluation mode.
        a: the start, of the shape of one input, without a batch.
        b: the end.

    Raises:
        WorkbenchError: a and b are equal, of different shapes, NaN, or the model is not piecewise
            linear.
    """
    ends = _inputs([a, b])
    if torch.equal(ends[0], ends[1]):
        raise WorkbenchError("two different ends", "one point twice", "pass two inputs")
    plan = steps(model, ends.shape[1:])
    ends_at = np.array([0.0, 1.0]), np.array([-1, -1])
    times, made = _through(plan, 0, *ends_at, ends.flatten(1))
    names = tuple(step.name for step in plan)
    return LineRegions(times[1:-1], tuple(names[index] for index in made[1:-1]), names[:-1])


def _through(
    plan: Sequence[Step],
    first: int,
    times: Float64[np.ndarray, "times"],
    made: Int64[np.ndarray, "times"],
    z: Float64[Tensor, "times numbers"],
) -> tuple[Float64[np.ndarray, "more"], Int64[np.ndarray, "more"]]:
    """Breakpoints with those of the steps from `first` on, and the step that made each."""
    for index in range(first, len(plan)):
        step = plan[index]
        if step.choice is None:
            break
        if len(times) > max(2, BLOCK // step.size(z)):
            half = len(times) // 2
            left = _through(plan, index, times[: half + 1], made[: half + 1], z[: half + 1])
            right = _through(plan, index, times[half:], made[half:], z[half:])
            whole = [np.concatenate([a[:-1], b]) for a, b in zip(left, right, strict=True)]
            return whole[0], whole[1]
        z = step.affine(z)
        new = _crossings(step, z, times)
        spots = np.searchsorted(times, new, side="right") - 1
        share = torch.from_numpy((new - times[spots]) / np.diff(times)[spots])
        between = torch.lerp(z[spots], z[spots + 1], share[:, None])
        order = np.argsort(np.concatenate([times, new]), kind="stable")
        times = np.concatenate([times, new])[order]
        made = np.concatenate([made, np.full(len(new), index)])[order]
        z = step.after(torch.cat([z, between])[torch.from_numpy(order)])
    return times, made


def _crossings(
    step: Step, z: Float64[Tensor, "times numbers"], times: Float64[np.ndarray, "times"]
) -> Float64[np.ndarray, "new"]:
    """Times, each once, strictly between the given ones, at which a choice changes."""
    if step.pools:
        spots, share = _crossings_of_windows(step.entries(z))
    else:
        spots, share = _crossings_of_zero(z[:, : step.units])
    found = np.unique(times[spots] + share * np.diff(times)[spots])
    after = np.searchsorted(times, found).clip(1, len(times) - 1)
    found = found[np.minimum(times[after] - found, found - times[after - 1]) > CLOSE]
    apart: np.ndarray = found[np.diff(found, prepend=-1.0) > CLOSE]
    return apart


def _crossings_of_zero(
    z: Float64[Tensor, "times units"],
) -> tuple[Int64[np.ndarray, "new"], Float64[np.ndarray, "new"]]:
    """Intervals, and the share of each, at which units pass through zero."""
    start, stop = z[:-1], z[1:]
    spot, unit = torch.nonzero((start < 0) & (stop > 0) | (start > 0) & (stop < 0), as_tuple=True)
    here = start[spot, unit]
    return spot.numpy(), (here / (here - stop[spot, unit])).numpy()


def _crossings_of_windows(
    entries: Float64[Tensor, "times windows entries"],
) -> tuple[Int64[np.ndarray, "new"], Float64[np.ndarray, "new"]]:
    """Intervals, and the share of each, at which another entry becomes a window's largest."""
    best = entries.argmax(-1)
    same = (best[:-1] == best[1:]).logical_or_(  # of equal entries the first is not another choice
        torch.take_along_dim(entries[:-1], best[1:, :, None], -1)[..., 0] == entries[:-1].amax(-1)
    ).logical_or_(
        torch.take_along_dim(entries[1:], best[:-1, :, None], -1)[..., 0] == entries[1:].amax(-1)
    )  # fmt: skip
    spot, window = torch.nonzero(~same, as_tuple=True)
    start, stop = entries[spot, window], entries[spot + 1, window]
    spots, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
    for one, other in combinations(range(entries.shape[2]), 2):
        before, after = start[:, one] - start[:, other], stop[:, one] - stop[:, other]
        crosses = torch.nonzero(before * after < 0)[:, 0]
        share = before[crosses] / (before[crosses] - after[crosses])
        there = (1 - share)[:, None] * start[crosses] + share[:, None] * stop[crosses]
        largest = there.amax(-1)
        slack = 1e-12 * (start[crosses] - stop[crosses]).abs().amax(-1)
        kept = there[:, one] >= largest - slack
        spots.append(spot[crosses[kept]].numpy())
        shares.append(share[kept].numpy())
    return np.concatenate(spots), np.concatenate(shares)


@dataclass(frozen=True, eq=False)
class PlaneRegions:
    """Regions of a network on a square in the plane through three inputs.

    Coordinates (x, y) are distances in the plane, from the first input, x towards the second.

    Attributes:
        polygons: convex pieces, one a region.
        patterns: (regions, choices): the entry chosen by each unit and window, 0 for an active ReLU
            and 1 for one below zero; regions are different rows.
        layers: name and number of choices of each choosing module, in the order of the columns.
        maps: (regions, outputs, 3): (a, b, c) of each output ax + by + c in its region.
        anchors: the three inputs in the plane, (3, 2).
        origin: the first input.
        basis: two orthonormal directions of the plane, of the inputs' shape.
        extent: half of the square's side.
    """

    polygons: tuple[Polygon, ...]
    patterns: UInt8[np.ndarray, "regions choices"]
    layers: tuple[tuple[str, int], ...]
    maps: Float64[np.ndarray, "regions outputs 3"]
    anchors: Float64[np.ndarray, "3 2"]
    origin: Float64[Tensor, "*shape"]
    basis: Float64[Tensor, "2 *shape"]
    extent: float

    @property
    def count(self) -> int:
        """Number of regions."""
        return len(self.polygons)

    @cached_property
    def areas(self) -> Float64[np.ndarray, "regions"]:
        """Areas of the regions."""
        return np.array([each.area for each in self.polygons])

    @cached_property
    def _neighbours(self) -> list[Int64[np.ndarray, "others"]]:
        return neighbours(self.polygons, 10 * NARROW * self.extent)

    def neighbours(self, region: int) -> Int64[np.ndarray, "others"]:
        """Regions across an edge of a region, ascending."""
        return self._neighbours[region]

    def changed(self, region: int, other: int) -> tuple[tuple[str, int], ...]:
        """Choices that differ between two regions: module, and number within it."""
        different = np.flatnonzero(self.patterns[region] != self.patterns[other])
        starts = np.cumsum([0, *(size for _, size in self.layers)])
        modules = np.searchsorted(starts, different, side="right") - 1
        return tuple(
            (self.layers[module][0], int(place - starts[module]))
            for module, place in zip(modules, different, strict=True)
        )

    def region_at(self, x: float, y: float) -> int:
        """Region of a point of the plane.

        Raises:
            WorkbenchError: the point lies outside of the square.
        """
        low, high = self._boxes
        near = ((low <= [x, y]) & (high >= [x, y])).all(1)
        for index in np.flatnonzero(near).tolist():
            if self.polygons[index].contains(x, y):
                return int(index)
        nearest = np.flatnonzero(near)
        if len(nearest):  # between two, by rounding
            centres = np.array([self.polygons[index].centre for index in nearest])
            return int(nearest[np.hypot(*(centres - [x, y]).T).argmin()])
        raise WorkbenchError(
            "a point of the square that was divided", f"({x:.4g}, {y:.4g})", "take a larger extent"
        )

    @cached_property
    def _boxes(self) -> tuple[np.ndarray, np.ndarray]:
        low = np.array([each.corners.min(0) for each in self.polygons])
        high = np.array([each.corners.max(0) for each in self.polygons])
        return low, high

    def input_at(self, x: float, y: float) -> Float64[Tensor, "*shape"]:
        """Input of the network at a point of the plane."""
        return self.origin + x * self.basis[0] + y * self.basis[1]


@torch.no_grad()
def regions_on_plane(
    model: nn.Module, a: Array, b: Array, c: Array, extent: float = 1.5, limit: int = 100_000
) -> PlaneRegions:
    """Regions of the plane through three inputs, exact: convex polygons, cut layer by layer.

    Args:
        model: as `piecewise.steps`; it is copied, and counted in evaluation mode.
        a: an input, without a batch; the origin of the plane.
        b: another, on the x axis.
        c: a third, above it.
        extent: half of the side of the square that is divided, in distances of the farthest of the
            three from their mean, around which the square lies.
        limit: number of regions past which the division stops with an error.

    Raises:
        WorkbenchError: the inputs lie on a line, there are more regions than the limit, or as
            `count_on_line`.
    """
    inputs = _inputs([a, b, c])
    basis, anchors = _plane(inputs)
    centre = anchors.mean(0)
    half = extent * float(np.hypot(*(anchors - centre).T).max())
    corners = centre + half * np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    whole = Polygon(corners, np.full(4, OUTSIDE))
    maps = torch.stack([basis[0], basis[1], inputs[0]])[None]
    division = Division(steps(model, inputs.shape[1:]), limit, NARROW * half)
    division.descend(0, [whole], maps.flatten(2), [np.zeros(0, np.uint8)])
    return PlaneRegions(
        tuple(division.polygons),
        np.stack(division.patterns),
        tuple(division.layers.items()),
        torch.cat(division.maps).transpose(1, 2).numpy(),
        anchors,
        inputs[0],
        basis,
        half,
    )


def _plane(
    inputs: Float64[Tensor, "3 *shape"],
) -> tuple[Float64[Tensor, "2 *shape"], Float64[np.ndarray, "3 2"]]:
    """Orthonormal basis of the plane, and the three inputs in it."""
    sides = (inputs[1:] - inputs[0]).flatten(1)
    q, r = torch.linalg.qr(sides.T)
    if sides.shape[1] < 2 or float(r.diagonal().abs().min()) <= 1e-12 * float(r.abs().max()):
        raise WorkbenchError(
            "three inputs that are not on one line",
            "three that are, or two that are equal",
            "pass three different inputs; a segment wants count_on_line",
        )
    signs = r.diagonal().sign()
    basis = (q * signs).T.reshape(2, *inputs.shape[1:])
    anchors = torch.cat([torch.zeros(1, 2, dtype=torch.float64), (signs[:, None] * r).T])
    return basis, anchors.numpy()
