"""The normalized-cuts layer: feature maps in, a factored affinity out (paper §5)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.linalg.affinity import Affinity
from workbench.linalg.precision import uncast, widened


class NormalizedCuts(nn.Module):
    """W = XΛXᵀ of a feature map whose cells are the rows of X.

    Λ is the identity, or learned as RRᵀ with R the nonnegative part of a free matrix that starts at
    the identity: symmetric, positive semidefinite and, with features ≥ 0, W ≥ 0.

    Args:
        features: d, the channels of the feature map.
        learn_coupling: whether Λ is a parameter. Only J1 can train it.
    """

    def __init__(self, features: int, learn_coupling: bool = False) -> None:
        super().__init__()
        self.features = features
        self.root = nn.Parameter(torch.eye(features)) if learn_coupling else None

    def forward(self, maps: Float[Tensor, "..."]) -> Affinity:
        """The affinity of one image's cells, in row-major order.

        Λ is never below float32, also where the layer's parameter is: rounded to a half it could
        lose its positive semidefiniteness.

        Args:
            maps: (features, rows, columns), real floating.

        Raises:
            WorkbenchError: the maps are not real, are of several images, or have other channels.
        """
        if maps.ndim != 3 or len(maps) != self.features:
            raise WorkbenchError(
                f"maps of one image, of shape ({self.features}, rows, columns)",
                f"shape {tuple(maps.shape)}",
                "call the layer image by image, with the number of channels it was made with",
            )
        x = maps.flatten(1).T
        if self.root is None:
            return Affinity(x)
        root = widened(self.root).relu()
        with uncast(root):
            return Affinity(x, root @ root.T)
