"""A snapshot of a scene, back as the objects that it was taken of (`networks` lists its arrays)."""

import numpy as np
import torch

from workbench.errors import WorkbenchError
from workbench.evaluation.scenes.networks import Snapshot
from workbench.linalg.affinity import Affinity
from workbench.segmentation import Grid


def array_of(snapshot: Snapshot, name: str) -> np.ndarray:
    """An array of a snapshot.

    Raises:
        WorkbenchError: it has none of that name.
    """
    if name not in snapshot:
        raise WorkbenchError(
            f"a snapshot of a scene, with {name!r}",
            f"one with {', '.join(sorted(snapshot)) or 'nothing'}",
            "choose a snapshot that a training or an evaluation has written",
        )
    return snapshot[name]


def affinity_of(snapshot: Snapshot) -> Affinity:
    """W of a snapshot by its factors; the cells of the feature map are its rows.

    Raises:
        WorkbenchError: the snapshot has no factors.
    """
    x = torch.from_numpy(array_of(snapshot, "maps")).flatten(1).T
    coupling = snapshot.get("coupling")  # only where Λ was learned
    return Affinity(x, None if coupling is None else torch.from_numpy(coupling))


def grid_of(snapshot: Snapshot) -> Grid:
    """Where the cells of a snapshot's feature map lie in its image; errors as `affinity_of`."""
    stride, offset = array_of(snapshot, "grid").tolist()
    return Grid(stride, offset)


def size_of(snapshot: Snapshot) -> tuple[int, int]:
    """Height and width of a snapshot's image, pixels; errors as `affinity_of`."""
    height, width = array_of(snapshot, "image").shape[:2]
    return height, width
