"""The intervening-contour affinity (Leung and Malik, ECCV 1998; Cour, Bénézit and Shi, CVPR 2005).

Two cells are alike where no strong edge lies on the straight line between their centres, and where
their colours agree:

    W_ij = (exp(−max_{p ∈ line(i, j)} E(p) / σ_E) + φ) · exp(−‖F_i − F_j‖² / σ_F²),

for centres no further apart than a radius. The edge counts as it does in gPb (Arbelaez et al., PAMI
2011, eq. 13), not squared as in the first two. The floor φ is ours: without it the pixels on a
thick edge have almost no affinity, and the first eigenvectors separate them one by one instead of
regions.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_array, csr_array

LEAST = 1e-8
"""Least affinity: a cell unlike all others would otherwise have a degree of rounding error."""


def contour_affinity(
    edges: Float[np.ndarray, "height width"],
    features: Float[np.ndarray, "rows columns features"],
    *,
    cell: int,
    radius: int,
    edge_scale: float,
    feature_scale: float | None,
    floor: float,
) -> csr_array:
    """W of a grid of cells, (cells, cells), symmetric, its diagonal zero.

    Args:
        edges: strength of edges at every pixel.
        features: features of the cells, compared between them.
        cell: side of a cell, odd, pixels; cells may reach beyond the image.
        radius: largest distance of two neighbours, cells.
        edge_scale: σ_E, in the unit of `edges`.
        feature_scale: σ_F, in the unit of `features`; None: contours alone count.
        floor: φ.
    """
    rows, columns = features.shape[:2]
    missing = rows * cell - edges.shape[0], columns * cell - edges.shape[1]
    padded = np.pad(edges, ((0, missing[0]), (0, missing[1])), mode="edge")
    names = np.arange(rows * columns).reshape(rows, columns)
    ones, others, values = [], [], []
    for down, right in _offsets(radius):
        if down >= rows or abs(right) >= columns:
            continue
        left = max(0, -right)
        here = slice(0, rows - down), slice(left, columns - max(0, right))
        there = slice(down, rows), slice(left + right, here[1].stop + right)
        strongest = np.zeros((rows - down, columns - abs(right)))
        for y, x in line(down * cell, right * cell):
            top, start = cell // 2 + y, cell // 2 + left * cell + x
            along = padded[top::cell, start::cell][: strongest.shape[0], : strongest.shape[1]]
            np.maximum(strongest, along, out=strongest)
        alike = np.exp(-strongest / edge_scale) + floor
        if feature_scale is not None:
            apart = ((features[here] - features[there]) ** 2).sum(2)
            alike *= np.exp(-apart / feature_scale**2)
        ones.append(names[here].ravel())
        others.append(names[there].ravel())
        values.append(np.maximum(alike, LEAST).ravel())
    if not values:
        return csr_array((names.size, names.size))
    pairs = np.concatenate(ones), np.concatenate(others)
    half = coo_array((np.concatenate(values), pairs), shape=(names.size, names.size)).tocsr()
    return csr_array(half + half.T)


def line(down: int, right: int) -> list[tuple[int, int]]:
    """Pixels from (0, 0) to (down, right), ends included: one for each step of the longer side.

    Halves are rounded up.
    """
    steps = max(abs(down), abs(right))
    # floor(t·d/steps + ½) in integers
    return [
        ((2 * t * down + steps) // (2 * steps), (2 * t * right + steps) // (2 * steps))
        for t in range(steps + 1)
    ]


def _offsets(radius: int) -> Iterator[tuple[int, int]]:
    """Offsets in the disc, one of each two opposite ones."""
    for down in range(radius + 1):
        for right in range(-radius, radius + 1):
            if (down, right) > (0, 0) and down**2 + right**2 <= radius**2:
                yield down, right
