"""Normalized cuts and weighted k-means for scikit-learn's spectral embedding and clustering."""

from typing import Any

import numpy as np
import torch
from sklearn.cluster import _spectral
from sklearn.manifold import _spectral_embedding as embedding
from sklearn.utils.extmath import _deterministic_vector_sign_flip

from tests.peers.adapters.embedding import leading
from tests.peers.counting import counted, stand_in
from workbench.segmentation.clustering import weighted_kmeans

spectral_embedding, k_means = embedding._spectral_embedding, _spectral.k_means
cuts, clustering = counted(leading), counted(weighted_kmeans)


def ours(
    adjacency: Any,
    *,
    n_components: int = 8,
    norm_laplacian: bool = True,
    drop_first: bool = True,
    **options: Any,
) -> np.ndarray:
    """Embedding by the normalized Laplacian; without normalisation it is the peer's own."""
    if not norm_laplacian:
        return spectral_embedding(
            adjacency,
            n_components=n_components,
            norm_laplacian=False,
            drop_first=drop_first,
            **options,
        )
    dense = np.array(adjacency.toarray() if hasattr(adjacency, "toarray") else adjacency, float)
    np.fill_diagonal(dense, 0)
    count = n_components + 1 if drop_first else n_components
    _, vectors, degrees = cuts(dense, count)
    root = np.sqrt(np.where(degrees > 0, degrees, 1))
    rows = _deterministic_vector_sign_flip(vectors.T / root)[1 if drop_first else 0 : count].T
    return rows.astype(adjacency.dtype if adjacency.dtype.kind == "f" else float)


def our_means(x: np.ndarray, n_clusters: int, *, verbose: bool = False, **options: Any) -> tuple:
    """Weighted k-means with equal weights; what it prints is the peer's own."""
    if verbose:
        return k_means(x, n_clusters, verbose=True, **options)
    points = torch.from_numpy(np.ascontiguousarray(x))
    found = clustering(points, points.new_ones(len(points)), n_clusters)
    return found.centres.numpy(), found.labels.numpy(), found.cost


stand_in(spectral_embedding, ours, "sklearn")
stand_in(k_means, our_means, "sklearn.cluster")
