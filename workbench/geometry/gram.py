"""Gram matrices of clouds of points: inner products, distances, angles and rank from them alone.

Where points have far more features than there are points (a layer's whole map of an image), the
(points, points) matrix of inner products is all that widths, distances, angles and spectra need.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from workbench.errors import WorkbenchError
from workbench.geometry.directions import FAR_OFFSET
from workbench.geometry.points import Cloud, as_cloud, as_rows, check_finite_rows

CHUNK = 1 << 16
"""Features of a block of an inner product, which is computed in float64."""


def inner_products(
    rows: Float[Tensor, "rows features"], others: Float[Tensor, "others features"] | None = None
) -> Float64[Tensor, "rows others"]:
    """Inner products in float64, a block of features at a time, on the device of the rows.

    Args:
        rows: points.
        others: other points of the same features; None: the rows themselves.
    """
    second = rows if others is None else others
    total = rows.new_zeros(len(rows), len(second), dtype=torch.float64)
    for a, b in zip(rows.split(CHUNK, 1), second.split(CHUNK, 1), strict=True):
        wide = a.double()
        total.addmm_(wide, (wide if others is None else b.double()).T)
    return total


def squared_distances(
    gram: Float64[Tensor, "points points"],
) -> Float64[Tensor, "points points"]:
    """Squared distances of all pairs, in the squared units of the points."""
    norms = gram.diagonal()
    squares: Tensor = (norms[:, None] + norms - 2 * gram).clamp(min=0)
    return squares


def pair_indices(count: int) -> tuple[Int64[np.ndarray, "pairs"], Int64[np.ndarray, "pairs"]]:
    """Indices of both points of every pair i < j, row by row."""
    first, second = np.triu_indices(count, 1)
    return first.astype(np.int64), second.astype(np.int64)


def pair_angles(gram: Float64[Tensor, "points points"]) -> Float64[np.ndarray, "pairs"]:
    """Angles of all pairs i < j, radians; NaN with a point whose norm is 0 or not finite."""
    first, second = pair_indices(len(gram))
    norms = gram.diagonal().clamp(min=0).sqrt()
    cosines = gram[first, second] / (norms[first] * norms[second])
    angles: np.ndarray = cosines.clamp(-1, 1).acos().cpu().numpy()
    return angles


def unit_gram(gram: Float64[Tensor, "points points"]) -> Float64[Tensor, "alive alive"]:
    """Gram matrix of the points divided by their norms; points of norm 0 are left out."""
    norms = gram.diagonal().clamp(min=0).sqrt()
    alive = norms > 0
    units: Tensor = gram[alive][:, alive] / (norms[alive][:, None] * norms[alive])
    return units


def largest_stretch(
    before: Float64[Tensor, "points points"], after: Float64[Tensor, "points points"]
) -> float:
    """Largest ratio of a pair's distance after to before; pairs that coincide before left out."""
    squares_in, squares = squared_distances(before), squared_distances(after)
    apart = squares_in > 1e-12 * before.diagonal().max()
    stretch = torch.where(apart, squares, 0.0) / torch.where(apart, squares_in, 1.0)
    return float(stretch.max().sqrt())


def gram_of(cloud: Cloud, *, centred: bool = False) -> Float64[Tensor, "points points"]:
    """Gram matrix of few points of many features, by blocks of features.

    About 0, or about the points' mean where that is so far from 0 that digits would be lost.

    Raises:
        WorkbenchError: NaN or infinity.
    """
    width = max(2**22 // cloud.count, 1)
    source = cloud.source
    if cloud.stored and not isinstance(source.chunks[0], int):
        source = source.rechunk({0: -1, 1: "auto"})
    total = torch.zeros(cloud.count, cloud.count, dtype=torch.float64, device=cloud.device)
    for start in range(0, cloud.features, width):
        block = as_rows(source[:, start : start + width], cloud.dtype).double()
        check_finite_rows(block.sum(0), 0, cloud.count)
        if centred:
            block = block - block.mean(0)
        total.addmm_(block, block.T)
    offset = float(total.mean())  # the mean's squared norm
    deviation = float(total.diagonal().mean()) - offset
    if not centred and offset > FAR_OFFSET**2 * deviation:
        return gram_of(cloud, centred=True)
    return total


def cloud_of_gram(gram: Any) -> Cloud:
    """Cloud of points with these inner products, in as many dimensions as their rank.

    Raises:
        WorkbenchError: not square, not symmetric, not positive semidefinite, or not finite.
    """
    matrix = as_cloud(gram, least=2)
    if matrix.count != matrix.features:
        raise WorkbenchError(
            "a square Gram matrix, (points, points)",
            f"the shape {(matrix.count, matrix.features)}",
            "pass x @ x.T, or the points themselves",
        )
    g = matrix.rows(slice(None)).double()
    check_finite_rows(g, 0, len(g))
    eps = torch.finfo(matrix.dtype).eps
    tolerance = 16 * eps * len(g) ** 0.5 * float(g.abs().amax())
    if float((g - g.T).abs().amax()) > tolerance:
        raise WorkbenchError(
            "a symmetric Gram matrix",
            f"entries that differ from their mirror images by {float((g - g.T).abs().amax()):.2g}",
            "pass (g + g.T) / 2 if that is rounding",
        )
    values, vectors = torch.linalg.eigh((g + g.T) / 2)
    allowed = 16 * eps * len(g) * float(values.abs().amax())
    if float(values[0]) < -allowed:
        raise WorkbenchError(
            "a positive semidefinite Gram matrix",
            f"the eigenvalue {float(values[0]):.3g} beside the largest {float(values[-1]):.3g}",
            "pass inner products or a positive definite kernel, not distances or cosine distances",
        )
    kept = values > allowed
    kept[-1] = True  # a single zero coordinate, where all products are zero
    roots = values[kept].clamp(min=0.0).sqrt()
    return as_cloud(vectors[:, kept] * roots)
