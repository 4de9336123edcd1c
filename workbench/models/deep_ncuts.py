"""DeepNCuts: a backbone, two new convolutions and the normalized-cuts layer (paper §5, §6.2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from workbench.errors import WorkbenchError
from workbench.layers.normalized_cuts import NormalizedCuts
from workbench.linalg.affinity import Affinity
from workbench.models.backbones import Backbone
from workbench.segmentation.grid import Grid

HIDDEN = {"alexnet": 256, "vgg16": 1024, "tiny": 48}
"""Channels of the first new convolution; for AlexNet and VGG the paper's."""


@dataclass(frozen=True)
class ArchitectureConfig:
    """What it takes to build a DeepNCuts, apart from its weights.

    Attributes:
        backbone: name of the backbone.
        tap: the ReLU whose output feeds the new layers.
        hidden: channels of the first new convolution; None: the paper's, by backbone.
        features: d, channels of the second one and largest rank of W; the paper's 20.
        dropout: probability, between the two; the paper's .25.
        enlarge: factor by which images are enlarged before the backbone, for a finer grid.
        learn_coupling: whether Λ is learned (by J1) or the identity.
        head: False: no new layers, W = XXᵀ of the backbone's own features, the untrained baseline.
    """

    backbone: str = "alexnet"
    tap: str = "relu5"
    hidden: int | None = None
    features: int = 20
    dropout: float = 0.25
    enlarge: float = 2.0
    learn_coupling: bool = False
    head: bool = True


class DeepNCuts(nn.Module):
    """From an image to the factors of its affinity.

    Attributes:
        config: what it was built from.
        grid: where the cells of the feature map lie in the image.
    """

    def __init__(self, config: ArchitectureConfig) -> None:
        super().__init__()
        if config.enlarge <= 0:
            raise WorkbenchError(
                "a positive enlargement", f"{config.enlarge}", "give --enlarge 1 for none"
            )
        self.config = config
        self.backbone = Backbone(config.backbone, config.tap)
        self.head = _head(self.backbone.channels, config) if config.head else nn.Identity()
        width = config.features if config.head else self.backbone.channels
        self.ncuts = NormalizedCuts(width, config.learn_coupling)
        self.grid: Grid = self.backbone.grid.shrunk(config.enlarge)

    def maps(
        self, image: Float[Tensor, "3 height width"]
    ) -> Float[Tensor, "features rows columns"]:
        """Nonnegative feature maps of one RGB image in [0, 1]; their cells are the rows of X."""
        if self.config.enlarge != 1:
            height, width = image.shape[1:]
            size = (round(height * self.config.enlarge), round(width * self.config.enlarge))
            image = interpolate(image[None], size, mode="bilinear", align_corners=False)[0]
        features: Tensor = self.head(self.backbone(image[None]))
        return features[0]

    def forward(self, image: Float[Tensor, "3 height width"]) -> tuple[Affinity, tuple[int, int]]:
        """The affinity of one image's cells, row-major, and the rows and columns of their map."""
        maps = self.maps(image)
        return self.ncuts(maps), (maps.shape[1], maps.shape[2])


def _head(channels: int, config: ArchitectureConfig) -> nn.Sequential:
    """Two Conv-ReLU pairs; the last ReLU makes W ≥ 0."""
    hidden = config.hidden or HIDDEN[config.backbone]
    layers = nn.Sequential(
        nn.Conv2d(channels, hidden, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Dropout(config.dropout),
        nn.Conv2d(hidden, config.features, 3, padding=1),
        nn.ReLU(),
    )
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(torch.as_tensor(layer.bias))
    return layers
