"""Nets and packings of a cloud by farthest points, and the number of points that a width allows.

Farthest-first (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985): each
centre is the point farthest from those before it. Nested nets and packings at once: the first n
centres are separated by r_{n−1} and cover the cloud within r_n. Theorem of Sudakov and Fernique
(Vershynin 2018, 7.2.11): n points separated by ε are spread at least like n orthonormal ones
scaled by ε/√2, so √2 ε M_n ≤ ω, with no unknown constant; M_n is inverted for a bound on n.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.angles import distances
from workbench.geometry.maxima import expected_maximum, log_count_of
from workbench.geometry.points import as_cloud, check_finite_rows
from workbench.geometry.width import MeanWidth


@dataclass(frozen=True, eq=False)
class SudakovBound:
    """Bounds √2 ε M_n ≤ ω for the first n centres of a net, n = 2, 3, …: arrays (counts,).

    Attributes:
        count: n.
        epsilon: separation of the first n centres.
        ratio: √2 ε M_n / ω: at most 1, up to the error of ω; 1 where the bound is sharp.
        log_bound: natural logarithm of the largest n that the width allows at this separation.
    """

    count: Int64[np.ndarray, "counts"]
    epsilon: Float64[np.ndarray, "counts"]
    ratio: Float64[np.ndarray, "counts"]
    log_bound: Float64[np.ndarray, "counts"]


@dataclass(frozen=True, eq=False)
class Coverage:
    """Shares of held-out points that the first n centres cover within r_n, n = 1, 2, …

    Attributes:
        share: (centres,) shares.
        radius: (centres,) radius within which the first n centres cover all held-out points.
    """

    share: Float64[np.ndarray, "centres"]
    radius: Float64[np.ndarray, "centres"]


@dataclass(frozen=True, eq=False)
class Net:
    """Nested nets and packings of a cloud, by farthest points.

    Attributes:
        indices: (centres,) rows of the cloud, in the order in which they were chosen.
        centres: (centres, features) the points themselves.
        radii: (centres,) r_n, n = 1, 2, …: every point is within r_n of one of the first n centres.
    """

    indices: Int64[Tensor, "centres"]
    centres: Float[Tensor, "centres features"]
    radii: Float64[np.ndarray, "centres"]

    def sudakov(self, width: MeanWidth | float) -> SudakovBound:
        """Bounds on numbers of separated points from the mean width of the cloud.

        Raises:
            WorkbenchError: a width that is not positive, or a net of one centre.
        """
        omega = float(width)
        if not (omega > 0 and math.isfinite(omega)) or len(self.radii) < 2:
            raise WorkbenchError(
                "a positive width and at least two centres",
                f"the width {omega:g} and {len(self.radii)} centres",
                "pass mean_width of the same cloud, and a net of points that differ",
            )
        count, epsilon = np.arange(2, len(self.radii) + 1), self.radii[:-1]
        scaled = omega / (math.sqrt(2) * epsilon)
        return SudakovBound(
            count,
            epsilon,
            np.array([expected_maximum(n) for n in count.tolist()]) / scaled,
            np.array([log_count_of(each) for each in scaled.tolist()]),
        )

    def coverage(self, held_out: Any) -> Coverage:
        """Coverage of other points of the same set, which no centre was chosen from.

        Args:
            held_out: (points, features) tensor, numpy, Dask or zarr array.

        Raises:
            WorkbenchError: another number of features.
        """
        cloud = as_cloud(held_out)
        if cloud.features != self.centres.shape[1]:
            raise WorkbenchError(
                f"points of {self.centres.shape[1]} features",
                f"{cloud.features}",
                "pass points of the same layer",
            )
        radii = torch.from_numpy(self.radii).to(self.centres.device)
        covered, farthest = torch.zeros_like(radii), torch.zeros_like(radii)
        for start, rows in cloud.blocks(len(radii)):
            check_finite_rows(rows.sum(1), start, len(rows))
            near = distances(rows.to(self.centres), self.centres).double().cummin(1).values
            covered += (near <= radii).sum(0)
            farthest = torch.maximum(farthest, near.amax(0))
        return Coverage((covered / cloud.count).cpu().numpy(), farthest.cpu().numpy())

    def __str__(self) -> str:
        return (
            f"net of {len(self.radii)} centres: radii from {self.radii[0]:.4g} (1 centre) to "
            f"{self.radii[-1]:.4g}"
        )

    __repr__ = __str__


def farthest_first(points: Any, count: int, first: int = 0) -> Net:
    """Net of a cloud by farthest points; O(Nnd), in blocks: each centre is a pass over the points.

    A stored array is read once for each centre. Where fewer points differ from each other, there
    are fewer centres, and the last radius is 0.

    Args:
        points: (points, features) tensor, numpy, Dask or zarr array.
        count: number of centres n.
        first: index of the first centre.

    Raises:
        WorkbenchError: bad points, see `points.as_cloud`, NaN among them, or a count or index that
            the cloud does not have.
    """
    cloud = as_cloud(points)
    if not (1 <= count <= cloud.count and 0 <= first < cloud.count):
        raise WorkbenchError(
            f"1 to {cloud.count} centres, the first one of the points",
            f"{count} centres, the first {first}",
            "ask for no more centres than points",
        )
    nearest = torch.full((cloud.count,), torch.inf, dtype=cloud.dtype, device=cloud.device)
    indices, radii = [first], []
    while True:
        centre = cloud.rows(slice(indices[-1], indices[-1] + 1))
        for start, rows in cloud.blocks():
            away = torch.linalg.vector_norm(rows - centre, dim=1)
            check_finite_rows(away, start, len(rows))
            part = nearest[start : start + len(rows)]
            torch.minimum(part, away, out=part)
        farthest = int(nearest.argmax())
        radii.append(float(nearest[farthest]))
        if len(indices) == count or radii[-1] == 0:
            break
        indices.append(farthest)
    chosen = torch.cat([cloud.rows(slice(i, i + 1)) for i in indices])
    return Net(torch.tensor(indices), chosen, np.array(radii))
