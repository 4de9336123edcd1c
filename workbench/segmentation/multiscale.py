"""Normalized cuts of several grids at once (Cour, Bénézit and Shi, CVPR 2005, §3–4).

The cells of every next grid are three times as large, so that short lines between small cells and
long lines between large ones cost the same. W is block-diagonal, one block a grid, and the grids
are coupled by a constraint: a large cell has the mean of the small cells in it, CX = 0. With
C̄ = CD^-½ the maximum of tr XᵀWX under XᵀDX = I and CX = 0 is X = D^-½V with V the leading
eigenvectors of (paper, §4.2)

    Q D^-½WD^-½ Q,    Q = I − C̄ᵀ(C̄C̄ᵀ)⁻¹C̄.

One grid and no constraint is plain normalized cuts (Shi and Malik, PAMI 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh
from scipy.sparse import block_array, block_diag, csr_array, diags_array, eye_array
from scipy.sparse.linalg import LinearOperator, eigsh, splu


@dataclass(frozen=True)
class Constrained:
    """Leading pairs of the constrained problem.

    Attributes:
        values: (count,) float64, descending.
        vectors: (cells, count) float64, V; orthonormal columns, the rows of all grids in turn.
        degrees: (cells,) float64, the diagonal of D.
    """

    values: Float[np.ndarray, "count"]
    vectors: Float[np.ndarray, "cells count"]
    degrees: Float[np.ndarray, "cells"]


def averaging(shape: tuple[int, int], factor: int) -> tuple[csr_array, tuple[int, int]]:
    """Means over factor×factor cells, (coarse cells, cells), and the shape of the coarse grid.

    Coarse cells at the lower and right edge may have fewer cells in them.
    """
    rows, columns = shape
    coarse = -(-rows // factor), -(-columns // factor)
    within = (np.arange(rows) // factor)[:, None] * coarse[1] + np.arange(columns) // factor
    entries = np.ones(rows * columns), (within.ravel(), np.arange(rows * columns))
    members = csr_array(entries, shape=(coarse[0] * coarse[1], rows * columns))
    return csr_array(diags_array(1 / members.sum(1)) @ members), coarse


def constraints(means: Sequence[csr_array]) -> csr_array:
    """C: a row for every cell of all grids but the finest, its own value minus the mean below."""
    sizes = [means[0].shape[1], *(mean.shape[0] for mean in means)]
    blocks = [
        [_block(below, column, mean, size) for column, size in enumerate(sizes)]
        for below, mean in enumerate(means)
    ]
    return csr_array(block_array(blocks, format="csr"))


def _block(below: int, column: int, mean: csr_array, size: int) -> csr_array:
    """Block of C: the rows of the grid above `below`, the columns of one grid."""
    if column == below:
        return csr_array(-mean)
    if column == below + 1:
        return csr_array(eye_array(size))
    return csr_array((mean.shape[0], size))


def constrained_cuts(
    affinities: Sequence[csr_array],
    means: Sequence[csr_array],
    count: int,
    tolerance: float = 1e-4,
) -> Constrained:
    """Leading eigenvectors under the constraints; deterministic.

    Args:
        affinities: affinities, symmetric, nonnegative, one for each grid, finest first.
        means: means from each grid to the next, see `averaging`; one less.
        count: number of pairs; fewer are returned where the finest grid has fewer cells.
        tolerance: relative accuracy of the eigenvalues.

    Raises:
        scipy.sparse.linalg.ArpackNoConvergence: ten restarts a cell were not enough.
    """
    w = csr_array(block_diag(affinities, format="csr"))
    degrees = np.asarray(w.sum(1))
    root = np.sqrt(degrees)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=root > 0)
    normalised = csr_array(diags_array(inverse) @ w @ diags_array(inverse))
    cells = len(degrees)
    operator = LinearOperator((cells, cells), matvec=normalised.__matmul__, dtype=np.float64)
    if means:
        project = _Projection(csr_array(constraints(means) @ diags_array(inverse)))
        operator = LinearOperator(
            (cells, cells), matvec=lambda v: project(normalised @ project(v)), dtype=np.float64
        )
    count = min(count, affinities[0].shape[0])
    basis = max(3 * count, 60)  # the leading eigenvalues of an image lie within 1e-3 of each other
    if cells < 2 * basis:
        dense = operator @ np.eye(cells)
        values, vectors = eigh((dense + dense.T) / 2)
    else:
        random = np.random.default_rng(0)
        start = root + 0.1 * root.mean() * random.standard_normal(cells)
        values, vectors = eigsh(
            operator, count, which="LA", v0=start, tol=tolerance, ncv=basis, rng=random
        )
    order = np.argsort(-values, kind="stable")[:count]
    return Constrained(values[order], vectors[:, order], degrees)


class _Projection:
    """Projection Q onto the null space of C̄. C̄C̄ᵀ couples a cell with that above it: no fill-in."""

    def __init__(self, rows: csr_array) -> None:
        rows = rows[rows.power(2).sum(1) > 0]  # cells without neighbours: V is 0 there
        self.rows, self.columns = rows, csr_array(rows.T)
        self.solve = splu((rows @ self.columns).tocsc()).solve

    def __call__(
        self, v: Float[np.ndarray, "cells *columns"]
    ) -> Float[np.ndarray, "cells *columns"]:
        projected: np.ndarray = v - self.columns @ self.solve(self.rows @ v)
        return projected
