"""The normalized-cuts embedding by all methods, as functions without arguments."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import eigsh
from torch import Tensor

from workbench.bench.peers import NCUT_PYTORCH, SCIKIT_IMAGE, SCIKIT_LEARN, Peers
from workbench.linalg import Affinity

OURS = "workbench"
EIGSH = "scipy eigsh, dense M"
SKLEARN = "scikit-learn spectral_embedding, arpack"

Embedding = Callable[[], Tensor | None]
"""Function whose vectors (pixels, count) span the leading eigenvectors; None where it has none."""


def embeddings(
    x: Float[Tensor, "pixels features"], count: int, peers: Peers
) -> dict[str, Embedding]:
    """Embeddings by name, ours first; methods that need W form it within the time measured."""
    here = x.cpu().double()
    root = (here @ here.sum(0)).sqrt()
    found: dict[str, Embedding] = {
        OURS: lambda: Affinity(x).spectrum(count).vectors,
        EIGSH: lambda: _by_eigsh(here, root, count),
    }
    if manifold := peers.find(SCIKIT_LEARN):

        def by_sklearn() -> Tensor:
            maps = manifold.spectral_embedding(
                (here @ here.T).numpy(), n_components=count, eigen_solver="arpack",
                random_state=0, drop_first=False,
            )  # fmt: skip
            return torch.from_numpy(maps) * root[:, None]  # it returns D^-½U

        found[SKLEARN] = by_sklearn
    if ncut := peers.find(NCUT_PYTORCH):
        found["ncut_pytorch, RBF Nyström"] = lambda: ncut.Ncut(
            n_eig=count, device=x.device.type
        ).fit_transform(x)
        found["ncut_pytorch, same affinity"] = lambda: ncut.Ncut(
            n_eig=count, device=x.device.type, affinity_fn=_linear, sigma=1.0
        ).fit_transform(x)
    if graph := peers.find(SCIKIT_IMAGE):
        found["scikit-image cut_normalized, 400 superpixels"] = lambda: _by_skimage(graph, here)
    return found


def _linear(one: Tensor, other: Tensor | None = None, sigma: object = None) -> Tensor:
    """Affinity XYᵀ, in the signature that ncut_pytorch asks for."""
    return one @ (one if other is None else other).T


def _by_eigsh(x: Tensor, root: Tensor, count: int) -> Tensor:
    m = (x @ x.T) / root / root[:, None]
    return torch.from_numpy(eigsh(m.numpy(), count, v0=root.numpy())[1])


def _by_skimage(graph: object, x: Tensor) -> None:
    """Repeated two-way cuts of a graph of superpixels by scikit-image: labels and no vectors."""
    side = int(len(x) ** 0.5)
    features = x[: side * side].reshape(side, side, -1).numpy()
    step = max(side // 20, 1)
    rows, columns = np.indices((side, side)) // step
    labels = rows * (columns.max() + 1) + columns
    picture = features[..., :3]
    regions = graph.rag_mean_color(picture, labels, mode="similarity")  # type: ignore[attr-defined]
    graph.cut_normalized(labels, regions, rng=0)  # type: ignore[attr-defined]
