"""Normalized cuts for scipy.sparse.csgraph's normalized Laplacian, I − UΛUᵀ."""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from tests.peers.adapters.embedding import leading
from tests.peers.counting import counted, stand_in

laplacian, cuts = csgraph.laplacian, counted(leading)


def ours(graph: Any, normed: bool = False, return_diag: bool = False, **options: Any) -> Any:
    """Laplacian, ours of symmetric nonnegative graphs (arrays or matrices), else the peer's own."""
    theirs = laplacian(graph, normed=normed, return_diag=return_diag, **options)
    dense = graph.toarray() if sparse.issparse(graph) else np.array(graph)
    fits = dense.dtype.kind == "f" and np.array_equal(dense, dense.T) and (dense >= 0).all()
    if not normed or not fits or set(options) - {"copy"} or sparse.issparse(graph):
        return theirs
    np.fill_diagonal(dense, 0)
    values, vectors, degrees = cuts(dense, len(dense))
    found = np.diag((degrees > 0).astype(float)) - (vectors * values) @ vectors.T
    found = found.astype(dense.dtype)
    root = np.where(degrees > 0, np.sqrt(degrees), 1).astype(dense.dtype)
    return (found, root) if return_diag else found


stand_in(laplacian, ours, "scipy.sparse.csgraph")
